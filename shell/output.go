package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/zkctl/zkctl/internal/ui"
)

// toFile runs a command with its output in a file, created with mode 0666 less the umask. If the
// command or a write fails, the error says what the file holds now.
func toFile(name string, adds bool, run func(io.Writer) error) error {
	flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if adds {
		flags = os.O_CREATE | os.O_WRONLY | os.O_APPEND
	}
	f, err := os.OpenFile(name, flags, 0o666)
	if err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	out := &countingWriter{w: f}
	err = run(out)
	if closeErr := f.Close(); out.err == nil {
		out.err = closeErr
	}
	switch {
	case out.err != nil:
		return fmt.Errorf("write the output: %w; %s holds only part of it, %d bytes", out.err, name, out.n)
	case err != nil && out.n > 0:
		return &ui.ExitError{Code: exitCode(err), Err: fmt.Errorf("%w\n%s holds only the output up to that point, %d bytes", err, name, out.n)}
	}
	return err
}

// countingWriter counts the bytes written and remembers the first error.
type countingWriter struct {
	w   io.Writer
	n   int64
	err error
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if err != nil && c.err == nil {
		c.err = err
	}
	return n, err
}

// programError means that the program after a pipe failed.
type programError struct {
	program string
	err     error
}

func (e *programError) Error() string { return fmt.Sprintf("%s: %v", e.program, e.err) }
func (e *programError) Unwrap() error { return e.err }

// outputPatience is how long processes left running by a program may keep writing, if its output is
// not a separate file.
const outputPatience = 2 * time.Second

// toProgram runs a command with its output piped to a program through the user's shell. Once the
// program has read enough (head), the command ends without an error.
func toProgram(ctx context.Context, line string, s *ui.Streams, run func(context.Context, io.Writer) error) error {
	if err := ctx.Err(); err != nil {
		return &ui.ExitError{Code: ui.ExitInterrupted, Err: errors.New("interrupted")}
	}
	// A command that waits for the ensemble must not wait longer than its reader.
	inner, stop := context.WithCancel(ctx)
	defer stop()
	p, err := startProgram(ctx, shellCommand(line), ui.Raw(s.Out), ui.Raw(s.Err), stop)
	if err != nil {
		return fmt.Errorf("pipe to %s: %w", line, err)
	}
	runErr := run(inner, &p.out)
	programErr := p.wait()
	var status *exec.ExitError
	switch {
	case p.failed() != nil:
		return fmt.Errorf("pipe to %s: %w", line, p.failed())
	case p.explains(ctx, runErr):
		return runErr
	case errors.As(programErr, &status):
		return &ui.ExitError{Code: exitStatus(status), Err: &programError{line, status}}
	case programErr != nil:
		return &programError{line, programErr}
	}
	return nil
}

// program is one that reads what a command prints.
type program struct {
	out   countingWriter
	pipe  *os.File
	ended chan error
	calm  func() bool
}

// startProgram starts a program on the terminal; ended is called when it has ended. ctx passes on a signal that ends the shell.
func startProgram(ctx context.Context, cmd *exec.Cmd, out, errOut io.Writer, ended func()) (*program, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = read, out, errOut
	cmd.WaitDelay = outputPatience
	err = cmd.Start()
	_ = read.Close()
	if err != nil {
		_ = write.Close()
		return nil, err
	}
	p := &program{out: countingWriter{w: write}, pipe: write, ended: make(chan error, 1)}
	go func() { p.ended <- cmd.Wait(); ended() }()
	// The terminal sends Ctrl-C to the program too; a signal that ends the shell is passed on.
	p.calm = context.AfterFunc(ctx, func() {
		var end *signalError
		if errors.As(context.Cause(ctx), &end) {
			_ = cmd.Process.Signal(end.sig)
		}
	})
	return p, nil
}

// wait ends the program's input, and returns how it ended.
func (p *program) wait() error {
	_ = p.pipe.Close()
	defer p.calm()
	return <-p.ended
}

// failed is why writing to the program failed, unless it has just read enough.
func (p *program) failed() error {
	if p.out.err == nil || brokenPipe(p.out.err) {
		return nil
	}
	return p.out.err
}

// explains reports whether the error of the command that wrote is not merely that the program has ended.
func (p *program) explains(ctx context.Context, err error) bool {
	return err != nil && p.out.err == nil && (ctx.Err() != nil || !isInterrupt(err))
}

// shellCommand runs a line with the user's shell: $SHELL if set, otherwise sh; cmd.exe on
// Windows.
func shellCommand(line string) *exec.Cmd {
	if runtime.GOOS == "windows" {
		return exec.Command("cmd", "/C", line)
	}
	shell := os.Getenv("SHELL")
	if shell == "" {
		shell = "/bin/sh"
	}
	return exec.Command(shell, "-c", line)
}

func exitStatus(e *exec.ExitError) int {
	if status, ok := e.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	if code := e.ExitCode(); code > 0 {
		return code
	}
	return ui.ExitFailed
}

func exitCode(err error) int {
	if err == nil {
		return ui.ExitOK
	}
	var exit *ui.ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	return ui.ExitFailed
}

func isInterrupt(err error) bool {
	return errors.Is(err, context.Canceled) || exitCode(err) == ui.ExitInterrupted
}

// brokenPipe reports whether the reader of a pipe is gone.
func brokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) || isNoReader(err) }
