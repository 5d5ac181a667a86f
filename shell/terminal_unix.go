//go:build unix

package shell

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// waiter waits for input with select, which supports terminals on every Unix; poll and kqueue do
// not on macOS. The terminal stays in blocking mode: other processes share its open file.
type waiter struct {
	fd              int
	bellOut, bellIn int
}

func newWaiter(in *os.File) (waiter, error) {
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		return waiter{}, err
	}
	for _, fd := range p {
		unix.CloseOnExec(fd)
		_ = unix.SetNonblock(fd, true)
	}
	return waiter{fd: int(in.Fd()), bellOut: p[0], bellIn: p[1]}, nil
}

func (w *waiter) close() { _, _ = unix.Close(w.bellOut), unix.Close(w.bellIn) }

// wake ends the current wait, or the next one, and all that follow until rest.
func (w *waiter) wake() { _, _ = unix.Write(w.bellIn, []byte{0}) }

// rest undoes wake.
func (w *waiter) rest() {
	var b [64]byte
	for {
		if n, err := unix.Read(w.bellOut, b[:]); n <= 0 || err != nil {
			return
		}
	}
}

// wait waits for input, but not longer than patience; negative patience waits forever.
func (w *waiter) wait(patience time.Duration) (happening, error) {
	for {
		var set unix.FdSet
		set.Set(w.fd)
		set.Set(w.bellOut)
		var timeout *unix.Timeval
		if patience >= 0 {
			tv := unix.NsecToTimeval(patience.Nanoseconds())
			timeout = &tv
		}
		_, err := unix.Select(max(w.fd, w.bellOut)+1, &set, nil, nil, timeout)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return quiet, err
		case set.IsSet(w.bellOut):
			return woken, nil
		case set.IsSet(w.fd):
			return typed, nil
		}
		return quiet, nil
	}
}

func (w *waiter) read(buf []byte) (int, error) {
	for {
		n, err := unix.Read(w.fd, buf)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// readLine reads what is available up to the end of a line, or a key that ends one.
func (w *waiter) readLine(buf []byte) (n int, err error) {
	for n < len(buf) {
		if _, err = w.read(buf[n : n+1]); err != nil {
			return n, err
		}
		n++
		if bytes.IndexByte([]byte("\r\n\x03\x04"), buf[n-1]) >= 0 {
			return n, nil
		}
		if happened, err := w.wait(0); err != nil || happened != typed {
			return n, err
		}
	}
	return n, nil
}

// typedAhead takes what waits in the terminal, including half a line. A Ctrl-C in it counts.
func (t *terminal) typedAhead() (text []byte) {
	if t.raw() != nil {
		return nil
	}
	defer t.restore()
	buf := make([]byte, 4096)
	for {
		happened, _ := t.waiter.wait(sequencePatience)
		switch {
		case happened == woken:
			t.waiter.rest()
			continue
		case happened == quiet:
			return text
		}
		n, err := t.waiter.read(buf)
		if err != nil {
			return text
		}
		if bytes.IndexByte(buf[:n], 0x03) >= 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
			return nil
		}
		text = append(text, buf[:n]...)
	}
}

// endSignals are the signals that ask the process to end.
var endSignals = []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// notifyTerminal sends to resized when the window's size changes, and to continued when the
// process continues after a stop.
func notifyTerminal(resized, continued chan<- os.Signal) (stop func()) {
	signal.Notify(resized, syscall.SIGWINCH)
	signal.Notify(continued, syscall.SIGCONT)
	return func() { signal.Stop(resized); signal.Stop(continued) }
}

// dieOf ends the process with the signal's default effect.
func dieOf(sig os.Signal) {
	signal.Reset(sig)
	if s, ok := sig.(syscall.Signal); ok {
		_ = syscall.Kill(os.Getpid(), s)
	}
}

func signalNumber(sig os.Signal) int {
	if s, ok := sig.(syscall.Signal); ok {
		return int(s)
	}
	return 1
}

// lockFile waits for exclusive use of an open file, until it is closed.
func lockFile(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX) }
