// Package background runs this program a second time, as a process that survives the first.
package background

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/zkctl/zkctl/internal/escape"
)

// Process is a run of this program in the background.
type Process struct {
	Args []string
	Dir  string   // to run in; "" for the current one
	Log  *os.File // its stderr

	// Ready, if not nil, is called with the process id once the process is ready. If Ready fails, it is killed.
	Ready func(pid int) error
}

// Started is what the process reports once, on its stdout.
type Started struct {
	ConnectString string `json:"connectString,omitempty"`
	DataDir       string `json:"dataDir,omitempty"`
	Was           string `json:"was,omitempty"`   // the previous connect string, if another program took a port of it
	Error         string `json:"error,omitempty"` // why it could not start
}

// maxReport is the longest report that is read, in bytes.
const maxReport = 1 << 20

// Start starts the process and returns its report. If ctx ends earlier, the process is killed.
func (p *Process) Start(ctx context.Context) (*Started, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, p.Args...)
	cmd.Args[0] = os.Args[0] // the name that this program was called by, which a link may have given it
	cmd.Dir = p.Dir
	cmd.Stderr = p.Log
	detach(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the background process: %w", err)
	}
	type result struct {
		Started
		err error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		line, err := bufio.NewReader(io.LimitReader(out, maxReport)).ReadBytes('\n')
		if err != nil {
			r.err = fmt.Errorf("the background process ended; its log is %s", p.Log.Name())
		} else {
			r.err = json.Unmarshal(line, &r.Started)
		}
		done <- r
	}()
	select {
	case r := <-done:
		if r.err == nil && r.Error != "" {
			r.err = errors.New(r.Error)
		}
		if r.err != nil {
			_ = cmd.Wait()
			return nil, r.err
		}
		if p.Ready != nil {
			if err := p.Ready(cmd.Process.Pid); err != nil {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				return nil, err
			}
		}
		return &r.Started, cmd.Process.Release()
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, ctx.Err()
	}
}

// Report runs work in the background process. Work calls report once it is ready; if it fails before that, its error
// is reported.
func Report(work func(report func(Started)) error) error {
	reported := false
	err := work(func(s Started) {
		reported = true
		write(s)
	})
	if err != nil && !reported {
		write(Started{Error: err.Error()})
	}
	return err
}

func write(s Started) {
	line, _ := escape.MarshalJSON(s)
	_, _ = os.Stdout.Write(append(line, '\n'))
	_ = os.Stdout.Close()
}
