package source

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

func TestMain(m *testing.M) { os.Exit(apachetest.Main(m)) }

// settled is what a consistent walk visited, and what it said of it.
type settled struct {
	paths  map[string]Znode
	moment Moment
	why    []string // it took longer
	report Report
	err    error
}

// settle walks a tree consistently on the shared server. change is called once, while the walk goes on.
func settle(t *testing.T, root string, watch bool, patience time.Duration, change func(conn *client.Conn, drop func())) (s settled) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server := apachetest.Shared(t).Addr()
	other, err := client.Open(client.Config{Servers: server})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var mu sync.Mutex
	var link net.Conn
	w, err := openLive(client.Config{Servers: server, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		mu.Lock()
		defer mu.Unlock()
		link = c
		return c, err
	}}, root)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	l := w.(*live)
	l.watchless = !watch
	once := sync.OnceFunc(func() {
		change(other, func() {
			mu.Lock()
			defer mu.Unlock()
			_ = link.Close()
		})
	})
	s.paths = map[string]Znode{}
	opt := Options{Stat: true, Data: true, ACL: true, Settle: patience, Progress: func(int) { once() },
		Moment: func(m Moment) { s.moment = m }, Settling: func(why string) { s.why = append(s.why, why) }}
	last := ""
	s.report, s.err = l.Walk(ctx, opt, func(z *Znode) error {
		if last != "" && Compare(last, z.Path) >= 0 {
			t.Errorf("%s comes after %s", z.Path, last)
		}
		last = z.Path
		one := *z
		one.Data = slices.Clone(z.Data)
		s.paths[z.Path] = one
		return nil
	})
	// What is there now is what has to be found, since nothing changes any more.
	if s.err == nil && s.moment.Consistent {
		found := 0
		if err := other.Walk(ctx, root, client.WalkOptions{Stat: true, Data: true, ACL: true}, func(z *client.Walked) error {
			found++
			got, ok := s.paths[z.Path]
			if z.Err != nil && got.Err != nil {
				return nil
			}
			if !ok || string(got.Data) != string(z.Data) || got.Stat != z.Stat || !slices.Equal(got.ACL, z.ACL) {
				t.Errorf("%s was found as %+v, and is %+v", z.Path, got, *z)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		if found != len(s.paths) {
			t.Errorf("%d znodes were found, and there are %d", len(s.paths), found)
		}
	}
	return s
}

// TestSettleAfterSession: once its session has expired, a walk ends, and does not claim to start over.
func TestSettleAfterSession(t *testing.T) {
	const root = "/TestSettleAfterSession"
	plant(t, root, 30)
	w, err := openLive(client.Config{Servers: apachetest.Shared(t).Addr()}, root)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	end := sync.OnceFunc(func() { _ = w.Conn().Close() })
	opt := Options{Stat: true, Data: true, ACL: true, Settle: time.Minute, Progress: func(int) { end() }, Settling: func(why string) { t.Error(why) }}
	if _, err := w.Walk(t.Context(), opt, func(*Znode) error { return nil }); err == nil {
		t.Error("it was read")
	}
}

// TestSettle changes a tree in each way while it is walked.
func TestSettle(t *testing.T) {
	for _, watch := range []bool{true, false} {
		t.Run(fmt.Sprintf("watch=%v", watch), func(t *testing.T) {
			root := fmt.Sprintf("/TestSettle-%v", watch)
			ctx := t.Context()
			check := func(err error) {
				t.Helper()
				if err != nil {
					t.Error(err)
				}
			}
			acl := []proto.ACL{{Perms: proto.PermAll, ID: proto.WorldAnyone}, {Perms: proto.PermRead, ID: proto.ID{Scheme: "ip", ID: "10.0.0.1"}}}
			plant(t, root, 30)
			quiet := settle(t, root, watch, time.Minute, func(*client.Conn, func()) {})
			if quiet.err != nil || !quiet.moment.Consistent || len(quiet.paths) != 31 || len(quiet.why) > 0 && watch {
				t.Errorf("nothing changed: %+v, %v, %q, %v", quiet.moment, len(quiet.paths), quiet.why, quiet.err)
			}
			all := settle(t, root, watch, time.Minute, func(c *client.Conn, _ func()) {
				_, err := c.Set(ctx, root+"/n00", []byte("new"), -1)
				check(err)
				_, err = c.SetACL(ctx, root+"/n01", acl, -1)
				check(err)
				check(c.Delete(ctx, root+"/n02", -1))
				_, _, err = c.Create(ctx, root+"/n03/child", []byte("child"), acl, proto.Persistent, 0)
				check(err)
				check(c.Delete(ctx, root+"/n04", -1))
				_, _, err = c.Create(ctx, root+"/n04", []byte("again"), acl, proto.Persistent, 0)
				check(err)
			})
			if all.err != nil || !all.moment.Consistent || all.moment.End <= all.moment.Start {
				t.Errorf("%+v, %v", all.moment, all.err)
			}
			late := settle(t, root, watch, time.Nanosecond, func(c *client.Conn, _ func()) {
				_, err := c.SetACL(ctx, root+"/n05", acl, -1)
				check(err)
			})
			// The walk may have come by after the change.
			if late.err != nil || !late.moment.Consistent && late.moment.Dirty == 0 {
				t.Errorf("too late: %+v, %v", late.moment, late.err)
			}
			if watch {
				lost := settle(t, root, watch, time.Minute, func(_ *client.Conn, drop func()) { drop() })
				if lost.err != nil || !lost.moment.Consistent || len(lost.why) == 0 || !strings.Contains(lost.why[0], "starts over") {
					t.Errorf("a lost connection: %+v, %q, %v", lost.moment, lost.why, lost.err)
				}
			}
		})
	}
	if none := settle(t, "/TestSettle-none", true, time.Minute, func(*client.Conn, func()) {}); !errors.Is(none.err, proto.ErrNoNode) {
		t.Errorf("a znode that does not exist: %v", none.err)
	}
}

// TestSettleUnread: what may not be read is reported, and nothing waits for it.
func TestSettleUnread(t *testing.T) {
	const root = "/TestSettleUnread"
	plant(t, root, 3)
	s := settle(t, root, true, time.Minute, func(c *client.Conn, _ func()) {
		if _, err := c.SetACL(t.Context(), root+"/n01", []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "ip", ID: "10.9.9.9"}}}, -1); err != nil {
			t.Error(err)
		}
	})
	if s.err != nil || s.report.Failed > 1 || len(s.why) > 5 {
		t.Errorf("%+v, %q, %v", s.report, s.why, s.err)
	}
}

// plant makes a tree.
func plant(t *testing.T, root string, n int) {
	t.Helper()
	c, err := client.Open(client.Config{Servers: apachetest.Shared(t).Addr()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ops := []proto.MultiOp{client.CreateOp(root, nil, proto.OpenACL, proto.Persistent, 0)}
	for i := range n {
		ops = append(ops, client.CreateOp(fmt.Sprintf("%s/n%02d", root, i), []byte("old"), proto.OpenACL, proto.Persistent, 0))
	}
	if _, err := c.Multi(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
}

// TestSettleSays: that what changes is read again is not said again and again.
func TestSettleSays(t *testing.T) {
	const root = "/TestSettleSays"
	plant(t, root, 100)
	cfg := client.Config{Servers: apachetest.Shared(t).Addr()}
	other, err := client.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	w, err := openLive(cfg, root)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			acl := append(slices.Clone(proto.OpenACL), proto.ACL{Perms: proto.PermRead, ID: proto.ID{Scheme: "ip", ID: fmt.Sprintf("10.0.0.%d", i%200)}})
			_, _ = other.SetACL(ctx, fmt.Sprintf("%s/n%02d", root, i%100), acl, -1)
		}
	})
	var why []string
	opt := Options{Stat: true, Data: true, ACL: true, Settle: time.Second, Settling: func(text string) { why = append(why, text) }}
	_, err = w.Walk(t.Context(), opt, func(*Znode) error { return nil })
	cancel()
	writer.Wait()
	if err != nil || len(why) > 1 {
		t.Errorf("%q, %v", why, err)
	}
}
