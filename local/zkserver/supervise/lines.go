package supervise

import (
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// lineWriter passes lines on without ever waiting for their reader: a terminal that is held, or a pipe that nobody reads any
// more, does not keep the supervisor from its work. Lines are dropped once 256 of them wait.
type lineWriter struct {
	lines chan []byte
	done  chan struct{}
}

func newLineWriter(w io.Writer) *lineWriter {
	l := &lineWriter{lines: make(chan []byte, 256), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for line := range l.lines {
			_, _ = w.Write(line)
		}
	}()
	return l
}

func (l *lineWriter) Write(line []byte) (int, error) {
	select {
	case l.lines <- line:
	default:
	}
	return len(line), nil
}

// close gives the reader a moment for what waits. Nothing is written afterwards.
func (l *lineWriter) close() {
	close(l.lines)
	select {
	case <-l.done:
	case <-time.After(time.Second):
	}
}

// outlivePipe keeps the end of a reader of stdout or stderr from ending this process.
func outlivePipe() (stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGPIPE)
	return func() { signal.Stop(c) }
}
