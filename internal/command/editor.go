package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/zkctl/zkctl/internal/ui"
)

// editorPatience is how long an editor may take to end when zkctl is asked to.
const editorPatience = 2 * time.Second

// jumpers are editors that take +LINE before a file.
var jumpers = []string{"vi", "vim", "nvim", "view", "nano", "pico", "emacs", "emacsclient", "joe", "jed", "mg", "mcedit", "micro", "kak", "ne"}

// editor returns the command line of the user's editor.
func editor() (Template, error) {
	for _, name := range []string{"VISUAL", "EDITOR"} {
		if line := os.Getenv(name); strings.TrimSpace(line) != "" {
			return ParseTemplate("$"+name, line)
		}
	}
	usual := []string{"vi", "nano"}
	if runtime.GOOS == "windows" {
		usual = []string{"notepad"}
	}
	for _, name := range usual {
		if _, err := exec.LookPath(name); err == nil {
			return Template{name}, nil
		}
	}
	return nil, fmt.Errorf("no editor: neither $VISUAL nor $EDITOR is set, and %s is not installed", strings.Join(usual, " or "))
}

// Edit opens files in the user's editor, $VISUAL or $EDITOR, the first at a line if it is above 0, and returns when
// the editor has ended. The editor has the terminal meanwhile, and its Ctrl-C.
func (env *Env) Edit(ctx context.Context, files []string, line int) error {
	t, err := editor()
	if err != nil {
		return err
	}
	program, err := t.Fill()
	if err != nil {
		return err
	}
	if name := strings.TrimSuffix(filepath.Base(t[0]), ".exe"); line > 0 && slices.Contains(jumpers, name) {
		program.Words = append(program.Words, fmt.Sprintf("+%d", line))
	}
	program.Words = append(program.Words, files...)
	c := program.Command(ctx)
	c.Stdout, c.Stderr = ui.Raw(env.Streams.Out), ui.Raw(env.Streams.Err)
	if env.Streams.InTTY {
		c.Stdin = os.Stdin
	}
	c.WaitDelay = editorPatience
	c.Cancel = func() error {
		if err := c.Process.Signal(syscall.SIGTERM); err == nil {
			return nil
		}
		return c.Process.Kill()
	}
	err = env.Streams.Lend(c.Run)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &ui.ExitError{Code: ui.ExitInterrupted, Err: errors.New("interrupted")}
	}
	return fmt.Errorf("editor %s: %w", t[0], err)
}
