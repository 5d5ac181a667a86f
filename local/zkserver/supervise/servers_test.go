//go:build unix

package supervise

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/background"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/filelock"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver"
)

// broughtBack kills, stops and stops for good a real server, and checks that it comes back with its data.
func broughtBack(t *testing.T, opt Options, addr string) {
	t.Helper()
	s := supervise(t, opt)
	first := s.state(Serving)
	conn := s.client(addr)
	if _, _, err := conn.Create(t.Context(), "/kept", nil, proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	signalTo(t, first.PID, os.Kill)
	if e := s.state(Down); !strings.Contains(e.Message, "was ended by a signal: ") {
		t.Errorf("after SIGKILL: %s", e.Message)
	}
	second := s.state(Serving)
	signalTo(t, second.PID, syscall.SIGSTOP)
	if e := s.until("hang", func(e event) bool { return strings.Contains(e.Message, "hangs") }); !strings.Contains(e.Message, "did not answer within") {
		t.Errorf("after SIGSTOP: %s", e.Message)
	}
	s.state(Down)
	third := s.state(Serving)
	if first.PID == second.PID || second.PID == third.PID {
		t.Errorf("processes %d, %d, %d", first.PID, second.PID, third.PID)
	}
	if _, err := conn.Exists(t.Context(), "/kept", false); err != nil {
		t.Errorf("its znode: %v", err)
	}
	s.stop()
	if err := s.ended(); err != nil {
		t.Errorf("the end: %v", err)
	}
	if background.Alive(third.PID) {
		t.Errorf("process %d lives", third.PID)
	}
}

func (s *supervised) client(addr string) *client.Conn {
	s.t.Helper()
	conn, err := client.Open(client.Config{Servers: addr, Wait: true})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

func TestEmbeddedIsBroughtBack(t *testing.T) {
	t.Parallel()
	file, addr := config(t, "")
	broughtBack(t, quick(file), addr)
}

// TestApacheIsBroughtBack is about the real server, as an operator has it: a zoo.cfg, and nothing about logging beside it.
func TestApacheIsBroughtBack(t *testing.T) {
	t.Parallel()
	apachetest.Require(t)
	file, addr := config(t, "")
	opt := quick(file)
	opt.Engine, opt.HangLimit = Apache, 3*time.Second
	opt.JVM = []string{"-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"}
	broughtBack(t, opt, addr)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(file), "log", "server.out"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Processing srvr command", "Full thread dump"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("its log has no %q", want)
		}
	}
}

// TestSupervisorIsKilled: the server does not outlive its supervisor, even if it was stopped, and the next supervisor starts
// another.
func TestSupervisorIsKilled(t *testing.T) {
	t.Parallel()
	file, _ := config(t, "")
	for _, sig := range []syscall.Signal{syscall.SIGCONT, syscall.SIGSTOP} {
		if sig == syscall.SIGSTOP && runtime.GOOS != "linux" {
			continue // it notices the end of its stdin once it continues
		}
		cmd := exec.Command(os.Args[0], "supervise", file)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lock := filepath.Join(filepath.Dir(file), "data", lockFile)
		server := 0
		await.That(t, 30*time.Second, "a server", func() bool {
			_, server = holders(lock)
			return server != 0 && localserver.RunningOn(filepath.Dir(lock)) == server
		})
		signalTo(t, server, sig)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		// A zombie counts as alive where nobody waits for orphans, but holds no lock.
		await.That(t, 30*time.Second, "end of the server", func() bool { return !filelock.Held(lock) && localserver.RunningOn(filepath.Dir(lock)) == 0 })
	}
	s := supervise(t, quick(file))
	s.state(Serving)
}

// TestOrphanIsFound: a server that outlives its supervisor, as Apache's can where systems do not end it, keeps the next
// supervisor from starting another.
func TestOrphanIsFound(t *testing.T) {
	t.Parallel()
	file, addr := config(t, "")
	data := filepath.Join(filepath.Dir(file), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := filelock.Try(filepath.Join(data, lockFile))
	if err != nil {
		t.Fatal(err)
	}
	orphan := exec.Command(os.Args[0], "fake", "serves", addr)
	inherit(orphan, lock)
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	gone := exec.Command(os.Args[0], "fake", "1", addr)
	_ = gone.Run()
	if err := lock.Note(fmt.Sprintf("%d\n%d\n", gone.Process.Pid, orphan.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	lock.Close()
	err = supervise(t, quick(file)).ended()
	if want := fmt.Sprintf("its supervisor was killed, and the server it started, process %d, still runs", orphan.Process.Pid); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("beside the orphan: %v", err)
	}
	_ = orphan.Process.Kill()
	_ = orphan.Wait()
	supervise(t, quick(file)).state(Serving)
}

// TestPurge: old files are removed once the server serves, unless the server does that itself.
func TestPurge(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]string{"": "supervisor", "autopurge.purgeInterval=1\n": "server"} {
		file, addr := config(t, name)
		seed(t, file)
		before := snapshots(t, file)
		opt := quick(file)
		opt.engine = fakeEngine{"serves", addr}
		s := supervise(t, opt)
		s.state(Serving)
		if by == "server" {
			if err := os.WriteFile(file, []byte("dataDir=elsewhere\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			s.until("round of its loop", func(e event) bool { return e.Event == "config" })
			if after := snapshots(t, file); len(after) != len(before) {
				t.Errorf("with autopurge the supervisor purges too: %v", after)
			}
			continue
		}
		s.until("purge", func(e event) bool { return e.Event == "purge" && strings.HasPrefix(e.Message, "removed ") })
		if after := snapshots(t, file); len(after) != 3 || after[2] != before[len(before)-1] {
			t.Errorf("of %v it kept %v", before, after)
		}
	}
}

// seed leaves five snapshots and a log.
func seed(t *testing.T, file string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() {
		done <- localserver.Serve(ctx, localserver.ServeOptions{Config: file, Log: io.Discard, Listening: func(string) { stop() }})
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	first := snapshots(t, file)
	if len(first) != 1 {
		t.Fatal(first)
	}
	text, err := os.ReadFile(first[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if err := os.WriteFile(filepath.Join(filepath.Dir(first[0]), fmt.Sprintf("snapshot.%d", i+1)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func snapshots(t *testing.T, file string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(filepath.Dir(file), "data", "version-2", "snapshot.*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}
