package conformance

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
)

// TestRandomRequests sends random requests over a small namespace, from several sessions. It runs
// for ZKCTL_CONFORMANCE (such as 5m), by default a few rounds; ZKCTL_SEED repeats one.
func TestRandomRequests(t *testing.T) {
	rounds, until := 6, time.Time{}
	if s := os.Getenv("ZKCTL_CONFORMANCE"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		rounds, until = 1<<30, time.Now().Add(d)
	}
	first := uint64(1)
	if s := os.Getenv("ZKCTL_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, rounds, until = n, 1, time.Time{}
	} else if !until.IsZero() {
		first = uint64(time.Now().UnixNano() & 0xffffffff)
	}
	failed := 0
	for i := range rounds {
		if !until.IsZero() && time.Now().After(until) || failed == 5 {
			t.Logf("%d rounds", i)
			break
		}
		seed := first + uint64(i)
		if !t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { compare(t, random(seed, 300, false)) }) {
			failed++
		}
	}
}

// random returns a script made from a seed. A tame one does not create znodes with another kind's
// operation, for which Apache ZooKeeper logs a wrong digest.
func random(seed uint64, length int, tame bool) func(p *player) {
	return func(p *player) {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 1)), p: p, root: fmt.Sprintf("/fz%d", seed), quota: seed%3 == 0, tame: tame}
		p.open("A")
		p.open("B")
		p.open("C")
		p.send("A", proto.OpAuth, 0, "digest", []byte("alice:a"))
		p.send("B", proto.OpAuth, 0, "digest", []byte("bob:b"))
		p.make("A", g.root)
		for range length {
			if p.err != nil {
				return
			}
			g.step()
		}
		for _, path := range g.paths() {
			p.look("C", path)
		}
	}
}

type generator struct {
	*rand.Rand
	p     *player
	root  string
	quota bool
	tame  bool
}

func (g *generator) paths() []string {
	list := []string{g.root}
	for _, a := range []string{"/a", "/b", "/c"} {
		list = append(list, g.root+a)
		for _, b := range []string{"/a", "/b"} {
			list = append(list, g.root+a+b, g.root+a+b+"/x")
		}
	}
	return list
}

func pick[T any](g *generator, list ...T) T { return list[g.IntN(len(list))] }

func (g *generator) path() string {
	switch g.IntN(60) {
	case 0:
		return badPaths[g.IntN(len(badPaths))]
	case 1:
		return "/"
	case 2:
		return g.root + "/a0000000001"
	case 3:
		return pick(g, "/zookeeper", "/zookeeper/config", "/zookeeper/quota", "/zookeeper/quota"+g.root+"/zookeeper_stats")
	}
	return pick(g, g.paths()...)
}

// below reports whether a path may be changed. Apache ZooKeeper crashes on a quota that it cannot
// parse.
func (g *generator) below() string {
	for {
		if path := g.path(); path != "/" && path != "" && path != "/zookeeper/config" && !strings.HasSuffix(path, "_stats") {
			return path
		}
	}
}

func (g *generator) session() string { return pick(g, "A", "A", "B", "B", "C") }

func (g *generator) data() []byte {
	if g.IntN(12) == 0 {
		return nil
	}
	return make([]byte, g.IntN(20))
}

func (g *generator) version() int { return pick(g, -1, -1, -1, 0, 1, 2, 3, -2) }

func (g *generator) acl() []proto.ACL {
	return pick(g, open, open, open, open, open, open, open, acls(acl(31, "auth", "")), acls(acl(31, "auth", ""), acl(1, "world", "anyone")),
		acls(acl(proto.Perms(g.IntN(32)), "world", "anyone")), acls(), acls(acl(31, "ip", "127.0.0.1"), acl(31, "ip", "127.0.0.1")), acls(acl(31, "none", "")))
}

func (g *generator) mode() int {
	if g.tame {
		return pick(g, 0, 0, 1, 2, 3)
	}
	return pick(g, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7)
}

func (g *generator) step() {
	p, who := g.p, g.session()
	switch s := p.sessions[who]; {
	case s == nil || s.w == nil && (s.over || s.id == 0):
		p.open(who)
		return
	case s.w == nil:
		p.resume(who)
		return
	}
	switch g.IntN(40) {
	case 0:
		switch g.IntN(6) {
		case 0:
			p.send(who, proto.OpCloseSession)
		case 1:
			p.drop(who)
		case 2:
			p.resume(who)
		case 3:
			p.send(who, proto.OpAuth, 0, "digest", []byte(pick(g, "alice:a", "bob:b", "super:secret", "x")))
		case 4:
			if other := p.sessions[g.session()]; other != nil {
				p.connect("X", hello{id: other.id, passwd: make([]byte, 16)})
			}
		}
	case 1:
		if g.quota {
			limits := pick(g, "count=3,bytes=20", "count=-1,bytes=-1=;byteHardLimit=30;countHardLimit=5", "count=-1,bytes=100=;byteHardLimit=-1;countHardLimit=3")
			dir := "/zookeeper/quota" + pick(g, g.root, g.root+"/a")
			for at := len("/zookeeper/quota") + 1; at <= len(dir); at++ {
				if at == len(dir) || dir[at] == '/' {
					p.make(who, dir[:at])
				}
			}
			p.send(who, pick(g, proto.OpCreate, proto.OpCreate2), dir+"/zookeeper_limits", []byte(limits), open, 0)
			p.send(who, proto.OpCreate, dir+"/zookeeper_stats", []byte("count=0,bytes=0"), open, 0)
		}
	case 2:
		if g.quota {
			p.send(who, proto.OpDelete, "/zookeeper/quota"+pick(g, g.root, g.root+"/a")+pick(g, "/zookeeper_limits", "/zookeeper_stats"), -1)
		}
	case 3, 4, 5:
		if !g.quota {
			var calls []call
			for range 2 + g.IntN(6) {
				c := g.call()
				if c.op == proto.OpSetACL {
					continue // whether it affects those after it is a matter of luck there
				}
				calls = append(calls, c)
			}
			if len(calls) > 0 {
				p.pipeline(who, calls...)
			}
		}
	default:
		p.pipeline(who, g.call())
	}
}

// call is one request.
func (g *generator) call() call {
	path, watch := g.path(), g.IntN(3) == 0
	body := func(op proto.Op, parts ...any) call {
		b := raw(parts...)
		switch g.IntN(150) {
		case 0:
			b = b[:g.IntN(len(b)+1)]
		case 1:
			b = append(b, 1, 2, 3)
		}
		return call{op, b}
	}
	switch g.IntN(24) {
	case 0, 1, 2, 3:
		return body(pick(g, proto.OpCreate, proto.OpCreate2), g.below(), g.data(), g.acl(), g.mode())
	case 4:
		mode := pick(g, 4, 4, 4, 0, 1, 2)
		if g.tame {
			mode = 4
		}
		return body(proto.OpCreateContainer, g.below(), g.data(), g.acl(), mode)
	case 5:
		return body(proto.OpCreateTTL, g.below(), g.data(), g.acl(), pick(g, 5, 6, 5, 6, 0), pick(g, int64(1e9), int64(1e10), 0))
	case 6, 7:
		return body(proto.OpDelete, g.below(), g.version())
	case 8, 9:
		return body(proto.OpSetData, g.below(), g.data(), g.version())
	case 10:
		return body(proto.OpSetACL, g.below(), g.acl(), g.version())
	case 11:
		return body(proto.OpExists, path, watch)
	case 12:
		return body(proto.OpGetData, path, watch)
	case 13:
		return body(pick(g, proto.OpGetChildren, proto.OpGetChildren2), path, watch)
	case 14:
		return body(proto.OpGetACL, path)
	case 15:
		return body(pick(g, proto.OpGetAllChildrenNumber, proto.OpGetEphemerals, proto.OpSync), path)
	case 16:
		return body(proto.OpAddWatch, path, pick(g, 0, 1, 1, 2))
	case 17:
		return body(proto.OpRemoveWatches, path, 1+g.IntN(3))
	case 18:
		return body(proto.OpCheckWatches, path, 1+g.IntN(3))
	case 19:
		list := func() (l []string) {
			for range g.IntN(4) {
				l = append(l, g.path())
			}
			return l
		}
		if g.IntN(2) == 0 {
			return body(proto.OpSetWatches, pick(g, int64(0), int64(1)<<40), list(), list(), list())
		}
		return body(proto.OpSetWatches2, pick(g, int64(0), int64(1)<<40), list(), list(), list(), list(), list())
	case 20:
		var parts [][]byte
		for range g.IntN(5) {
			parts = append(parts, part(pick(g, proto.OpGetData, proto.OpGetChildren), g.path(), watch))
		}
		return body(proto.OpMultiRead, verbatim(multi(parts...)))
	case 21:
		return body(proto.OpWhoAmI)
	default:
		var parts [][]byte
		for range 1 + g.IntN(5) {
			parts = append(parts, g.part())
		}
		return body(proto.OpMulti, verbatim(multi(parts...)))
	}
}

func (g *generator) part() []byte {
	switch g.IntN(7) {
	case 0, 1:
		return part(pick(g, proto.OpCreate, proto.OpCreate, proto.OpCreate2), g.below(), g.data(), g.acl(), pick(g, 0, 0, 1, 2, 3, 4))
	case 2:
		return part(proto.OpCreateTTL, g.below(), g.data(), open, pick(g, 5, 6, 0), pick(g, int64(1e9), 1))
	case 3, 4:
		return part(proto.OpSetData, g.below(), g.data(), pick(g, -1, -1, -1, 0))
	case 5:
		return part(proto.OpDelete, g.below(), -1)
	}
	return part(proto.OpCheck, g.path(), pick(g, -1, -1, 0))
}
