package follow

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

func TestMain(m *testing.M) { os.Exit(apachetest.Main(m)) }

const patience = 30 * time.Second

// model is what a follower says of a tree.
type model struct {
	mu      sync.Mutex
	znodes  map[string]string // path: mzxid and data
	lines   []string          // kind and path of each change
	settled int
	missed  int
	losses  int // of the connection
}

func (m *model) take(c *Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	line := string(c.Kind) + " " + c.Path
	for _, name := range c.Added {
		line += " +" + name
	}
	for _, name := range c.Gone {
		line += " -" + name
	}
	if c.HasOldData {
		line += fmt.Sprintf(" %q", c.OldData)
	}
	if c.HasData && c.New != nil && c.Kind != Children {
		line += fmt.Sprintf(" %q", c.Data)
	}
	if c.Missed {
		m.missed++
		line += " missed"
	}
	m.lines = append(m.lines, line)
	if c.New == nil {
		delete(m.znodes, c.Path)
	} else {
		m.znodes[c.Path] = fmt.Sprintf("%x %x %q", c.New.Czxid, c.New.Mzxid, c.Data)
	}
	return nil
}

func (m *model) settle() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settled++
	return nil
}

// has waits until there has been a line.
func (m *model) has(t *testing.T, line string) {
	t.Helper()
	ok := await.Within(patience, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return slices.Contains(m.lines, line)
	})
	if !ok {
		m.mu.Lock()
		defer m.mu.Unlock()
		t.Fatalf("no %q among:\n%s", line, strings.Join(m.lines, "\n"))
	}
}

// start follows a path until the test ends.
func start(t *testing.T, cfg client.Config, path string, opt Options) *model {
	t.Helper()
	m := &model{znodes: map[string]string{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	opt.Settled = m.settle
	opt.Connection = func(back bool) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if !back {
			m.losses++
		}
	}
	go func() { done <- Run(ctx, cfg, path, opt, m.take) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("following ended: %v", err)
		}
	})
	await.That(t, patience, "the state at the start is complete", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.settled > 0
	})
	return m
}

// session opens a session, below a new znode named after the test.
func session(t *testing.T) (*client.Conn, client.Config) {
	t.Helper()
	cfg := client.Config{Servers: apachetest.Shared(t).Addr()}
	root, err := client.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	chroot := "/" + strings.ReplaceAll(t.Name(), "/", "-")
	if _, _, err := root.Create(t.Context(), chroot, nil, proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	cfg.Servers += chroot
	conn, err := client.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, cfg
}

type tester struct {
	*testing.T
	conn *client.Conn
}

func (t tester) create(path, data string) {
	t.Helper()
	if _, _, err := t.conn.Create(t.Context(), path, []byte(data), proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
}

func (t tester) set(path, data string) {
	t.Helper()
	if _, err := t.conn.Set(t.Context(), path, []byte(data), -1); err != nil {
		t.Fatal(err)
	}
}

func (t tester) delete(path string) {
	t.Helper()
	if err := t.conn.Delete(t.Context(), path, -1); err != nil {
		t.Fatal(err)
	}
}

func TestOneZnode(t *testing.T) {
	conn, cfg := session(t)
	z := tester{t, conn}
	m := start(t, cfg, "/z", Options{Keep: true, Names: true})
	m.has(t, "start /z")
	z.create("/z", "a")
	m.has(t, `created /z "a"`)
	z.set("/z", "b")
	m.has(t, `changed /z "a" "b"`)
	z.create("/z/one", "")
	m.has(t, `children /z +one "b"`)
	if _, err := conn.SetACL(t.Context(), "/z", []proto.ACL{{Perms: proto.PermAll, ID: proto.WorldAnyone}, {Perms: proto.PermRead, ID: proto.ID{Scheme: "ip", ID: "127.0.0.1"}}}, -1); err != nil {
		t.Fatal(err)
	}
	z.delete("/z/one") // no watch tells of the ACL, which is seen now
	m.has(t, `acl /z "b" "b"`)
	m.has(t, `children /z -one "b"`)
	z.delete("/z")
	m.has(t, `deleted /z "b"`)
	z.create("/z", "c")
	m.has(t, `created /z "c"`)
}

func TestTree(t *testing.T) {
	conn, cfg := session(t)
	z := tester{t, conn}
	z.create("/a", "1")
	z.create("/a/b", "2")
	m := start(t, cfg, "/", Options{Tree: true, Keep: true})
	m.has(t, `start /a "1"`)
	m.has(t, `start /a/b "2"`)
	z.set("/a/b", "3")
	m.has(t, `changed /a/b "2" "3"`)
	z.create("/a/b/c", "4")
	m.has(t, `created /a/b/c "4"`)
	z.delete("/a/b/c")
	m.has(t, `deleted /a/b/c "4"`)
}

// What may not be read is followed as far as it may, and reported.
func TestHiddenData(t *testing.T) {
	conn, cfg := session(t)
	acl := []proto.ACL{{Perms: proto.PermWrite | proto.PermAdmin, ID: proto.WorldAnyone}}
	if _, _, err := conn.Create(t.Context(), "/hidden", []byte("x"), acl, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var warned []error
	m := start(t, cfg, "/", Options{Tree: true, Keep: true, Warn: func(err error) {
		mu.Lock()
		defer mu.Unlock()
		warned = append(warned, err)
	}})
	m.has(t, "start /hidden") // servers since 3.8.4 and 3.9.2 do not tell of its changes (CVE-2024-23944)
	mu.Lock()
	defer mu.Unlock()
	if len(warned) != 1 || !errors.Is(warned[0], proto.ErrNoAuth) {
		t.Errorf("warnings: %v", warned)
	}
}

// oldServer is a connection to a server before 3.6, which hangs up on requests that it does not know.
type oldServer struct {
	net.Conn
	greeted bool
}

func (o *oldServer) Write(p []byte) (int, error) {
	for rest := p; len(rest) >= 12; rest = rest[min(len(rest), 4+int(binary.BigEndian.Uint32(rest))):] {
		if op := proto.Op(binary.BigEndian.Uint32(rest[8:])); o.greeted && (op == proto.OpAddWatch || op == proto.OpMultiRead) {
			_ = o.Close()
			return len(p), nil
		}
		o.greeted = true
	}
	return o.Conn.Write(p)
}

// Servers before 3.6 have one-shot watches only.
func TestOldServer(t *testing.T) {
	conn, cfg := session(t)
	cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &oldServer{Conn: conn}, err
	}
	z := tester{t, conn}
	one := start(t, cfg, "/a", Options{Keep: true, Names: true})
	z.create("/a", "1")
	one.has(t, `created /a "1"`)
	tree := start(t, cfg, "/", Options{Tree: true, Keep: true})
	for i := range 3 {
		z.set("/a", fmt.Sprint("x", i))
		one.has(t, fmt.Sprintf(`changed /a %q "x%d"`, []string{"1", "x0", "x1"}[i], i))
		tree.has(t, fmt.Sprintf(`changed /a %q "x%d"`, []string{"1", "x0", "x1"}[i], i))
	}
	z.create("/a/b", "2")
	one.has(t, `children /a +b "x2"`)
	tree.has(t, `created /a/b "2"`)
	z.create("/a/b/c", "3")
	tree.has(t, `created /a/b/c "3"`)
	z.set("/a/b/c", "4")
	tree.has(t, `changed /a/b/c "3" "4"`)
	z.delete("/a/b/c")
	tree.has(t, `deleted /a/b/c "4"`)
	z.create("/a/b/c", "5")
	tree.has(t, `created /a/b/c "5"`)
	z.delete("/a/b/c")
	z.delete("/a/b")
	one.has(t, `children /a -b "x2"`)
	tree.has(t, `deleted /a/b "2"`)
}

// network is a network that can be cut.
type network struct {
	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

func (n *network) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return nil, errors.New("the cable is cut")
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err == nil {
		n.conns = append(n.conns, conn)
	}
	return conn, err
}

func (n *network) set(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
	if down {
		for _, c := range n.conns {
			_ = c.Close()
		}
		n.conns = nil
	}
}

// Under a writer, after a cut network, a restart of the server and the end of the session, what was followed is what the server has.
func TestEndsWithTheStateOfTheServer(t *testing.T) {
	const timeout = 2 * time.Second
	server := apachetest.Test(t, apache.Options{TickTime: timeout / 4})
	writer, err := client.Open(client.Config{Servers: server.Addr(), Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	z := tester{t, writer}
	z.create("/tree", "")
	var cable network
	m := start(t, client.Config{Servers: server.Addr(), SessionTimeout: timeout, Dial: cable.dial}, "/tree", Options{Tree: true, Keep: true})

	random := rand.New(rand.NewSource(1))
	write := func(n int) {
		for range n {
			path := fmt.Sprintf("/tree/%d", random.Intn(20))
			if random.Intn(2) == 0 {
				path += fmt.Sprintf("/%d", random.Intn(5))
			}
			switch random.Intn(4) {
			case 0:
				_ = writer.Delete(t.Context(), path, -1)
			case 1:
				_, _ = writer.Set(t.Context(), path, fmt.Appendf(nil, "%d", random.Int()), -1)
			default:
				_, _, _ = writer.Create(t.Context(), path, []byte("new"), proto.OpenACL, proto.Persistent, 0)
			}
		}
	}
	same := func(what string) {
		t.Helper()
		z.create("/tree/end-"+what, what)
		var want map[string]string
		ok := await.Within(patience, func() bool {
			want = map[string]string{}
			err := writer.Walk(t.Context(), "/tree", client.WalkOptions{Data: true}, func(w *client.Walked) error {
				want[w.Path] = fmt.Sprintf("%x %x %q", w.Stat.Czxid, w.Stat.Mzxid, w.Data)
				return nil
			})
			m.mu.Lock()
			defer m.mu.Unlock()
			return err == nil && maps.Equal(want, m.znodes)
		})
		if !ok {
			m.mu.Lock()
			defer m.mu.Unlock()
			t.Fatalf("after %s: the server has\n%v\nand not\n%v", what, want, m.znodes)
		}
	}
	write(300)
	same("writes")
	cable.set(true)
	write(100)
	cable.set(false)
	write(100)
	same("a cut")
	if m.missed == 0 {
		t.Error("nothing was missed while the network was cut")
	}
	cable.set(true)
	write(100)
	await.That(t, patience, "the session has expired", func() bool {
		word, err := server.FourLetter(t.Context(), "mntr")
		return err == nil && strings.Contains(word, "zk_global_sessions\t1\n")
	})
	cable.set(false)
	same("the end of the session")
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(100)
	same("a restart")
	m.mu.Lock()
	losses := m.losses
	m.mu.Unlock()
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	await.That(t, patience, "the follower has noticed that the server is silent", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.losses > losses
	})
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	write(100)
	same("a pause")
}
