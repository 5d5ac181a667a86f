package zab

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

// proposal returns a proposal with only a zxid.
func proposal(zxid int64) *Proposal {
	p := &Proposal{Txn: proto.TxnEntry{Header: proto.TxnHeader{Zxid: zxid, Type: proto.OpError}, Body: &proto.ErrorTxn{Err: -101}}}
	p.Raw = jute.Marshal(&p.Txn)
	return p
}

func proposals(zxids ...int64) (list []*Proposal) {
	for _, z := range zxids {
		list = append(list, proposal(z))
	}
	return list
}

func TestPlanSync(t *testing.T) {
	z := Zxid
	past := proposals(z(1, 5), z(1, 6), z(1, 7), z(3, 1), z(3, 2))
	for name, tc := range map[string]struct {
		past      []*Proposal
		processed int64
		peer      int64
		want      string
	}{
		"up to date":                               {past, z(3, 2), z(3, 2), "DIFF 300000002"},
		"up to date with an epoch just begun":      {past[:3], z(3, 0), z(3, 0), "DIFF 300000000"},
		"nothing anywhere":                         {nil, 0, 0, "DIFF 0"},
		"behind":                                   {past, z(3, 2), z(1, 6), "DIFF 300000002: 100000007 300000001 300000002"},
		"behind by the first":                      {past, z(3, 2), z(1, 5), "DIFF 300000002: 100000006 100000007 300000001 300000002"},
		"ahead":                                    {past, z(3, 2), z(3, 4), "TRUNC 300000002"},
		"ahead, of an epoch that is over":          {past[:3], z(3, 0), z(1, 9), "TRUNC 100000007"},
		"parted in an epoch that is over":          {past, z(3, 2), z(1, 9), "SNAP"},
		"parted, next of another epoch":            {past, z(3, 2), z(2, 4), "SNAP"},
		"has only begun an epoch":                  {past, z(3, 2), z(2, 0), "DIFF 300000002: 300000001 300000002"},
		"has begun the last epoch":                 {past, z(3, 2), z(3, 0), "DIFF 300000002: 300000001 300000002"},
		"has begun an epoch without a transaction": {past[:3], z(1, 7), z(2, 0), "DIFF 100000007"},
		"before what is in memory":                 {past, z(3, 2), z(1, 4), "log"},
		"empty":                                    {past, z(3, 2), 0, "log"},
		"nothing in memory":                        {nil, z(3, 2), z(1, 4), "log"},
		"nothing in memory, ahead":                 {nil, z(3, 2), z(3, 4), "TRUNC 300000002"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := planSync(tc.past, tc.processed, tc.peer)
			got := "SNAP"
			switch plan.kind {
			case syncDisk:
				got = "log"
			case syncPast:
				got = packetName(&proto.QuorumPacket{Type: plan.op, Zxid: plan.zxid})
				for i, p := range plan.list {
					if i == 0 {
						got += ":"
					}
					got += fmt.Sprintf(" %x", p.Zxid())
				}
			}
			if got != tc.want {
				t.Errorf("%s, not %s", got, tc.want)
			}
		})
	}
	// Diverged within an epoch that continued: the learner led a little longer than it knew.
	plan := planSync(proposals(z(1, 1), z(1, 3)), z(1, 3), z(1, 2))
	if plan.op != proto.PacketTrunc || plan.zxid != z(1, 1) || len(plan.list) != 1 {
		t.Errorf("%+v", plan)
	}
}

func TestPackets(t *testing.T) {
	auth := []proto.ID{{Scheme: "digest", ID: "a:b"}, {Scheme: "ip", ID: "127.0.0.1"}}
	req := &Request{Session: 7, Cxid: 3, Type: proto.OpCreate, Body: []byte("body"), Auth: auth}
	var stream []byte
	stream = append(stream, frame(proto.PacketAck, 5)...)
	stream = append(stream, frame(proto.PacketInformAndActivate, 6, []byte("12345678"), []byte("raw"))...)
	stream = append(stream, frame(proto.PacketPing, 7, []byte{})...)
	stream = append(stream, requestFrame(req)...)
	in := newPacketReader(bytes.NewReader(stream), 1000)
	for _, want := range []proto.QuorumPacket{
		{Type: proto.PacketAck, Zxid: 5},
		{Type: proto.PacketInformAndActivate, Zxid: 6, Data: []byte("12345678raw")},
		{Type: proto.PacketPing, Zxid: 7, Data: []byte{}},
	} {
		qp, err := in.read()
		if err != nil || qp.Type != want.Type || qp.Zxid != want.Zxid || !bytes.Equal(qp.Data, want.Data) || (qp.Data == nil) != (want.Data == nil) {
			t.Errorf("%+v, %v", qp, err)
		}
		// The record of package proto says the same.
		var record proto.QuorumPacket
		if err := jute.Unmarshal(frame(want.Type, want.Zxid, want.Data), &record); err != nil || record.Zxid != want.Zxid || !bytes.Equal(record.Data, want.Data) {
			t.Errorf("%+v, %v", record, err)
		}
	}
	qp, err := in.read()
	if err != nil {
		t.Fatal(err)
	}
	got, err := requestOf(qp, nil)
	if err != nil || got.Session != 7 || got.Cxid != 3 || got.Type != proto.OpCreate || string(got.Body) != "body" || fmt.Sprint(got.Auth) != fmt.Sprint(auth) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := in.read(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	for n := 1; n < len(frame(proto.PacketAck, 5, []byte("data"))); n++ {
		if _, err := newPacketReader(bytes.NewReader(frame(proto.PacketAck, 5, []byte("data"))[:n]), 10).read(); err == nil {
			t.Errorf("%d bytes of a packet are one", n)
		}
	}
}

func FuzzPacket(f *testing.F) {
	f.Add(frame(proto.PacketProposal, 1<<32|1, proposal(1<<32|1).Raw))
	f.Add(requestFrame(&Request{Session: 7, Auth: []proto.ID{{Scheme: "a", ID: "b"}}}))
	f.Add(frame(proto.PacketNewLeader, 1<<32, []byte("server.1=a:1:2:participant\nversion=0")))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := newPacketReader(bytes.NewReader(b), 1000)
		for {
			qp, err := in.read()
			if err != nil {
				return
			}
			if len(qp.Data) > len(b) {
				t.Fatalf("%d bytes of data in %d", len(qp.Data), len(b))
			}
			_, _ = requestOf(qp, nil)
			_, _ = proposalOf(qp, qp.Data)
			_ = packetName(qp)
		}
	})
}

// aSnapshot returns a snapshot with sessions, ACLs and znodes, whose data has a multiple of size
// bytes.
func aSnapshot(size int) []byte {
	c := jute.NewEncoder(nil)
	one, session, timeout := int32(1), int64(7), int32(4000)
	c.Int(&one)
	c.Long(&session)
	c.Int(&timeout)
	c.Int(&one)
	key, perms := int64(1), int32(31)
	c.Long(&key)
	c.Int(&one)
	c.Int(&perms)
	for _, s := range []string{"world", "anyone"} {
		c.String(&s)
	}
	for _, path := range []string{"", "/a", "/a/b", "x"} {
		data := bytes.Repeat([]byte("d"), size*len(path))
		if path == "/a" {
			data = nil
		}
		c.String(&path)
		c.Buffer(&data)
		c.Long(&key)
		(&proto.StatPersisted{Czxid: 5}).Visit(c)
	}
	end := "/"
	c.String(&end)
	return c.Bytes()
}

// The stream ends at the end of the snapshot, whatever follows and however it is read.
func TestSnapshotStream(t *testing.T) {
	snap := aSnapshot(3000)
	rest := append(bytes.Clone(snapshotSignature), frame(proto.PacketPing, 1)...)
	for _, size := range []int{1, 7, 4096, 1 << 20} {
		r := bufio.NewReader(bytes.NewReader(append(bytes.Clone(snap), rest...)))
		var got []byte
		s, buf := newSnapshotStream(r, 1<<20), make([]byte, size)
		for {
			n, err := s.Read(buf)
			got = append(got, buf[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		after, _ := io.ReadAll(r)
		if !bytes.Equal(got, snap) || !bytes.Equal(after, rest) {
			t.Errorf("in pieces of %d: %d of %d bytes, %d of %d after", size, len(got), len(snap), len(after), len(rest))
		}
	}
	for n := 0; n < len(snap); n += 1 + n/64 {
		if _, err := io.ReadAll(newSnapshotStream(bufio.NewReader(bytes.NewReader(snap[:n])), 1<<20)); err == nil {
			t.Fatalf("%d of %d bytes are a snapshot", n, len(snap))
		}
	}
	in := newPacketReader(bytes.NewReader(append(bytes.Clone(snap), "\x00\x00\x00\x0aBenWasGone"...)), 1<<20)
	if _, err := io.ReadAll(&signedStream{newSnapshotStream(in.r, 1<<20), in, false}); !errors.Is(err, errPacket) {
		t.Errorf("without the signature: %v", err)
	}
}

func FuzzSnapshotStream(f *testing.F) {
	f.Add(aSnapshot(3))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := io.ReadAll(newSnapshotStream(bufio.NewReader(bytes.NewReader(b)), 1<<16))
		if len(got) > len(b) || err == nil && !bytes.HasPrefix(b, got) {
			t.Fatalf("%d bytes of %d: %v", len(got), len(b), err)
		}
	})
}

// A connection whose other end does not read is dropped before it takes too much memory.
func TestSendQueueLimit(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	q := newSendQueue(near, 10_000)
	done := make(chan struct{})
	go func() { q.run(); close(done) }()
	for range 200 {
		q.put(make([]byte, 100))
	}
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
	if !errors.Is(q.cause(), errQueueFull) {
		t.Errorf("%v", q.cause())
	}
	q.put([]byte("after"))
	if n, size := q.length(); n != 0 || size != 0 {
		t.Errorf("%d frames, %d bytes", n, size)
	}
}

// The log on disk yields the transaction before a zxid and those after it, and fails where a
// snapshot reveals a hole.
func TestFileDiskSince(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "version-2")
	d := fileDisk{dir, dir}
	if err := mkdir(dir); err != nil {
		t.Fatal(err)
	}
	for _, zxids := range [][]int64{{Zxid(1, 1), Zxid(1, 2), Zxid(1, 3)}, {Zxid(1, 4), Zxid(1, 5)}, {Zxid(3, 1), Zxid(3, 2)}} {
		w := d.newLog(storage.LogOptions{Preallocate: 4 << 10})
		for _, z := range zxids {
			if err := w.AppendRaw(z, proposal(z).Raw); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	since := func(zxid int64) (text string, err error) {
		err = d.since(zxid, 0, func(p *Proposal) (bool, error) {
			text += fmt.Sprintf("%x ", p.Zxid())
			return true, nil
		})
		return strings.TrimSpace(text), err
	}
	for zxid, want := range map[int64]string{
		0:          "100000001 100000002 100000003 100000004 100000005 300000001 300000002",
		Zxid(1, 2): "100000002 100000003 100000004 100000005 300000001 300000002",
		Zxid(1, 5): "100000005 300000001 300000002",
		Zxid(2, 0): "100000005 300000001 300000002",
		Zxid(3, 2): "300000002",
		Zxid(4, 0): "300000002",
	} {
		if got, err := since(zxid); got != want || err != nil {
			t.Errorf("since %x: %s, not %s; %v", zxid, got, want, err)
		}
	}
	if err := d.since(Zxid(1, 2), 100, func(*Proposal) (bool, error) { return true, nil }); !errors.Is(err, errTooLong) {
		t.Errorf("%v", err)
	}
	if err := touch(filepath.Join(dir, storage.SnapshotName(Zxid(2, 7), ""))); err != nil {
		t.Fatal(err)
	}
	if _, err := since(Zxid(1, 2)); !errors.Is(err, errHole) {
		t.Errorf("%v", err)
	}
	if got, err := since(Zxid(3, 1)); err != nil || got != "300000001 300000002" {
		t.Errorf("%s, %v", got, err)
	}
	// A snapshot that an Apache server received from its leader: its log, which it kept, is
	// incomplete, and a member that starts with it must not treat it as its history.
	if err := touch(filepath.Join(dir, storage.SnapshotName(Zxid(5, 0), ""))); err != nil {
		t.Fatal(err)
	}
	if _, err := since(Zxid(3, 1)); !errors.Is(err, errHole) {
		t.Errorf("%v", err)
	}
	p := &Peer{opt: PeerOptions{History: 500, Log: silent{}}, replica: &fakeReplica{last: Zxid(5, 0)}, disk: d, past: &history{limit: 500}}
	if p.recall(); len(p.past.all()) > 0 {
		t.Errorf("it remembers %d transactions that do not lead to what it has", len(p.past.all()))
	}
}

// A log that turns out to lack transactions is of no use to any learner: they need a snapshot.
func TestHoleInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 3, 0)
		defer c.stop()
		var all []*Proposal
		for i := range int64(2 * historyCount) {
			all = append(all, proposal(Zxid(1, i+1)))
		}
		for id, d := range map[int64]*memDisk{1: c.nodes[1].disk, 2: c.nodes[2].disk, 3: c.nodes[3].disk} {
			d.accepted, d.current = 1, 1
			switch id {
			case 1:
				d.log = all[:30]
			case 2:
				d.log = all
			case 3:
				d.snapshot, d.snapZxid = all[:100], Zxid(1, 100)
				d.log = slices.Concat(all[:50], all[100:])
			}
		}
		c.start()
		if leader := c.awaitAll(); leader.id != 3 {
			t.Fatalf("server %d leads", leader.id)
		}
		if c.nodes[1].replica.restored != 1 {
			t.Errorf("server 1 took %d snapshots", c.nodes[1].replica.restored)
		}
		c.check()
	})
}
