//go:build unix

package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/ui"
)

// lockedBuffer is what a terminal has shown.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func rows(n int) string { return strings.Repeat("row\n", n) }

func TestPager(t *testing.T) {
	for _, test := range []struct {
		name, pager string
		run         func(ctx context.Context, s *ui.Streams) error
		want, err   string
	}{
		{"it fits", "sed s/^/P:/", func(_ context.Context, s *ui.Streams) error {
			fmt.Fprint(s.Out, rows(2))
			fmt.Fprintln(s.Err, "note")
			fmt.Fprint(s.Out, rows(2))
			return nil
		}, rows(2) + "note\n" + rows(2), ""},
		{"it does not fit", "sed s/^/P:/", func(_ context.Context, s *ui.Streams) error {
			fmt.Fprint(s.Out, rows(2))
			fmt.Fprintln(s.Err, "note")
			fmt.Fprint(s.Out, rows(20))
			fmt.Fprintln(s.Err, "end")
			return errors.New("it failed")
		}, strings.Repeat("P:row\n", 22) + "note\nend\n", "it failed"},
		{"a long line does not fit", "sed s/^/P:/", func(_ context.Context, s *ui.Streams) error {
			_, err := fmt.Fprintln(s.Out, strings.Repeat("x", 101))
			return err
		}, "P:" + strings.Repeat("x", 101) + "\n", ""},
		{"colours take no room", "sed s/^/P:/", func(_ context.Context, s *ui.Streams) error {
			for range 4 {
				fmt.Fprintln(s.Out, s.Control("31m")+strings.Repeat("x", 20)+s.Control("0m"))
			}
			return nil
		}, strings.Repeat("\x1b[31m"+strings.Repeat("x", 20)+"\x1b[0m\n", 4), ""},
		{"nothing is obeyed", "sed s/^/P:/", func(_ context.Context, s *ui.Streams) error {
			_, err := fmt.Fprint(s.Out, rows(5)+"\x1b[2J\n")
			return err
		}, strings.Repeat("P:row\n", 5) + "P:\\x1b[2J\n", ""},
		{"one that reads enough", "head -n 2", func(ctx context.Context, s *ui.Streams) error {
			for ctx.Err() == nil {
				if _, err := fmt.Fprint(s.Out, rows(1000)); err != nil {
					return err
				}
			}
			return &ui.ExitError{Code: ui.ExitInterrupted, Err: errors.New("interrupted")}
		}, rows(2), ""},
		{"a command that waits for more", "head -n 2", func(ctx context.Context, s *ui.Streams) error {
			fmt.Fprint(s.Out, rows(10))
			<-ctx.Done()
			return ctx.Err()
		}, rows(2), ""},
		{"what moves the cursor", "sed s/^/P:/", func(_ context.Context, s *ui.Streams) error {
			fmt.Fprint(s.Out, s.Control("2J")+rows(10))
			return nil
		}, "\x1b[2J" + rows(10), ""},
		{"who draws on the terminal", "sed s/^/P:/", func(_ context.Context, s *ui.Streams) error {
			fmt.Fprint(s.Out, rows(1))
			fmt.Fprint(ui.Raw(s.Out), "raw\n")
			fmt.Fprint(s.Out, rows(10))
			return nil
		}, rows(1) + "raw\n" + rows(10), ""},
		{"a question", "sed s/^/P:/", func(ctx context.Context, s *ui.Streams) error {
			fmt.Fprint(s.Out, rows(10))
			yes, err := s.Ask(ctx, "Go on?")
			fmt.Fprint(s.Out, yes, "\n", rows(10))
			return err
		}, strings.Repeat("P:row\n", 10) + "Go on? [y/N] y\ntrue\n" + rows(10), ""},
		{"no such program", "no-such-pager -x", func(_ context.Context, s *ui.Streams) error {
			fmt.Fprint(s.Out, rows(10))
			return nil
		}, rows(10) + `warning: start the pager no-such-pager -x: exec: "no-such-pager": executable file not found in $PATH` + "\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out lockedBuffer
			s := &ui.Streams{In: answers("y"), Out: ui.Terminal(&out), Err: ui.Terminal(&out), InTTY: true, OutTTY: true, ErrTTY: true, Width: 20, Height: 5}
			t.Setenv("SHELL", "/bin/sh")
			err := paged(t.Context(), test.pager, s, test.run)
			if text := fmt.Sprint(err); test.err == "" && err != nil || test.err != "" && text != test.err {
				t.Errorf("error %v, want %q", err, test.err)
			}
			if out.String() != test.want {
				t.Errorf("shown %q\nwant  %q", out.String(), test.want)
			}
		})
	}
}

// answers is an input in which the answer was typed ahead.
type answers string

func (a answers) Read([]byte) (int, error) { return 0, io.EOF }

func (a answers) Answer(is func(string) bool) (string, bool) { return string(a), is(string(a)) }

// What a command prints before a pause is shown in it.
func TestPagerDoesNotHoldBackWhatWaits(t *testing.T) {
	var out lockedBuffer
	s := &ui.Streams{In: answers(""), Out: ui.Terminal(&out), Err: ui.Terminal(&out), OutTTY: true, Width: 20, Height: 5}
	err := paged(t.Context(), "false", s, func(_ context.Context, s *ui.Streams) error {
		fmt.Fprint(s.Out, rows(3))
		await.That(t, time.Minute, "what was printed", func() bool { return out.String() != "" })
		fmt.Fprint(s.Out, rows(10))
		return nil
	})
	if err != nil || out.String() != rows(13) {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestPagerInTheShell(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	tt := openTest(t, terminalOptions{servers: addr, pager: `trap '' INT; echo sta''rted; sed 's/^/P:/' | tail -n 2; echo pa''ged`})
	tt.seeLine(promptOf(addr, "CONNECTED", 0))
	tt.send("pwd\rhelp pwd\r")
	tt.seeLine(promptOf(addr, "CONNECTED", 2))
	tt.send("help | head -n 1\r")
	tt.seeLine(promptOf(addr, "CONNECTED", 3))
	if s := tt.screen(); strings.Contains(s, "P:") || strings.Contains(s, "started") {
		t.Errorf("the pager shows what is short or goes to a program:\n%s", s)
	}
	tt.send("help\r")
	tt.see("\npaged\n" + promptOf(addr, "CONNECTED", 4))
	if s := tt.screen(); strings.Count(s, "P:") != 2 {
		t.Errorf("the pager does not show what is long:\n%s", s)
	}
	tt.send("\x0c")
	tt.await("a clear screen", func(screen string) bool { return !strings.Contains(screen, "started") })
	tt.send("repeat 100000000 pwd\r")
	tt.see("\nstarted")
	tt.send("\x03") // the command ends, and the pager shows what there is
	tt.see("P:/\nP:/\npaged\n")
	tt.see("interrupted")
	tt.seeLine(promptOf(addr, "CONNECTED", 5))
}
