package shell

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

// waiter waits for console events. An event that is not a character (mouse, focus) starts a read
// that lasts until the next key.
type waiter struct {
	in   *os.File
	bell windows.Handle
}

func newWaiter(in *os.File) (waiter, error) {
	bell, err := windows.CreateEvent(nil, 1, 0, nil)
	return waiter{in: in, bell: bell}, err
}

func (w *waiter) close() { _ = windows.CloseHandle(w.bell) }

// wake ends the current wait, or the next one, and all that follow until rest.
func (w *waiter) wake() { _ = windows.SetEvent(w.bell) }

// rest undoes wake.
func (w *waiter) rest() { _ = windows.ResetEvent(w.bell) }

// wait waits for input, but not longer than patience; negative patience waits forever.
func (w *waiter) wait(patience time.Duration) (happening, error) {
	timeout := uint32(windows.INFINITE)
	if patience >= 0 {
		timeout = uint32(patience.Milliseconds())
	}
	event, err := windows.WaitForMultipleObjects([]windows.Handle{w.bell, windows.Handle(w.in.Fd())}, false, timeout)
	switch event {
	case windows.WAIT_OBJECT_0:
		return woken, nil
	case windows.WAIT_OBJECT_0 + 1:
		return typed, nil
	case uint32(windows.WAIT_TIMEOUT):
		return quiet, nil
	}
	return quiet, err
}

func (w *waiter) read(buf []byte) (int, error) {
	n, err := w.in.Read(buf)
	if errors.Is(err, io.EOF) { // Ctrl-Z
		err = nil
	}
	return n, err
}

// readLine is read: a console's input belongs to this process.
func (w *waiter) readLine(buf []byte) (int, error) { return w.read(buf) }

// typedAhead takes nothing: a console's lines cannot be distinguished from answers to questions.
func (t *terminal) typedAhead() []byte { return nil }

// endSignals are the signals that ask the process to end.
var endSignals = []os.Signal{syscall.SIGTERM}

// notifyTerminal polls the size: a console sends no signal.
func notifyTerminal(resized, _ chan<- os.Signal) (stop func()) {
	ticker := time.NewTicker(time.Second)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				select {
				case resized <- syscall.SIGTERM:
				default:
				}
			}
		}
	}()
	return func() { ticker.Stop(); close(done) }
}

func dieOf(os.Signal) { os.Exit(1) }

func signalNumber(os.Signal) int { return 1 }

// lockFile waits for exclusive use of an open file, until it is closed.
func lockFile(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, new(windows.Overlapped))
}
