//go:build unix

package child

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/sharedio"
)

func run(t *testing.T, script string) (*Child, *sharedio.Buffer) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	out := &sharedio.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second
	c, _, err := Start(cmd, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.End(time.Now()) })
	return c, out
}

// says waits until a program has printed a text.
func says(t *testing.T, out *sharedio.Buffer, text string) {
	t.Helper()
	await.That(t, 20*time.Second, "it says "+text, func() bool { return strings.Contains(out.String(), text) })
}

func TestExitCodes(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -TERM $$": 143, "kill -KILL $$": 137} {
		c, _ := run(t, script)
		if ended := c.Wait(t.Context(), nil, time.Second); ended || c.Code() != want {
			t.Errorf("%s: %d, want %d", script, c.Code(), want)
		}
	}
	for name, want := range map[string]int{"/no/such/program": 127, "no-such-program": 127, "/etc/passwd": 126} {
		if _, code, err := Start(exec.Command(name), nil); err == nil || code != want {
			t.Errorf("%s: %d, %v", name, code, err)
		}
	}
}

func TestSignalsArePassedOn(t *testing.T) {
	c, out := run(t, `trap 'echo got it; exit 3' USR1; echo ready; while :; do sleep 0.05; done`)
	says(t, out, "ready")
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if c.Wait(t.Context(), nil, time.Second) || c.Code() != 3 || !strings.Contains(out.String(), "got it") {
		t.Errorf("code %d, %q", c.Code(), out.String())
	}
	if !c.Passed(time.Minute) {
		t.Error("it is not known that a signal was passed on")
	}
}

// What is lost ends the program and what it has started, even if they ignore SIGTERM.
func TestLossEndsTheGroup(t *testing.T) {
	for _, script := range []string{
		`trap '' TERM; (echo inner; sleep 100); sleep 100`, // both ignore it
		`(trap '' TERM; echo inner; sleep 100) & wait`,     // only what it has started
		`echo inner; sleep 100`,
		`echo inner; kill -STOP $$; sleep 100`, // stopped
	} {
		c, out := run(t, script)
		says(t, out, "inner")
		lost := make(chan time.Time, 1)
		lost <- time.Now().Add(100 * time.Millisecond)
		if !c.Wait(t.Context(), lost, time.Second) {
			t.Error("it was not ended")
		}
		await.That(t, 20*time.Second, "its group is gone: "+script, func() bool { return !c.group.alive(c.cmd.Process) })
	}
}

func TestEndOfTheContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	c, out := run(t, `trap 'exit 4' TERM; echo ready; while :; do sleep 0.05; done`)
	says(t, out, "ready")
	cancel(errors.New("enough"))
	if c.Wait(ctx, nil, 20*time.Second) || c.Code() != 4 {
		t.Errorf("code %d", c.Code())
	}
}

func TestInput(t *testing.T) {
	cmd := exec.Command("cat")
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout = strings.NewReader("text"), &out
	c, _, err := Start(cmd, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Wait(t.Context(), nil, time.Second)
	if out.String() != "text" {
		t.Errorf("%q", out.String())
	}
}
