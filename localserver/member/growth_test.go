package member

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// growsLinearly fails when four times as much takes far more than four times as long. prepare
// makes something of size n; what it returns is measured. A machine that is busy with other
// things gets further attempts.
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

// One request with an ACL of 40,000 entries stopped everybody for seconds.
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
		for i := range list { // mostly entries that grant little
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

// "auth" stands for all identities of a client, again with each permission.
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
