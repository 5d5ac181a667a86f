package command

import (
	"context"
	"errors"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/ui"
)

// Many calls do for each path. For a single path it returns the error; for several it prints
// errors and continues, unless the error concerns more than the path.
func (env *Env) Many(ctx context.Context, paths []string, do func(i int, path string) error) error {
	if len(paths) == 1 {
		return do(0, paths[0])
	}
	failed := false
	for i, path := range paths {
		if err := do(i, path); err != nil {
			if About(err) != nil {
				return err
			}
			env.Complain(env.Explain(ctx, err))
			failed = true
		}
	}
	if failed {
		return &ui.ExitError{Code: ui.ExitFailed}
	}
	return nil
}

// AndSkipped adds what a pattern has skipped to the error of a command.
func (env *Env) AndSkipped(err error, skipped *Failures) error {
	if err != nil && About(err) != nil && err.Error() != "" {
		return err // which ended it
	}
	if more := skipped.Skipped(env); more != nil {
		if err != nil {
			env.Complain(err)
		}
		return more
	}
	return err
}

// About returns the error, or nil if it concerns only a single znode: the server's answer, or a
// bad path.
func About(err error) error {
	var path *client.PathError
	if errors.As(err, &path) {
		return nil
	}
	return Fatal(err)
}
