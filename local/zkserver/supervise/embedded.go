package supervise

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/zkctl/zkctl/internal/heapfloor"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver"
)

// ChildCommand is the word after "zkctl server" of an embedded server that is supervised.
const ChildCommand = "supervised"

type embedded struct{ config, confDir string }

func (e embedded) command() (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"server", ChildCommand, e.config}
	if e.confDir != "" {
		args = append(args, "--config", e.confDir)
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = os.Args[0] // the name that this program was called by, which a link may have given it
	return cmd, nil
}

func (embedded) fatal(code int) int {
	switch code {
	case childInvalidConfig:
		return exitInvalidConfig
	case childNoDataDir:
		return exitNoDataDir
	}
	return 0
}

// reason is the last line, which zkctl prints.
func (embedded) reason(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return lines[len(lines)-1]
}

func (embedded) dumps() bool { return false }
func (embedded) close()      {}

// The exit codes of Child for an invalid configuration and an unusable data directory. Those of Apache's server do not do,
// because 2 is also that of a panic.
const (
	childInvalidConfig = 78
	childNoDataDir     = 73
)

// orphanTimeout is how long a server whose supervisor has ended may take to end.
const orphanTimeout = 30 * time.Second

// Child is the process of an embedded server that is supervised. Its log goes to stderr. It ends when stdin does, which is
// when the supervisor wants it to or has itself ended.
func Child(ctx context.Context, config string, system zoocfg.Properties) error {
	signal.Ignore(syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
		time.Sleep(orphanTimeout)
		os.Exit(ui.ExitFailed)
	}()
	heapfloor.Hold()
	err := localserver.Serve(ctx, localserver.ServeOptions{Config: config, System: system, Log: os.Stderr})
	switch {
	case errors.Is(err, localserver.ErrConfig):
		return &ui.ExitError{Code: childInvalidConfig, Err: err}
	case errors.Is(err, localserver.ErrDataDir):
		return &ui.ExitError{Code: childNoDataDir, Err: err}
	}
	return err
}
