package shell

import (
	"context"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/zkctl/zkctl/internal/keys"
)

// terminal is the input side of the terminal: its modes, its size and its keys. raw, restore and
// readKey belong to the goroutine that reads a line; wake may be called by any.
type terminal struct {
	in, out *os.File
	saved   *term.State // the original state
	keys    keys.Decoder
	waiter  waiter
}

// happening is what ends a wait.
type happening int

const (
	quiet happening = iota // nothing, for the time given
	typed                  // input
	woken                  // wake; so until rest
)

// sequencePatience is the pause that separates typed keys from what a terminal sends for a single
// key.
const sequencePatience = 50 * time.Millisecond

func openTerminal(in, out *os.File) (*terminal, error) {
	t := &terminal{in: in, out: out}
	var err error
	if t.saved, err = term.GetState(int(in.Fd())); err != nil {
		return nil, err
	}
	if t.waiter, err = newWaiter(in); err != nil {
		return nil, err
	}
	return t, nil
}

// raw makes the terminal pass on every key, including Ctrl-C.
func (t *terminal) raw() error {
	_, err := term.MakeRaw(int(t.in.Fd()))
	return err
}

// restore puts the terminal in its original state.
func (t *terminal) restore() { _ = term.Restore(int(t.in.Fd()), t.saved) }

// relearn takes the terminal's current modes as its original state: after a stop they may have
// changed. The terminal must not be raw.
func (t *terminal) relearn() {
	if state, err := term.GetState(int(t.in.Fd())); err == nil {
		t.saved = state
	}
}

func (t *terminal) close() { t.waiter.close() }

func (t *terminal) size() (width, height int) {
	for _, f := range []*os.File{t.out, t.in} {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w, h
		}
	}
	return 80, 24
}

// wake makes readKey return keys.None.
func (t *terminal) wake() { t.waiter.wake() }

// readKey waits for a key. A paste counts as one.
func (t *terminal) readKey() (keys.Press, error) {
	for {
		if p := t.keys.Next(false); p.Key != keys.None {
			return p, nil
		}
		patience := time.Duration(-1)
		if t.keys.Waiting() && !t.keys.Pasting() {
			patience = sequencePatience
		}
		happened, err := t.waiter.wait(patience)
		switch {
		case err != nil:
			return keys.Press{}, err
		case happened == woken:
			t.waiter.rest()
			return keys.Press{}, nil
		case happened == quiet:
			if p := t.keys.Next(true); p.Key != keys.None {
				return p, nil
			}
			continue
		}
		if err := t.read(); err != nil {
			return keys.Press{}, err
		}
	}
}

// read takes what was typed, but nothing after the end of a line: that may be for its command, or
// for the terminal's next user. A paste is taken as a whole, so that its end is not lost.
func (t *terminal) read() error {
	buf := make([]byte, 4096)
	var n int
	var err error
	if t.keys.Pasting() {
		n, err = t.waiter.read(buf)
	} else {
		n, err = t.waiter.readLine(buf)
	}
	t.keys.Feed(buf[:n])
	return err
}

// input is the terminal as a command's standard input: a read ends when ctx does, and leaves what
// is typed later to others.
type input struct {
	e   *editor
	ctx context.Context
}

func (i input) Read(buf []byte) (int, error) {
	t := i.e.term
	stop := context.AfterFunc(i.ctx, t.wake)
	defer stop()
	for {
		if err := i.ctx.Err(); err != nil {
			return 0, err
		}
		happened, err := t.waiter.wait(-1)
		switch {
		case err != nil:
			return 0, err
		case happened == woken:
			t.waiter.rest()
		case happened == typed:
			return t.waiter.read(buf)
		}
	}
}

// Answer implements ui.Ahead.
func (i input) Answer(is func(string) bool) (line string, ok bool) { return i.e.answer(is) }
