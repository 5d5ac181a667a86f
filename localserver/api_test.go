package localserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sharedio"
)

// leavesNothing checks that f leaves no goroutines, ports or temporary folders.
func leavesNothing(t *testing.T, f func() *Ensemble) {
	t.Helper()
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp)
	before := runtime.NumGoroutine()
	e := f()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := await.Until(ctx, func() bool { return runtime.NumGoroutine() <= before }); err != nil {
		stacks := make([]byte, 1<<20)
		t.Errorf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("%s is left in the folder of temporary files", left[0].Name())
	}
	if e == nil {
		return
	}
	for _, m := range e.Members() {
		for _, port := range []int{m.Port(), m.at().members.QuorumPort, m.at().members.ElectionPort} {
			ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				t.Errorf("member %d: %v", m.ID(), err)
				continue
			}
			ln.Close()
		}
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	for name, opt := range map[string]Options{
		"solo":      {},
		"ephemeral": {Ephemeral: true},
		"ensemble":  {Size: 3, Observers: 1, Properties: quick},
		"memory":    {Size: 3, Ephemeral: true, Properties: quick},
		"tls":       {Size: 3, TLS: true, Properties: quick},
		"autopurge": {Properties: map[string]string{"autopurge.purgeInterval": "1", "admin.enableServer": "true", "admin.serverPort": "0"}},
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t, func() *Ensemble {
				e, err := Start(t.Context(), opt)
				if err != nil {
					t.Fatal(err)
				}
				c, err := client.Open(client.Config{Servers: e.ConnectString()})
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := c.Create(t.Context(), "/a", nil, proto.OpenACL, proto.Persistent, 0); err != nil {
					t.Error(err)
				}
				if opt.Size > 0 {
					if err := e.Member(1).Kill(); err != nil {
						t.Error(err)
					}
					if err := e.Member(2).Pause(); err != nil {
						t.Error(err)
					}
				}
				if opt.Size == 0 {
					c.Close()
				} else {
					defer c.Close()
				}
				if err := e.Close(); err != nil {
					t.Error(err)
				}
				if err := e.Close(); err != nil {
					t.Errorf("second Close: %v", err)
				}
				if err := e.Member(1).Start(t.Context()); err == nil {
					t.Error("a member of a closed ensemble starts")
				}
				return e
			})
		})
	}
}

func TestFailedStartLeavesNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		opt  Options
		want string
	}{
		"port taken":     {Options{Port: taken.Addr().(*net.TCPAddr).Port}, "address already in use"},
		"data dir":       {Options{DataDir: filepath.Join(file, "data")}, "data directory"},
		"engine":         {Options{Engine: "paper"}, `unknown engine "paper"`},
		"observers":      {Options{Observers: 1}, "observers need an ensemble"},
		"property":       {Options{Properties: map[string]string{"tickTime": "often"}}, "tickTime"},
		"mistyped":       {Options{Properties: map[string]string{"tickTim": "500"}}, `unknown property "tickTim": did you mean tickTime?`},
		"unknown":        {Options{Properties: map[string]string{"completely": "new"}}, `unknown property "completely"`},
		"tls twice":      {Options{TLS: true, Properties: map[string]string{"secureClientPort": "1"}}, "chooses secureClientPort"},
		"line break":     {Options{Properties: map[string]string{"a": "b\nserver.1=x"}}, "does not fit on a line"},
		"member of more": {Options{Properties: map[string]string{"server.1": "a:1:2"}}, "Size and Observers"},
		"no config":      {Options{Config: file + "x"}, "no such file"},
		"no java":        {Options{Engine: Apache, ZooKeeperHome: t.TempDir()}, "zookeeper"},
		"key store":      {Options{Properties: map[string]string{"secureClientPort": "1", "ssl.keyStore.location": file + ".jks", "ssl.clientAuth": "none"}}, "key store"},
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t, func() *Ensemble {
				e, err := Start(t.Context(), tc.opt)
				if err == nil {
					e.Close()
					t.Fatal("it starts")
				}
				if !strings.Contains(err.Error(), tc.want) {
					t.Errorf("error %q does not say %q", err, tc.want)
				}
				return nil
			})
		})
	}
}

func TestDisturb(t *testing.T) {
	e := New(t)
	c := open(t, e.ConnectString())
	ctx := t.Context()
	if _, _, err := c.Create(ctx, "/a", nil, proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	get := func() error { _, _, err := c.Get(ctx, "/a", false); return err }

	session := c.SessionID()
	if e.DropConnections() == 0 {
		t.Error("no connection was dropped")
	}
	if err := await.Until(ctx, func() bool { return get() == nil }); err != nil || c.SessionID() != session {
		t.Errorf("after the connection was dropped: session 0x%x became 0x%x, %v", session, c.SessionID(), err)
	}

	other := open(t, e.ConnectString())
	if _, _, err := other.Create(ctx, "/e", nil, proto.OpenACL, proto.Ephemeral, 0); err != nil {
		t.Fatal(err)
	}
	if err := e.ExpireSession(ctx, other.SessionID()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Get(ctx, "/e", false); !errors.Is(err, proto.ErrNoNode) {
		t.Errorf("the ephemeral of an expired session: %v", err)
	}
	if err := e.ExpireSession(ctx, 1); err == nil {
		t.Error("a session that does not exist expires")
	}

	e.Refuse(time.Minute)
	if c, err := client.Open(client.Config{Servers: e.ConnectString()}); err == nil {
		if _, _, err := c.Get(ctx, "/a", false); err == nil {
			t.Error("a client is welcome where it should be refused")
		}
		c.Close()
	}
	e.Refuse(0)
	write(t, e, "/b")
}

// A member that is killed and restarted keeps everything that it acknowledged, including sessions.
func TestStopAndKill(t *testing.T) {
	e := New(t)
	c := open(t, e.ConnectString())
	ctx := t.Context()
	session := int64(0)
	for i, end := range []func() error{e.Member(1).Stop, e.Member(1).Kill, func() error { return nil }} {
		if _, _, err := c.Create(ctx, fmt.Sprint("/", i), nil, proto.OpenACL, proto.Ephemeral, 0); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			session = c.SessionID()
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if err := e.Member(1).Restart(ctx); err != nil {
			t.Fatal(err)
		}
		if err := await.Until(ctx, func() bool { _, _, err := c.Get(ctx, fmt.Sprint("/", i), false); return err == nil }); err != nil {
			t.Fatal(err)
		}
		if c.SessionID() != session {
			t.Errorf("session 0x%x became 0x%x", session, c.SessionID())
		}
	}
}

func TestPause(t *testing.T) {
	e := New(t)
	c := open(t, e.ConnectString())
	m := e.Member(1)
	if _, _, err := c.Get(t.Context(), "/", false); err != nil {
		t.Fatal(err)
	}
	if err := m.Pause(); err != nil {
		t.Fatal(err)
	}
	if s := m.Status(t.Context()); s.Role != "paused" {
		t.Errorf("role %s", s.Role)
	}
	answered := make(chan error, 1)
	go func() {
		_, _, err := c.Get(t.Context(), "/", false)
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Fatalf("a paused server answers: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := m.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := m.Pause(); err == nil {
		t.Error("a stopped server is paused")
	}
}

// Close and Kill under load: nothing hangs, and everything acknowledged is there.
func TestEndUnderLoad(t *testing.T) {
	dir := t.TempDir()
	for round := range 4 {
		e, err := Start(t.Context(), Options{DataDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		var done sync.WaitGroup
		var acked [4]atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		for w := range acked {
			c, err := client.Open(client.Config{Servers: e.ConnectString()})
			if err != nil {
				t.Fatal(err)
			}
			done.Go(func() {
				defer c.Close()
				for i := int64(1); ctx.Err() == nil; i++ {
					path := fmt.Sprintf("/%d-%d-%d", round, w, i)
					if _, _, err := c.Create(ctx, path, nil, proto.OpenACL, proto.Persistent, 0); err != nil {
						return
					}
					acked[w].Store(i)
				}
			})
		}
		if err := await.Until(ctx, func() bool { return acked[0].Load() > 20 && acked[3].Load() > 20 }); err != nil {
			t.Fatal(err)
		}
		end := e.Close
		if round%2 == 1 {
			end = e.Member(1).Kill
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		cancel()
		done.Wait()
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := Start(t.Context(), Options{DataDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		c := open(t, again.ConnectString())
		kids, _, err := c.Children(t.Context(), "/", false)
		if err != nil {
			t.Fatal(err)
		}
		have := map[string]bool{}
		for _, k := range kids {
			have[k] = true
		}
		for w := range acked {
			for i := int64(1); i <= acked[w].Load(); i++ {
				if name := fmt.Sprintf("%d-%d-%d", round, w, i); !have[name] {
					t.Errorf("%s was acknowledged and is lost", name)
				}
			}
		}
		c.Close()
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "zoo.cfg")
	text := fmt.Sprintf("dataDir=%s\ntickTime=700\nmaxSessionTimeout=9000\nserver.1=zk1:2888:3888\nnoSuchKey=1\n", filepath.ToSlash(filepath.Join(dir, "data")))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var log sharedio.Buffer
	e := New(t, Options{Config: file, Log: &log, System: map[string]string{"jute.maxbuffer": "2000"}})
	if e.DataDir() != filepath.Join(dir, "data") {
		t.Errorf("the data is in %s", e.DataDir())
	}
	c := open(t, e.ConnectString())
	if _, _, err := c.Create(t.Context(), "/a", make([]byte, 3000), proto.OpenACL, proto.Persistent, 0); err == nil {
		t.Error("a request larger than jute.maxbuffer is done")
	}
	conf, err := FourLetterWord(t.Context(), e.Member(1).Addr(), "conf", nil)
	if err != nil || !strings.Contains(conf, "tickTime=700\n") || !strings.Contains(conf, "maxSessionTimeout=9000\n") {
		t.Errorf("conf: %v\n%s", err, conf)
	}
	for _, want := range []string{"server.1: line ignored", "noSuchKey"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
}

// Two servers on one data directory would destroy it.
func TestDataDirIsLocked(t *testing.T) {
	opt := Options{DataDir: t.TempDir()}
	e := New(t, opt)
	if second, err := Start(t.Context(), opt); err == nil {
		second.Close()
		t.Fatal("a second server starts on the data directory")
	} else if !errors.Is(err, ErrDataDir) || !strings.Contains(err.Error(), "another server uses") {
		t.Error(err)
	}
	if err := e.Member(1).Kill(); err != nil {
		t.Fatal(err)
	}
	New(t, opt)
}
