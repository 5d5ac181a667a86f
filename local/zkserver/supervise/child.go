package supervise

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/zkctl/zkctl/internal/filelock"
)

// child is one life of the server.
type child struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	listens bool // it ends when stdin does
	bound   bound
	done    chan struct{} // closed when it has ended
	err     error         // of exec.Cmd.Wait; valid once done is closed
}

// start starts the server's process. It writes its output to out, and ends when this process ends, however that happens:
// on Linux and Windows the system sees to it; elsewhere an embedded server notices the end of its stdin. Whatever
// outlives this process keeps the lock.
func start(cmd *exec.Cmd, out io.Writer, lock *filelock.Lock, f *family) (*child, error) {
	c := &child{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second // for a process of the server's own that keeps its output open
	var err error
	if c.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	separate(cmd)
	inherit(cmd, lock)
	started := make(chan error)
	go func() {
		// The death signal comes when the thread that started the child ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := f.start(func() (int, error) {
			if err := cmd.Start(); err != nil {
				return 0, err
			}
			return cmd.Process.Pid, nil
		})
		if err == nil {
			if c.bound, err = bind(cmd.Process); err != nil {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				f.ended()
			}
		}
		started <- err
		if err != nil {
			return
		}
		c.err = cmd.Wait()
		f.ended()
		c.bound.release()
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// end asks the server to end. One that was stopped by a signal continues, so that it can; one that cannot be asked is
// killed.
func (c *child) end() {
	_ = c.stdin.Close()
	if !terminate(c.cmd.Process) && !c.listens {
		c.kill()
	}
}

// kill ends the server at once.
func (c *child) kill() { _ = c.cmd.Process.Kill() }

// exitCode returns the exit code, or -1 of a process that a signal ended. The process has ended.
func (c *child) exitCode() int { return c.cmd.ProcessState.ExitCode() }

// ending says how it ended.
func (c *child) ending() string {
	var exit *exec.ExitError
	switch {
	case c.err == nil:
		return "ended with exit code 0"
	case errors.As(c.err, &exit) && exit.ExitCode() >= 0:
		return fmt.Sprintf("ended with exit code %d", exit.ExitCode())
	case errors.As(c.err, &exit):
		return "was ended by a " + exit.String()
	}
	return "ended: " + c.err.Error()
}

// environment is this process's without what systemd gave it to report with.
func environment() (env []string) {
	for _, kv := range os.Environ() {
		if !isNotifyVariable(kv) {
			env = append(env, kv)
		}
	}
	return env
}
