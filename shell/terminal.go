package shell

import (
	"bytes"
	"context"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/term"
)

// terminal is the keyboard's side of the terminal: its modes, its size and its keys.
// raw, restore and readKey belong to the goroutine that reads a line; wake is anybody's.
type terminal struct {
	in, out *os.File
	saved   *term.State // as it was before
	keys    decoder
	woken   atomic.Bool
	waiter  waiter
}

// Pauses that tell what was typed from what a terminal sends for one key or one paste.
const (
	sequencePatience = 50 * time.Millisecond
	pastePatience    = 300 * time.Millisecond
)

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

// raw makes the terminal pass on each key, Ctrl-C included.
func (t *terminal) raw() error {
	_, err := term.MakeRaw(int(t.in.Fd()))
	return err
}

// restore makes the terminal what it was when it was opened.
func (t *terminal) restore() { _ = term.Restore(int(t.in.Fd()), t.saved) }

// relearn takes the modes that the terminal has now as those to restore: after a stop they
// may be others. The terminal must not be raw.
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

// wake makes readKey return keyNone.
func (t *terminal) wake() {
	if !t.woken.Swap(true) {
		t.waiter.wake()
	}
}

// readKey waits for a key. After the Enter of a pasted line the rest of the paste is taken
// from the terminal, which would show it while the line's command runs.
func (t *terminal) readKey() (press, error) {
	for {
		if p := t.keys.next(false); p.key != keyNone {
			if p.key == keyEnter && t.keys.paste {
				t.takePaste()
			}
			return p, nil
		}
		patience := time.Duration(-1)
		if len(t.keys.buf) > 0 {
			patience = sequencePatience
		}
		ready, err := t.waiter.wait(patience)
		switch {
		case err != nil:
			return press{}, err
		case t.woken.Swap(false):
			t.waiter.rest()
			return press{}, nil
		case !ready:
			if p := t.keys.next(true); p.key != keyNone {
				return p, nil
			}
			continue
		}
		if err := t.read(); err != nil {
			return press{}, err
		}
	}
}

// read takes what was typed, but nothing behind the end of a line: that may be for its
// command, or for whoever has the terminal next. A paste is taken as a whole, so that its
// end is not lost.
func (t *terminal) read() error {
	buf := make([]byte, 4096)
	var n int
	var err error
	if t.keys.paste || bytes.Contains(t.keys.buf, pasteBegin) {
		n, err = t.waiter.read(buf)
	} else {
		n, err = t.waiter.readLine(buf)
	}
	t.keys.feed(buf[:n])
	return err
}

func (t *terminal) takePaste() {
	for !bytes.Contains(t.keys.buf, pasteEnd) {
		if ready, err := t.waiter.wait(pastePatience); err != nil || !ready || t.read() != nil {
			return
		}
	}
}

// input is the terminal as the standard input of a command: a read ends when ctx does, and
// leaves what is typed later to others.
type input struct {
	t   *terminal
	ctx context.Context
}

func (i input) Read(buf []byte) (int, error) {
	stop := context.AfterFunc(i.ctx, i.t.wake)
	defer stop()
	for {
		if err := i.ctx.Err(); err != nil {
			return 0, err
		}
		ready, err := i.t.waiter.wait(-1)
		switch {
		case err != nil:
			return 0, err
		case i.t.woken.Swap(false):
			i.t.waiter.rest()
		case ready:
			return i.t.waiter.read(buf)
		}
	}
}
