package replica

import (
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// TestPasswords has the output of java.util.Random in ZooKeeperServer.generatePasswd.
func TestPasswords(t *testing.T) {
	for _, test := range []struct {
		id   uint64
		want string
	}{
		{0x1, "054cc74a37327db215e702e20c73f005"},
		{0x100000000000000, "f22acd4a97e69d6d20a49bb638eadb38"},
		{0x1000001a2b3c4d5, "75f7b92fa39dd98d12e9a0f471d573ff"},
		{0xffffffffffffffff, "20f62cb5648dc2d771471c8a2486a9ee"},
		{0x7fffffffffffffff, "20f62cb5648dc2d771471c8a2486a9ee"}, // 48 bits are the seed
	} {
		if got := hex.EncodeToString(password(int64(test.id))); got != test.want {
			t.Errorf("session %#x: %s, want %s", test.id, got, test.want)
		}
	}
}

func TestSessionIDs(t *testing.T) {
	for _, server := range []int64{0, 1, 127, 128, 255} {
		id := newSessions(time.Second, server).nextID
		if got := uint64(id) >> 56; got != uint64(server) {
			t.Errorf("server %d: session id %#x", server, id)
		}
		if id&0xffff != 0 {
			t.Errorf("server %d: the counter of %#x does not begin at 0", server, id)
		}
	}
}

// TestBuckets: a session ends at the end of the tick in which its timeout ends.
func TestBuckets(t *testing.T) {
	table := newSessions(time.Second, 1)
	at := func(ms int) time.Time { return table.began.Add(time.Duration(ms) * time.Millisecond) }
	table.add(1, 2*time.Second, at(0))
	table.add(2, 2*time.Second, at(999))
	table.add(3, 4*time.Second, at(1))
	ended := func(ms int, want ...int64) {
		t.Helper()
		var got []int64
		for _, s := range table.expired(at(ms)) {
			got = append(got, s.id)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("after %d ms %d end, want %d", ms, got, want)
		}
	}
	if next, ok := table.next(); !ok || next != at(3000) {
		t.Errorf("the first bucket is due %v after the beginning, %v", next.Sub(table.began), ok)
	}
	ended(2999)
	table.touch(table.byID[2], 2*time.Second, at(1500)) // moves on
	ended(3000, 1)
	ended(3999)
	table.touch(table.byID[3], 9*time.Second, at(3999)) // with a longer timeout
	ended(4000, 2)
	table.remove(3)
	if _, ok := table.next(); ok {
		t.Error("a bucket without a session is due")
	}
	ended(100_000)
	table.add(4, time.Second, at(200_000)) // after a long time without any
	ended(201_999)
	ended(202_000, 4)
	ended(202_000)
}

func TestCheckSession(t *testing.T) {
	table := newSessions(time.Second, 1)
	now := table.began
	here, there := zab.Origin("here"), zab.Origin("there")
	if err := table.check(1, here); err != proto.ErrUnknownSession {
		t.Errorf("an unknown session: %v", err)
	}
	s := table.add(1, time.Second, now)
	if err := table.check(1, here); err != 0 {
		t.Errorf("the first request: %v", err)
	}
	if err := table.check(1, there); err != proto.ErrSessionMoved {
		t.Errorf("from elsewhere: %v", err)
	}
	if err := table.check(1, here); err != 0 {
		t.Errorf("from its owner: %v", err)
	}
	s.closing = true
	if err := table.check(1, here); err != proto.ErrSessionExpired {
		t.Errorf("one that is closing: %v", err)
	}
	if table.add(1, time.Second, now) != s {
		t.Error("a session is tracked twice")
	}
}
