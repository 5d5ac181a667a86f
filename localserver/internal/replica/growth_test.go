package replica

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// growsLinearly fails if four times the size takes far more than four times as long. prepare makes
// something of size n and returns what is measured. A busy machine gets further attempts.
func growsLinearly(t *testing.T, what string, n int, prepare func(n int) (measured func())) {
	t.Helper()
	least := func(n int) time.Duration {
		best := time.Duration(1<<63 - 1)
		for range 3 {
			run := prepare(n)
			began := time.Now()
			run()
			best = min(best, time.Since(began))
		}
		return best
	}
	var one, four time.Duration
	for range 5 {
		if one, four = least(n), least(4*n); four < 9*one {
			return
		}
	}
	t.Errorf("%s: %v at size %d, %v at four times that", what, one, n, four)
}

func manyEntries(n int) []proto.ACL {
	list := make([]proto.ACL, n)
	for i := range list {
		list[i] = acl(proto.PermRead, "digest", fmt.Sprintf("user%d:x", i))
	}
	return list
}

// A single request with an ACL of 40,000 entries blocked everyone for seconds.
func TestACLsGrowLinearly(t *testing.T) {
	a := &authSchemes{}
	growsLinearly(t, "an ACL of a request", 5000, func(n int) func() {
		list := manyEntries(n)
		return func() {
			if fixed, err := a.fixupACL(list, nil); len(fixed) != n || err != 0 {
				t.Error(len(fixed), err)
			}
		}
	})
	ids := []proto.ID{{Scheme: "digest", ID: "nobody:x"}, {Scheme: "ip", ID: "127.0.0.1"}}
	growsLinearly(t, "so many checks of so long a list", 2000, func(n int) func() {
		list := &ztree.ACL{List: manyEntries(n)}
		return func() {
			for range n {
				if a.checkACL(list, proto.PermRead, ids) != proto.ErrNoAuth {
					t.Error("a stranger may read")
				}
			}
		}
	})
}

// A long list grants the same as its entries do one by one.
func TestLongACLs(t *testing.T) {
	a := &authSchemes{x509: true, x509SuperUser: "CN=root", sasl: true, anySASLUserDo: "any"}
	rng := rand.New(rand.NewPCG(1, 2))
	schemes := []string{"world", "digest", "ip", "x509", "sasl", "super", "none"}
	names := []string{"anyone", "a", "b", "CN=root", "any", "super", "10.1.2.3", "10.1.2.4", "010.1.2.3", "10.1.0.0/16", "10.1.2.3/0", "10.1.2.3/32", "10.1.2.3/33", ""}
	for range 20_000 {
		list := make([]proto.ACL, shortACL+1+rng.IntN(8))
		for i := range list { // mostly entries with few permissions
			list[i] = acl(proto.Perms(1)<<rng.IntN(5)*proto.Perms(rng.IntN(3)/2), schemes[rng.IntN(len(schemes))], names[rng.IntN(len(names))])
		}
		var ids []proto.ID
		for range rng.IntN(3) {
			ids = append(ids, proto.ID{Scheme: schemes[rng.IntN(len(schemes))], ID: names[rng.IntN(len(names))]})
		}
		perm := proto.Perms(1 + rng.IntN(31))
		got, want := a.checkACL(&ztree.ACL{List: list}, perm, ids), proto.ErrNoAuth
		for part := range slices.Chunk(list, shortACL) {
			if a.checkACL(&ztree.ACL{List: part}, perm, ids) == 0 {
				want = 0
			}
		}
		if got != want {
			t.Fatalf("%v for %v by %v: %v, one by one %v", perm, ids, list, got, want)
		}
	}
}

// "auth" expands to all identities of a client, with each permission again.
func TestAuthIsBounded(t *testing.T) {
	a := &authSchemes{maxACL: 100_000}
	ids := make([]proto.ID, 100)
	for i := range ids {
		ids[i] = proto.ID{Scheme: "digest", ID: fmt.Sprintf("user%d:x", i)}
	}
	var list []proto.ACL
	for perms := range proto.Perms(31) {
		list = append(list, acl(perms+1, "auth", ""))
	}
	if fixed, err := a.fixupACL(list, ids); err != 0 || len(fixed) != 31*100 {
		t.Errorf("%d entries, %v", len(fixed), err)
	}
	for perms := range proto.Perms(1000) {
		list = append(list, acl(perms+100, "auth", ""))
	}
	if fixed, err := a.fixupACL(list, ids); err != proto.ErrInvalidACL {
		t.Errorf("%d entries, %v", len(fixed), err)
	}
	if tooManyIdentities(ids) || !tooManyIdentities(slices.Repeat(ids, 3)) ||
		!tooManyIdentities([]proto.ID{{Scheme: "digest", ID: strings.Repeat("x", maxIdentityBytes)}}) {
		t.Error("identities are not bounded")
	}
}

// deaf is a leader that commits nothing: proposals stay unapplied.
type deaf struct{}

func (deaf) Propose(*zab.Proposal) {}
func (deaf) SyncAfter(zab.Origin)  {}
func (deaf) Reconfig(*proto.ReconfigRequest, int64) ([]byte, error) {
	return nil, proto.ErrUnimplemented
}

// onLoop runs prepare and what it returns on the loop of a server whose writes stay unapplied.
func onLoop(t *testing.T, prepare func(s *Replica, n int) (measured func())) func(n int) func() {
	return func(n int) func() {
		s, err := Open(Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		s.Lead(deaf{}, 0)
		var measured func()
		s.do(func() { measured = prepare(s, n) })
		return func() { s.do(measured) }
	}
}

// plant puts a znode into the tree.
func plant(s *Replica, path string, data []byte, owner int64) {
	h := &proto.TxnHeader{Zxid: s.tree.LastZxid() + 1, Type: proto.OpCreate, ClientID: owner}
	s.tree.Apply(h, &proto.CreateTxn{Path: path, Data: data, ACL: proto.OpenACL, Ephemeral: owner != 0, ParentCVersion: -1})
}

func requestOf(session int64, op proto.Op, body jute.Record) *request {
	return &request{Request: zab.Request{Session: session, Type: op, Body: jute.Marshal(body)}}
}

// Sessions that end together take time proportional to their number, whatever is in flight.
func TestExpiryGrowsLinearly(t *testing.T) {
	growsLinearly(t, "the end of so many sessions", 1000, onLoop(t, func(s *Replica, n int) func() {
		for id := range int64(n) {
			s.sessions.add(id+1, time.Hour, s.now)
			plant(s, fmt.Sprintf("/planted%d", id), nil, id+1)
			s.propose(requestOf(id+1, proto.OpCreate, &proto.CreateRequest{Path: fmt.Sprintf("/proposed%d", id), ACL: proto.OpenACL, Flags: proto.Ephemeral}))
		}
		return func() {
			for _, one := range s.sessions.byID {
				s.expire(one)
			}
			if got := len(s.changes.list); got != n*(2+2*2) {
				t.Errorf("%d changes", got)
			}
		}
	}))
}

// A parent's data must not be read for each child, nor a znode's for each check of it.
func TestMultiGrowsLinearly(t *testing.T) {
	ops := func(n int, op func(i int) proto.MultiOp) func(s *Replica) {
		multi := &proto.MultiRequest{}
		for i := range n {
			multi.Ops = append(multi.Ops, op(i))
		}
		r := requestOf(1, proto.OpMulti, multi)
		return func(s *Replica) { s.propose(r) }
	}
	child := func(i int) proto.MultiOp {
		return proto.MultiOp{Type: proto.OpCreate, Request: &proto.CreateRequest{Path: fmt.Sprintf("/big/%d", i), ACL: proto.OpenACL}}
	}
	check := func(int) proto.MultiOp {
		return proto.MultiOp{Type: proto.OpCheck, Request: &proto.PathVersionRequest{Path: "/big", Version: -1}}
	}
	for what, op := range map[string]func(int) proto.MultiOp{"children of a znode as large": child, "checks of a znode as large": check} {
		growsLinearly(t, what, 1000, onLoop(t, func(s *Replica, n int) func() {
			s.sessions.add(1, time.Hour, s.now)
			plant(s, "/big", make([]byte, 200*n), 0)
			s.tree.Digest()
			run := ops(n, op)
			return func() { run(s) }
		}))
	}
}

// A single query must not walk the whole tree.
func TestCountsGrowLinearly(t *testing.T) {
	growsLinearly(t, "so many counts of so many znodes", 2000, onLoop(t, func(s *Replica, n int) func() {
		for i := range n {
			plant(s, fmt.Sprintf("/%d", i), nil, 0)
		}
		r := requestOf(1, proto.OpGetAllChildrenNumber, &proto.PathRequest{Path: "/"})
		return func() {
			for range n {
				if body, err := s.read(r); err != 0 || body.(*proto.GetAllChildrenNumberResponse).TotalNumber < int32(n) {
					t.Error(body, err)
				}
			}
		}
	}))
	growsLinearly(t, "so many quotas above so many znodes", 2000, onLoop(t, func(s *Replica, n int) func() {
		plant(s, "/top", nil, 0)
		for i := range n {
			plant(s, fmt.Sprintf("/top/%d", i), nil, 0)
		}
		plant(s, "/zookeeper/quota/top", nil, 0)
		return func() {
			for range n {
				plant(s, "/zookeeper/quota/top/zookeeper_stats", nil, 0)
				h := &proto.TxnHeader{Zxid: s.tree.LastZxid() + 1, Type: proto.OpDelete}
				s.tree.Apply(h, &proto.DeleteTxn{Path: "/zookeeper/quota/top/zookeeper_stats"})
			}
		}
	}))
}

// A path is scanned once, however many names it has.
func TestDeepPathsGrowLinearly(t *testing.T) {
	growsLinearly(t, "a watch far above", 20_000, onLoop(t, func(s *Replica, n int) func() {
		c := &conn{s: s}
		for i := range 20 {
			s.watches.addWatch("/"+strings.Repeat("d", i), c, proto.WatchPersistentRecursive)
		}
		deep, told := strings.Repeat("/d", n), 0
		return func() {
			s.watches.dataChanged(deep, func(*conn, string, proto.EventType) { told++ })
			if told != 1 {
				t.Errorf("%d were told", told)
			}
		}
	}))
	growsLinearly(t, "a quota far above", 20_000, onLoop(t, func(s *Replica, n int) func() {
		for i := range 20 {
			quota := "/zookeeper/quota/" + strings.Repeat("d", i+1)
			plant(s, quota, nil, 0)
			plant(s, quota+"/zookeeper_limits", []byte("count=5,bytes=5"), 0)
		}
		deep := strings.Repeat("/d", n)
		return func() {
			if _, ok := s.tree.QuotaOf(deep); !ok {
				t.Error("the limit cannot be read")
			}
		}
	}))
}
