//go:build unix

package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await/awaittest"
)

// process prepares a run of zkctl as a process, without the user's settings.
func process(t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	zkctl := filepath.Join(dir, "zkctl")
	if err := os.Symlink(self, zkctl); err != nil { // zkctl by its name, see TestMain
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), zkctl, args...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir+"/config", "XDG_STATE_HOME="+dir+"/state")
	cmd.Stderr = &stderr
	return cmd, &stderr
}

// A command that waits for a server ends at once on a signal, with the exit code that shells use
// for it.
func TestSignals(t *testing.T) {
	for _, tc := range []struct {
		signal os.Signal
		stdin  string
		args   []string
		exit   int
	}{
		{os.Interrupt, "", []string{"ls", "/"}, 130},
		{syscall.SIGTERM, "", []string{"ls", "/"}, 143},
		{syscall.SIGHUP, "", []string{"ls", "/"}, 129},
		{os.Interrupt, "ls /\nls /\n", nil, 130},
		{os.Interrupt, "ls /\nls /\n", []string{"--keep-going"}, 130},
	} {
		t.Run(fmt.Sprint(tc.signal, tc.args), func(t *testing.T) {
			if signal.Ignored(tc.signal) {
				t.Skipf("%v is ignored here, as nohup has it, and so it is by what is started", tc.signal)
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			cmd, stderr := process(t, append([]string{"-server", l.Addr().String()}, tc.args...)...)
			cmd.Stdin = strings.NewReader(tc.stdin)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			c, err := l.Accept() // it listens for signals before it connects
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			start := awaittest.Start()
			if err := cmd.Process.Signal(tc.signal); err != nil {
				t.Fatal(err)
			}
			if exit := exitCode(t, cmd.Wait()); exit != tc.exit {
				t.Errorf("exit code %d, want %d; stderr: %s", exit, tc.exit, stderr)
			}
			if took, late := start.Late(5 * time.Second); late {
				t.Errorf("it took %v to end", took)
			}
			if n := strings.Count(stderr.String(), "\n"); n > 1 || strings.Contains(stderr.String(), "context") {
				t.Errorf("stderr: %s", stderr)
			}
		})
	}
}

// When the reader of a pipe is gone (zkctl ls -R / | head -1), nothing is printed, and the session
// is still closed.
func TestBrokenPipe(t *testing.T) {
	server := apachetest.Shared(t)
	fill(t, "/pipe", "/pipe/a", "/pipe/b")
	before := sessions(t, server)
	for _, args := range [][]string{
		{"ls", "-R", "/pipe"}, {"get", "/pipe"}, {"--help"}, {"-f", "-"}, {"-f", "-", "-keep-going"},
		{"get", "/pipe/*"}, {"ls", "/pipe/*"}, {"ls", "-R", "/pip*/*"}, {"-o", "json", "stat", "/pipe/*"}, {"getAcl", "/pipe/*"},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		cmd, stderr := process(t, append([]string{"-server", server.Addr()}, args...)...)
		cmd.Stdin = strings.NewReader("ls /pipe\nget /pipe/*\nls /pipe\n")
		cmd.Stdout = w
		err = cmd.Run()
		w.Close()
		if exit := exitCode(t, err); exit != exitBrokenPipe || stderr.Len() > 0 {
			t.Errorf("%v: exit code %d, want %d; stderr: %s", args, exit, exitBrokenPipe, stderr)
		}
	}
	if after := sessions(t, server); after > before {
		t.Errorf("%d sessions before, %d after", before, after)
	}
}

// A full disk is a single error, even for many answers, and nothing follows it.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	fill(t, "/full", "/full/a", "/full/b")
	for _, args := range [][]string{
		{"get", "/full/*"}, {"ls", "-R", "/full"}, {"ls", "-R", "/full/*"}, {"-o", "json", "get", "/full/*"}, {"-f", "-", "-keep-going"},
	} {
		cmd, stderr := process(t, append([]string{"-server", apachetest.Shared(t).Addr()}, args...)...)
		cmd.Stdin = strings.NewReader("ls /full\nget /none\nget /full/*\n")
		cmd.Stdout = full
		err := cmd.Run()
		if exit := exitCode(t, err); exit != 1 || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), "no space left on device") {
			t.Errorf("%v: exit code %d; stderr: %s", args, exit, stderr)
		}
	}
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	var failed *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &failed):
		return failed.ExitCode() // -1 if a signal ended it
	}
	t.Fatal(err)
	return 0
}
