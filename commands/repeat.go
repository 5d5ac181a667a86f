package commands

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

var repeatCommand = &command.Command{
	Name: "repeat", Group: command.ShellCmd, Usage: "times command …", Short: "run a command several times",
	Long:     "It stops at the first error, which says which run it was, and at Ctrl-C.",
	Args:     []command.Arg{{Name: "times", Kind: command.Number}, lineArg},
	Verbatim: true,
	Examples: []command.Example{
		{"repeat 100 create -s /queue/job-", "a hundred sequential znodes"},
		{"repeat 5 time sync /", "five round trips to the leader"},
	},
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		times, err := strconv.Atoi(in.Args[0])
		if err != nil || times < 1 {
			return in.Problem("expected how many times to run the command, found %q", in.Args[0])
		}
		for i := range times {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			if err := command.Run(ctx, env, in.Words[1:]); err != nil {
				return failedRun(err, i+1, times)
			}
		}
		return nil
	},
}

// failedRun says which of the runs failed. The exit code stays.
func failedRun(err error, run, of int) error {
	var exit *ui.ExitError
	if err.Error() == "" && errors.As(err, &exit) { // it has been reported, or is the answer no
		return &ui.ExitError{Code: exit.Code, Err: fmt.Errorf("run %d of %d failed", run, of)}
	}
	return fmt.Errorf("run %d of %d: %w", run, of, err)
}
