package ensembles

import (
	"errors"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
	"github.com/zkctl/zkctl/localserver"
)

// A member that is cut off from the quorum serves read-only clients, and refuses others; its
// readers move to a member with a quorum as soon as there is one.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	s := begin(t, localserver.Options{Size: 3}, "readonlymode.enabled=true")
	leader := s.awaitAll()
	alone := s.others(leader)[0]
	ctx := t.Context()
	if _, _, err := s.open(leader.Addr()).Create(ctx, "/a", []byte("x"), proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	before := mustDial(t, alone.Addr(), 30*time.Second, nil)
	if err := before.Create("/mine", proto.Ephemeral); err != nil {
		t.Fatal(err)
	}
	isro := func() string {
		answer, _ := localserver.FourLetterWord(ctx, alone.Addr(), "isro", nil)
		return answer
	}
	if got := isro(); got != "rw" {
		t.Errorf("isro says %q", got)
	}
	if err := s.Partition([]int64{alone.ID()}); err != nil {
		t.Fatal(err)
	}
	s.await("isro says ro", func() bool { return isro() == "ro" })
	if role := s.role(alone); role != "read-only" {
		t.Errorf("the role is %q", role)
	}
	if _, err := wiretest.Dial(alone.Addr(), 30*time.Second, nil); err == nil {
		t.Error("a client that wants to write is welcome")
	}
	// A new session, and an earlier one.
	reader := s.openReadOnly(alone.Addr())
	s.await("the client reads", func() bool { return reader.State() == client.ConnectedReadOnly })
	if data, _, err := reader.Get(ctx, "/a", false); err != nil || string(data) != "x" {
		t.Errorf("/a is %q, %v", data, err)
	}
	refused := func(op string, err error) {
		t.Helper()
		if !errors.Is(err, proto.ErrNotReadOnly) {
			t.Errorf("%s: %v", op, err)
		}
	}
	_, _, err := reader.Create(ctx, "/b", nil, proto.OpenACL, proto.Persistent, 0)
	refused("create", err)
	_, err = reader.Set(ctx, "/a", nil, -1)
	refused("set", err)
	refused("delete", reader.Delete(ctx, "/a", -1))
	refused("sync", reader.Sync(ctx, "/"))
	_, err = reader.Multi(ctx, []proto.MultiOp{client.CreateOp("/b", nil, proto.OpenACL, proto.Persistent, 0)})
	refused("multi", err)
	again, err := wiretest.Dialer{Wait: patience, ReadOnly: true}.Dial(alone.Addr(), 30*time.Second, before)
	if err != nil || !again.ReadOnly || again.ID != before.ID {
		t.Fatalf("session 0x%x read-only: %+v, %v", before.ID, again, err)
	}
	if err := again.Exists("/mine"); err != nil {
		t.Errorf("the ephemeral of before: %v", err)
	}
	if err := again.Create("/b", proto.Persistent); err != proto.ErrNotReadOnly {
		t.Errorf("create in the session of before: %v", err)
	}
	again.Close()

	s.HealAll()
	s.awaitAll()
	s.await("the client writes", func() bool { return reader.State() == client.Connected })
	if _, _, err := reader.Create(ctx, "/c", nil, proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Error(err)
	}
	back := mustDial(t, alone.Addr(), 30*time.Second, before)
	if err := back.Create("/mine/d", proto.Persistent); err != proto.ErrNoChildrenForEphemeral {
		t.Errorf("the session of before has lost its ephemeral: %v", err)
	}

	// The others die and return: a client that knows them all moves by itself.
	others := s.others(alone)
	s.kill(others...)
	s.await("isro says ro", func() bool { return isro() == "ro" })
	wanderer := s.openReadOnly(s.ConnectString())
	s.await("the client reads", func() bool { return wanderer.State() == client.ConnectedReadOnly })
	s.start(others...)
	s.await("the client writes", func() bool { return wanderer.State() == client.Connected })
	if _, _, err := wanderer.Create(ctx, "/e", nil, proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Error(err)
	}
	s.awaitAll()
	s.compareTrees()
}

// With local sessions, a reader's session belongs to its member: it ends if its client closes it or
// is silent, without other members, and with the member's role.
func TestReadOnlyLocalSessions(t *testing.T) {
	t.Parallel()
	s := begin(t, localserver.Options{Size: 3}, "readonlymode.enabled=true", "localSessionsEnabled=true")
	leader := s.awaitAll()
	alone := s.others(leader)[0]
	if err := s.Partition([]int64{alone.ID()}); err != nil {
		t.Fatal(err)
	}
	s.await("the role is read-only", func() bool { return s.role(alone) == "read-only" })
	dial := func(timeout time.Duration, old *wiretest.Client) *wiretest.Client {
		t.Helper()
		w, err := wiretest.Dialer{Wait: patience, ReadOnly: true}.Dial(alone.Addr(), timeout, old)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Close() })
		return w
	}
	w := dial(time.Minute, nil)
	closed := dial(time.Minute, nil)
	if err := closed.Call(proto.OpCloseSession, nil, nil); err != nil {
		t.Errorf("close: %v", err)
	}
	if n := s.figure(alone, "zk_local_sessions"); n != "1" {
		t.Errorf("there are %s local sessions", n)
	}
	silent := dial(time.Second, nil)
	silent.Close()
	s.await("the silent session ends", func() bool { return s.figure(alone, "zk_local_sessions") == "1" })
	w.Close()
	again := dial(time.Minute, w)
	if again.ID != w.ID || !again.ReadOnly {
		t.Errorf("session 0x%x became %+v", w.ID, again)
	}
	if err := again.Create("/e", proto.Ephemeral); err != proto.ErrNotReadOnly {
		t.Errorf("create an ephemeral: %v", err)
	}
	s.HealAll()
	s.awaitAll()
	if !ended(t, alone, again) {
		t.Error("the session of a reader lives on in the ensemble")
	}
}

func (s *subject) openReadOnly(servers string) *client.Conn {
	s.t.Helper()
	c, err := client.Open(client.Config{Servers: servers, SessionTimeout: 30 * time.Second, Wait: true, ReadOnly: true, RequestTimeout: patience})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}
