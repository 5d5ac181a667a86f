package client

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
)

// lines are the connections of a dialer.
type lines struct {
	mu    sync.Mutex
	most  int // how many can be made
	conns []net.Conn
}

func (l *lines) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.conns) >= l.most {
		if err == nil {
			_ = c.Close()
		}
		return nil, errors.New("no more connections")
	}
	if err == nil {
		l.conns = append(l.conns, c)
	}
	return c, err
}

// cut closes all but the first.
func (l *lines) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns[1:] {
		_ = c.Close()
	}
	l.most = 0
}

// TestWalkBesideOthers reads the ACLs of a tree that is large enough for other sessions, which answer, break or cannot be opened.
func TestWalkBesideOthers(t *testing.T) {
	servers := home(t)
	ctx := testContext(t)
	setup := open(t, Config{Servers: servers})
	paths := forest("/beside", 40, 90)
	plant(t, setup, paths)
	odd := []proto.ACL{{Perms: proto.PermRead | proto.PermAdmin, ID: proto.WorldAnyone}}
	if _, err := setup.SetACL(ctx, "/beside/a0031/b0077", odd, -1); err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	for _, test := range []struct {
		name  string
		most  int
		cut   bool
		conns int
	}{
		{"they answer", 100, false, 1 + besides},
		{"they break", 100, true, 1 + besides},
		{"there are two", 3, false, 3},
		{"there are none", 1, false, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := &lines{most: test.most}
			c := open(t, Config{Servers: servers, Dial: l.dial})
			if err := c.WaitConnected(ctx); err != nil {
				t.Fatal(err)
			}
			began, n := int64(0), 0
			err := c.Walk(ctx, "/beside", WalkOptions{Data: true, ACL: true, Begin: func() { began = c.Zxid() }}, func(z *Walked) error {
				if n == 0 && test.cut {
					l.cut()
				}
				want := proto.OpenACL
				if z.Path == "/beside/a0031/b0077" {
					want = odd
				}
				if z.Path != paths[n] || z.Err != nil || !slices.Equal(z.ACL, want) || z.Stat.Czxid == 0 {
					t.Fatalf("%d: %+v", n, z)
				}
				n++
				return nil
			})
			if err != nil || n != len(paths) {
				t.Fatalf("%d of %d znodes, %v", n, len(paths), err)
			}
			if c.Zxid() != began && !test.cut {
				t.Errorf("the walk began at 0x%x and ended at 0x%x, although nothing has changed", began, c.Zxid())
			}
			if len(l.conns) != test.conns {
				t.Errorf("%d connections, not %d", len(l.conns), test.conns)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
