package conformance

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
)

// TestWhatSessionsLeaveOpen shows on both servers what docs/server.md says about sessions: anyone
// who can connect can disconnect a client whose session id they know, and take over the session,
// but not the client's identities.
func TestWhatSessionsLeaveOpen(t *testing.T) {
	theirs, ours := both(t)
	for name, addr := range map[string]string{"Apache": theirs, "embedded": ours} {
		t.Run(name, func(t *testing.T) {
			secret := proto.ID{Scheme: "digest", ID: "bob:fyVmFCwVbTJYrznoSu1koqYEYF0="} // bob:secret
			victim, session := resumed(t, addr, 0, nil)
			ask(t, victim, proto.XidAuth, proto.OpAuth, &proto.AuthPacket{Scheme: "digest", Auth: []byte("bob:secret")}, nil, 0)
			ask(t, victim, 1, proto.OpCreate, &proto.CreateRequest{Path: "/mine", ACL: proto.OpenACL, Flags: proto.Ephemeral}, nil, 0)
			ask(t, victim, 2, proto.OpCreate, &proto.CreateRequest{Path: "/secret", ACL: []proto.ACL{{Perms: proto.PermRead, ID: secret}}, Flags: proto.Ephemeral}, nil, 0)

			// A session's id is not secret: its ephemeral znodes reveal it.
			stranger, _ := resumed(t, addr, 0, nil)
			var stat proto.StatResponse
			ask(t, stranger, 1, proto.OpExists, &proto.PathWatchRequest{Path: "/mine"}, &stat, 0)
			if stat.Stat.EphemeralOwner != session.SessionID {
				t.Fatalf("the owner is %#x, the session %#x", stat.Stat.EphemeralOwner, session.SessionID)
			}

			// A wrong password does not give access to the session, but its client is disconnected.
			if _, refused := resumed(t, addr, session.SessionID, make([]byte, 16)); refused.TimeOut != 0 || refused.SessionID != 0 {
				t.Errorf("with a wrong password: %+v", refused)
			}
			if _, err := victim.read(patience); err == nil || err == errSilent {
				t.Errorf("the client of the session: %v", err)
			}
			victim, again := resumed(t, addr, session.SessionID, session.Passwd)
			if again.SessionID != session.SessionID {
				t.Fatalf("the session did not live on: %+v", again)
			}
			ask(t, victim, 3, proto.OpExists, &proto.PathWatchRequest{Path: "/mine"}, nil, 0)

			// The password follows from the id.
			thief, taken := resumed(t, addr, session.SessionID, passwordOf(session.SessionID))
			if taken.SessionID != session.SessionID {
				t.Fatalf("with the computed password: %+v", taken)
			}
			if _, err := victim.read(patience); err == nil || err == errSilent {
				t.Errorf("the client of the session: %v", err)
			}
			ask(t, thief, 4, proto.OpGetData, &proto.PathWatchRequest{Path: "/secret"}, nil, proto.ErrNoAuth)
			ask(t, thief, 5, proto.OpCloseSession, nil, nil, 0)
			ask(t, stranger, 2, proto.OpExists, &proto.PathWatchRequest{Path: "/mine"}, nil, proto.ErrNoNode)
			ask(t, stranger, 3, proto.OpCloseSession, nil, nil, 0) // its expiry would be a transaction in the middle of other tests
		})
	}
}

// resumed connects with a session, or opens one if id is 0.
func resumed(t *testing.T, addr string, id int64, passwd []byte) (*wire, proto.ConnectResponse) {
	t.Helper()
	w, err := dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	if passwd == nil {
		passwd = make([]byte, 16)
	}
	q := proto.ConnectRequest{TimeOut: int32((10 * time.Second).Milliseconds()), SessionID: id, Passwd: passwd}
	if err := w.write(wiretest.Marshal(&q)); err != nil {
		t.Fatal(err)
	}
	body, err := w.read(patience)
	if err != nil {
		t.Fatal(err)
	}
	var p proto.ConnectResponse
	if err := jute.Unmarshal(body, &p); err != nil {
		t.Fatal(err)
	}
	return w, p
}

func ask(t *testing.T, w *wire, xid int32, op proto.Op, q, into jute.Record, want proto.Error) {
	t.Helper()
	var body []byte
	if q != nil {
		body = jute.Marshal(q)
	}
	if err := w.write(request(xid, op, body)); err != nil {
		t.Fatal(err)
	}
	reply, err := w.read(patience)
	if err != nil {
		t.Fatalf("%v: %v", op, err)
	}
	d := jute.NewDecoder(reply)
	var h proto.ReplyHeader
	if h.Visit(d); into != nil {
		into.Visit(d)
	}
	if d.Err() != nil || h.Err != want {
		t.Fatalf("%v: %v, %v", op, h.Err, d.Err())
	}
}

// passwordOf is java.util.Random, seeded with the id and a constant that all servers have
// (ZooKeeperServer.generatePasswd).
func passwordOf(id int64) (passwd []byte) {
	state := (uint64(id) ^ 0xB3415C00 ^ 0x5deece66d) & (1<<48 - 1)
	for range 4 {
		state = (state*0x5deece66d + 0xb) & (1<<48 - 1)
		passwd = binary.LittleEndian.AppendUint32(passwd, uint32(state>>16))
	}
	return passwd
}
