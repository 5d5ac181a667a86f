package check

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// run runs a command of the verb, and returns its exit code.
func run(t *testing.T, c *cobra.Command, out *bytes.Buffer, args ...string) (code int, err error) {
	t.Helper()
	c.SetArgs(args)
	c.SetOut(out)
	c.SetErr(io.Discard)
	c.SilenceErrors, c.SilenceUsage = true, true
	ran, err := c.ExecuteContextC(t.Context())
	return exitCode(command.Ended(ran, err))
}

func exitCode(err error) (int, error) {
	var exit *ui.ExitError
	switch {
	case err == nil:
		return ui.ExitOK, nil
	case errors.As(err, &exit):
		return exit.Code, exit.Err
	}
	return ui.ExitFailed, err
}

func discard(out io.Writer) *ui.Streams { return &ui.Streams{Out: out, Err: io.Discard, Width: 80} }

func noLimits(context.Context, client.Config, string) (Limits, error) {
	return Limits{}, errors.New("it tells nothing")
}
