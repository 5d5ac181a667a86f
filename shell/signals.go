package shell

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/internal/ui"
)

// number is the number of the next line, shared with other goroutines.
type number struct{ n atomic.Int64 }

func (n *number) set(v int) { n.n.Store(int64(v)) }
func (n *number) get() int  { return int(n.n.Load()) }

// text is a sentence shared by several goroutines.
type text struct{ s atomic.Pointer[string] }

func (t *text) set(s string) { t.s.Store(&s) }

func (t *text) get() string {
	if s := t.s.Load(); s != nil {
		return *s
	}
	return ""
}

// interruptible is the running command, if any.
type interruptible struct {
	mu     sync.Mutex
	cancel context.CancelFunc
	early  time.Time // of an interrupt while no command ran
}

// earlyInterrupt is how long before its command Ctrl-C may arrive.
const earlyInterrupt = 100 * time.Millisecond

func (i *interruptible) begin(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	i.mu.Lock()
	i.cancel = cancel
	if time.Since(i.early) < earlyInterrupt {
		cancel()
	}
	i.mu.Unlock()
	return ctx, func() {
		i.mu.Lock()
		i.cancel = nil
		i.mu.Unlock()
		cancel()
	}
}

func (i *interruptible) interrupt() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cancel != nil {
		i.cancel()
	} else {
		i.early = time.Now()
	}
}

// signalError is why a shell ended.
type signalError struct{ sig os.Signal }

func (e *signalError) Error() string { return fmt.Sprintf("ended by signal %v", e.sig) }

// stopPatience is how long a command may take to notice that the process must end.
const stopPatience = 5 * time.Second

// signals handles the process's signals until the returned function is called.
func (s *shell) signals() func() {
	interrupt, end := make(chan os.Signal, 4), make(chan os.Signal, 1)
	resized, continued := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(interrupt, os.Interrupt)
	signal.Notify(end, endSignals...)
	stopTerminal := notifyTerminal(resized, continued)
	done := make(chan struct{})
	go func() {
		defer s.guard()
		for {
			select {
			case <-done:
				return
			case <-s.ctx.Done():
				s.lines.Stop()
				<-done
				return
			case <-interrupt:
				if !ui.Lent() && !s.lines.giveUp() {
					s.doing.interrupt()
				}
			case <-resized:
				s.lines.Resize()
			case <-continued:
				s.lines.Resume()
			case sig := <-end:
				s.cancel(&signalError{sig})
				time.AfterFunc(stopPatience, func() {
					select {
					case <-done:
					default:
						dieOf(sig)
					}
				})
			}
		}
	}()
	return func() {
		close(done)
		stopTerminal()
		signal.Stop(interrupt)
		signal.Stop(end)
	}
}
