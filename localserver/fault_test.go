package localserver

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

func inject(t *testing.T, e *Ensemble, f Fault) *Injection {
	t.Helper()
	i, err := e.Inject(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Remove)
	return i
}

func create(t *testing.T, c *client.Conn, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if _, _, err := c.Create(t.Context(), path, nil, proto.OpenACL, proto.Persistent, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// A fault affects the requests that it selects, as often as it says.
func TestFaultChooses(t *testing.T) {
	e := New(t, Options{Ephemeral: true})
	c, other := open(t, e.ConnectString()), open(t, e.ConnectString())
	create(t, c, "/a", "/a/b", "/ab")
	create(t, other, "/other")
	get := func(c *client.Conn, path string) error {
		_, _, err := c.Get(t.Context(), path, false)
		return err
	}
	for name, test := range map[string]struct {
		fault Fault
		hit   []string // paths of getData
		miss  []string
	}{
		"everything":    {Fault{}, []string{"/a", "/ab"}, nil},
		"operation":     {Fault{Op: OpGetData}, []string{"/a", "/"}, nil},
		"another":       {Fault{Op: OpExists}, nil, []string{"/a"}},
		"path":          {Fault{Path: "/a"}, []string{"/a"}, []string{"/a/b", "/ab", "/"}},
		"subtree":       {Fault{Path: "/a", Subtree: true}, []string{"/a", "/a/b"}, []string{"/ab", "/"}},
		"all paths":     {Fault{Path: "/", Subtree: true}, []string{"/", "/a/b"}, nil},
		"skip":          {Fault{Op: OpGetData, Skip: 2}, nil, []string{"/a", "/ab"}},
		"member":        {Fault{Op: OpGetData, Member: 1}, []string{"/a"}, nil},
		"session":       {Fault{Op: OpGetData, Session: c.SessionID()}, []string{"/a"}, nil},
		"other session": {Fault{Op: OpGetData, Session: other.SessionID()}, nil, []string{"/a"}},
	} {
		for _, before := range []bool{false, true} {
			test.fault.Error, test.fault.Before = ErrorNoAuth, before
			i := inject(t, e, test.fault)
			for _, path := range test.miss {
				if err := get(c, path); err != nil {
					t.Errorf("%s: get %s: %v", name, path, err)
				}
			}
			if i.Hits() != 0 {
				t.Errorf("%s: %d hits", name, i.Hits())
			}
			for _, path := range test.hit {
				if err := get(c, path); !errors.Is(err, proto.ErrNoAuth) {
					t.Errorf("%s: get %s: %v", name, path, err)
				}
			}
			if i.Hits() != len(test.hit) {
				t.Errorf("%s: %d hits, want %d", name, i.Hits(), len(test.hit))
			}
			i.Remove()
			if err := get(c, "/a"); err != nil {
				t.Errorf("%s: after Remove: %v", name, err)
			}
		}
	}

	twice := inject(t, e, Fault{Op: OpGetData, Error: ErrorNoAuth, Times: 2})
	for n := range 3 {
		if err := get(c, "/a"); (err != nil) != (n < 2) {
			t.Errorf("get %d: %v", n, err)
		}
	}
	if twice.Hits() != 2 {
		t.Errorf("%d hits of 2", twice.Hits())
	}
}

// A fault also applies to the operations of a multi, and to each form of create.
func TestFaultOfMultiAndForms(t *testing.T) {
	e := New(t, Options{Ephemeral: true})
	c := open(t, e.ConnectString())
	create(t, c, "/a", "/b")
	i := inject(t, e, Fault{Path: "/a/b", Error: ErrorQuotaExceeded, Before: true})
	part := func(path string) proto.MultiOp {
		return proto.MultiOp{Type: proto.OpCreate2, Request: &proto.CreateRequest{Path: path, ACL: proto.OpenACL}}
	}
	if _, err := c.Multi(t.Context(), []proto.MultiOp{part("/x"), part("/a/b")}); !errors.Is(err, proto.ErrQuotaExceeded) || i.Hits() != 1 {
		t.Errorf("multi: %v, %d hits", err, i.Hits())
	}
	if _, err := c.Multi(t.Context(), []proto.MultiOp{part("/x"), part("/y")}); err != nil {
		t.Errorf("multi of other paths: %v", err)
	}
	i.Remove()
	i = inject(t, e, Fault{Op: OpCreate, Error: ErrorNodeExists, Before: true})
	for _, mode := range []proto.CreateMode{proto.Persistent, proto.Ephemeral, proto.Container, proto.PersistentTTL} {
		ttl := int64(0)
		if mode.IsTTL() {
			ttl = 1000
		}
		if _, _, err := c.Create(t.Context(), "/new", nil, proto.OpenACL, mode, ttl); !errors.Is(err, proto.ErrNodeExists) {
			t.Errorf("create mode %d: %v", mode, err)
		}
	}
	if i.Hits() != 4 {
		t.Errorf("%d hits", i.Hits())
	}
}

// Before prevents the operation; otherwise only its reply is affected.
func TestFaultBeforeAndAfter(t *testing.T) {
	for _, size := range []int{1, 3} {
		e := New(t, Options{Size: size, Ephemeral: true, Properties: quick})
		c := open(t, e.ConnectString())
		create(t, c, "/a")
		data := func() string {
			t.Helper()
			var data []byte
			var err error
			if waitErr := await.Until(t.Context(), func() bool { data, _, err = c.Get(t.Context(), "/a", false); return err == nil }); waitErr != nil {
				t.Fatal(err)
			}
			return string(data)
		}
		session := c.SessionID()
		want := ""
		for value, f := range map[string]Fault{
			"error before": {Error: ErrorSystemError, Before: true}, "error after": {Error: ErrorSystemError},
			"drop before": {Drop: true, Before: true}, "drop after": {Drop: true},
		} {
			f.Op, f.Path, f.Times = OpSetData, "/a", 1
			i := inject(t, e, f)
			_, err := c.Set(t.Context(), "/a", []byte(value), -1)
			switch {
			case f.Drop && !errors.Is(err, proto.ErrConnectionLoss), !f.Drop && !errors.Is(err, proto.ErrSystemError):
				t.Errorf("%s: %v", value, err)
			}
			if !f.Before {
				want = value
			}
			if got := data(); got != want || i.Hits() != 1 {
				t.Errorf("%s, %d hits: the data is %q, want %q", value, i.Hits(), got, want)
			}
			i.Remove()
		}
		if c.SessionID() != session {
			t.Error("a connection that was dropped took the session with it")
		}
	}
}

// Neither a later reply nor an event overtakes a delayed reply.
func TestFaultDelays(t *testing.T) {
	e := New(t, Options{Ephemeral: true})
	c, other := open(t, e.ConnectString()), open(t, e.ConnectString())
	create(t, c, "/a", "/b")
	const delay = 50 * time.Millisecond
	for _, before := range []bool{false, true} {
		i := inject(t, e, Fault{Op: OpGetData, Path: "/a", Delay: delay, Before: before})
		began := time.Now()
		slow := make(chan time.Duration, 1)
		go func() {
			if _, _, err := c.Get(t.Context(), "/a", true); err != nil {
				t.Errorf("delayed: %v", err)
			}
			slow <- time.Since(began)
		}()
		if err := await.Until(t.Context(), func() bool { return i.Hits() > 0 }); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Set(t.Context(), "/a", nil, -1); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Get(t.Context(), "/b", false); err != nil || time.Since(began) < delay {
			t.Errorf("before %v: a later request after %v: %v", before, time.Since(began), err)
		}
		if took := <-slow; took < delay {
			t.Errorf("before %v: answered after %v", before, took)
		}
		i.Remove()
	}
}

func TestFaultsThatAreRefused(t *testing.T) {
	e := New(t, Options{Ephemeral: true})
	for want, f := range map[string]Fault{
		"has no effect":      {Op: OpGetData},
		"unknown operation":  {Op: "fetchData", Drop: true},
		"cannot be negative": {Delay: -1},
		"does not start":     {Path: "a", Drop: true},
		"needs a Path":       {Subtree: true, Drop: true},
		"no member 7":        {Member: 7, Drop: true},
		"either Drop or":     {Error: ErrorNoNode, Drop: true},
	} {
		if _, err := e.Inject(f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", f, err, want)
		}
	}
}

// A restarted member has the faults from its first request on.
func TestFaultsOutliveARestart(t *testing.T) {
	e := New(t)
	create(t, open(t, e.ConnectString()), "/a")
	i := inject(t, e, Fault{Op: OpGetData, Error: ErrorNoAuth})
	if err := e.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := open(t, e.ConnectString())
	if _, _, err := c.Get(t.Context(), "/a", false); !errors.Is(err, proto.ErrNoAuth) || i.Hits() != 1 {
		t.Errorf("after a restart: %v, %d hits", err, i.Hits())
	}
}

func TestErrorCodes(t *testing.T) {
	if ErrorNoNode.String() != "NONODE" || ErrorConnectionLoss.String() != "CONNECTIONLOSS" || ErrorCode(-77).String() != "-77" {
		t.Error(ErrorNoNode, ErrorConnectionLoss, ErrorCode(-77))
	}
}
