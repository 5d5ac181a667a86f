package recipe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"strings"
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

func contender(t *testing.T, opt Options) *Lock {
	t.Helper()
	l, err := NewLock(t.Context(), client.Config{Servers: apachetest.Shared(t).Addr()}, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Release)
	return l
}

// acquiring calls Acquire in the background.
func acquiring(t *testing.T, l *Lock) <-chan error {
	done := make(chan error, 1)
	go func() { done <- l.Acquire(t.Context()) }()
	return done
}

func got(t *testing.T, what string, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	case <-time.After(patience):
		t.Fatalf("%s does not get the lock", what)
	}
}

func notYet(t *testing.T, what string, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		t.Fatalf("%s has the lock, too (%v)", what, err)
	default:
	}
}

func watcher(t *testing.T) *client.Conn {
	t.Helper()
	conn, err := client.Open(client.Config{Servers: apachetest.Shared(t).Addr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// queued waits until a znode has so many children.
func queued(t *testing.T, conn *client.Conn, znode string, n int) {
	t.Helper()
	await.That(t, patience, fmt.Sprintf("%s has %d children", znode, n), func() bool {
		names, _, _ := conn.Children(t.Context(), znode, false)
		return len(names) == n
	})
}

func TestLocksExcludeEachOther(t *testing.T) {
	const lock = "/TestLocksExcludeEachOther/a/lock"
	conn := watcher(t)
	first, second := contender(t, Options{Path: lock, Data: []byte("first")}), contender(t, Options{Path: lock, Leader: true})
	if err := first.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	waiting := acquiring(t, second)
	queued(t, conn, lock, 5)
	notYet(t, "the second", waiting)
	data, stat, err := conn.Get(t.Context(), first.Znode(), false)
	if err != nil || string(data) != "first" || stat.Czxid != first.Token() {
		t.Errorf("%q, %+v, %v; token %d", data, stat, err, first.Token())
	}
	first.Release()
	got(t, "the second", waiting)
	if second.Token() <= first.Token() {
		t.Errorf("tokens %d, then %d", first.Token(), second.Token())
	}
	second.Release()
	queued(t, conn, lock, 0)
}

// A guard that asks before something is deleted does not keep a contender from letting go of its own znodes, for which the end of
// its session is no substitute: it comes after all that the session still waits for.
func TestGuardDoesNotHoldTheLock(t *testing.T) {
	conn := watcher(t)
	znode := "/" + t.Name()
	l, err := NewLock(t.Context(), client.Config{Servers: apachetest.Shared(t).Addr(), Guard: client.Guard{Level: client.GuardConfirm}}, Options{Path: znode})
	if err != nil {
		t.Fatal(err)
	}
	got(t, "the lock", acquiring(t, l))
	l.Release()
	stat, err := conn.Exists(t.Context(), znode, false)
	if err != nil {
		t.Fatal(err)
	}
	_, after, err := conn.Create(t.Context(), znode+"/after", nil, proto.OpenACL, proto.Persistent, 0)
	if err != nil {
		t.Fatal(err)
	}
	if after.Czxid < stat.Pzxid+2 { // between them is the end of the session
		t.Errorf("the end of the session deleted it: 0x%x, 0x%x", stat.Pzxid, after.Czxid)
	}
}

func TestWhoGivesUpLeavesTheQueue(t *testing.T) {
	const lock = "/TestWhoGivesUpLeavesTheQueue"
	conn := watcher(t)
	first := contender(t, Options{Path: lock})
	if err := first.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	var before int
	var owner int64
	second := contender(t, Options{Path: lock, Waiting: func(n int, _ string, session int64) { before, owner = n, session; cancel(enough) }})
	if err := second.Acquire(ctx); !errors.Is(err, enough) {
		t.Error(err)
	}
	if before != 2 || owner != first.conn.SessionID() {
		t.Errorf("it waited for %d, next 0x%x", before, owner)
	}
	second.Release()
	queued(t, conn, lock, 2)
}

// A contender whose session expires while it waits starts again.
func TestContenderOutlivesItsSession(t *testing.T) {
	const lock = "/TestContenderOutlivesItsSession"
	conn := watcher(t)
	first, second := contender(t, Options{Path: lock}), contender(t, Options{Path: lock})
	if err := first.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	waiting := acquiring(t, second)
	queued(t, conn, lock, 4)
	old := second.conn.SessionID()
	closeSession(t, second.conn)
	await.That(t, patience, "another session waits", func() bool {
		names, _, _ := conn.Children(t.Context(), lock, false)
		for _, name := range names {
			if stat, err := conn.Exists(t.Context(), path.Join(lock, name), false); err == nil && stat.EphemeralOwner != old && stat.EphemeralOwner != first.conn.SessionID() {
				return true
			}
		}
		return false
	})
	notYet(t, "the second", waiting)
	first.Release()
	got(t, "the second", waiting)
}

// closeSession ends a session behind its holder's back.
func closeSession(t *testing.T, conn *client.Conn) {
	t.Helper()
	if err := conn.Do(t.Context(), proto.OpCloseSession, nil, nil); err != nil && !errors.Is(err, proto.ErrConnectionLoss) {
		t.Fatal(err)
	}
}

func TestLossIsNoticed(t *testing.T) {
	for what, lose := range map[string]func(t *testing.T, l *Lock, conn *client.Conn){
		"has expired": func(t *testing.T, l *Lock, _ *client.Conn) { closeSession(t, l.conn) },
		"was deleted": func(t *testing.T, l *Lock, conn *client.Conn) {
			if err := conn.Delete(t.Context(), l.Znode(), -1); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			l := contender(t, Options{Path: "/" + strings.ReplaceAll(t.Name(), "/", "-")})
			if err := l.Acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			lost := make(chan *Loss, 1)
			go func() { lost <- l.Hold(t.Context(), time.Second) }()
			lose(t, l, watcher(t))
			select {
			case loss := <-lost:
				if loss == nil || !strings.Contains(loss.Err.Error(), what) || time.Until(loss.By) > time.Second {
					t.Errorf("%+v", loss)
				}
			case <-time.After(patience):
				t.Fatal("it is not noticed")
			}
		})
	}
}

// other is a contender of another project, in a process.
type other struct {
	t   *testing.T
	in  io.WriteCloser
	out chan string
}

func newOther(t *testing.T, cmd *exec.Cmd) *other {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	o := &other{t, in, make(chan string, 100)}
	go func() {
		defer close(o.out)
		for s := bufio.NewScanner(out); s.Scan(); {
			o.out <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return o
}

func (o *other) say(line string) {
	o.t.Helper()
	if _, err := io.WriteString(o.in, line+"\n"); err != nil {
		o.t.Fatal(err)
	}
}

func (o *other) hears(want string) {
	o.t.Helper()
	select {
	case line, ok := <-o.out:
		if !ok || line != want {
			o.t.Fatalf("it says %q instead of %q", line, want)
		}
	case <-time.After(patience):
		o.t.Fatalf("it never says %q", want)
	}
}

func (o *other) silent() {
	o.t.Helper()
	select {
	case line := <-o.out:
		o.t.Fatalf("it says %q", line)
	default:
	}
}

// exclude checks that a contender of another project and zkctl's exclude each other, whoever comes first.
func exclude(t *testing.T, o *other, what string, leader bool) {
	conn := watcher(t)
	lock := "/exclude-" + what
	children := func(n int) int { // of ours and n others
		if leader {
			return 3 + n
		}
		return 2 + n
	}
	first := contender(t, Options{Path: lock, Leader: leader})
	if err := first.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.say(what + " " + lock)
	queued(t, conn, lock, children(1))
	o.silent()
	first.Release()
	o.hears("held")

	second := contender(t, Options{Path: lock, Leader: leader})
	waiting := acquiring(t, second)
	queued(t, conn, lock, children(1))
	notYet(t, "zkctl", waiting)
	o.say("release")
	o.hears("released")
	got(t, "zkctl", waiting)
	second.Release()
}

func TestKazooIsExcluded(t *testing.T) {
	const python = "/usr/bin/python3"
	for _, file := range []string{python, "/usr/lib/python3/dist-packages/kazoo/client.py"} {
		if _, err := os.Stat(file); err != nil {
			apachetest.Missing(t, fmt.Errorf("%w; install Debian's package python3-kazoo", err))
		}
	}
	o := newOther(t, exec.Command(python, "testdata/contend.py", apachetest.Shared(t).Addr()))
	o.hears("ready")
	for _, what := range []string{"lock", "write", "read", "curator"} {
		t.Run(what, func(t *testing.T) {
			o.t = t
			exclude(t, o, what, false)
		})
	}
}

func TestCuratorIsExcluded(t *testing.T) {
	in := apachetest.Require(t)
	var jars []string
	for _, name := range []string{"curator-recipes", "curator-framework", "curator-client", "guava"} {
		jar := apache.DebianJars + "/" + name + ".jar"
		if _, err := os.Stat(jar); err != nil {
			apachetest.Missing(t, fmt.Errorf("%w; install Debian's package libcurator-recipes-java", err))
		}
		jars = append(jars, jar)
	}
	class := strings.Join(append(jars, in.ToolClassPath...), string(os.PathListSeparator))
	o := newOther(t, exec.Command(in.Java, "-XX:TieredStopAtLevel=1", "-cp", class, "testdata/Contend.java", apachetest.Shared(t).Addr()))
	o.hears("ready")
	for _, what := range []string{"mutex", "latch"} {
		t.Run(what, func(t *testing.T) {
			o.t = t
			exclude(t, o, what, what == "latch")
		})
	}
}
