package shell

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

// waiter waits for events of the console. An event that is no character (a mouse, a window
// that gets the focus) lets a read begin that lasts until the next key.
type waiter struct {
	in   *os.File
	bell windows.Handle
}

func newWaiter(in *os.File) (waiter, error) {
	bell, err := windows.CreateEvent(nil, 1, 0, nil)
	return waiter{in: in, bell: bell}, err
}

func (w *waiter) close() { _ = windows.CloseHandle(w.bell) }

// wake ends a wait, now or the next one.
func (w *waiter) wake() { _ = windows.SetEvent(w.bell) }

// rest undoes wake.
func (w *waiter) rest() { _ = windows.ResetEvent(w.bell) }

// wait returns true when there is input, false when it was woken or after patience, which
// is without end when negative.
func (w *waiter) wait(patience time.Duration) (bool, error) {
	timeout := uint32(windows.INFINITE)
	if patience >= 0 {
		timeout = uint32(patience.Milliseconds())
	}
	event, err := windows.WaitForMultipleObjects([]windows.Handle{w.bell, windows.Handle(w.in.Fd())}, false, timeout)
	if event == uint32(windows.WAIT_TIMEOUT) {
		return false, nil
	}
	return event == windows.WAIT_OBJECT_0+1, err
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

// typedAhead takes nothing: a console's lines cannot be told from the answers to questions.
func (t *terminal) typedAhead() []byte { return nil }

// endSignals ask the process to end.
var endSignals = []os.Signal{syscall.SIGTERM}

// notifyTerminal sends to resized now and then: a console sends no signal.
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

// suspendProcess does nothing: there is no job control.
func suspendProcess() {}

func dieOf(os.Signal) { os.Exit(1) }

func signalNumber(os.Signal) int { return 1 }

// lockFile waits for the sole use of an open file, until it is closed.
func lockFile(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, new(windows.Overlapped))
}
