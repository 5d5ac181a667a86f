package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/ui"
)

// Complain prints an error that does not end the command.
func (env *Env) Complain(err error) { ui.Report(env.Streams.Err, ui.InFormat(err, env.Output)) }

// Warn prints a warning.
func (env *Env) Warn(format string, a ...any) {
	text := fmt.Sprintf(format, a...)
	if env.Output == ui.JSON {
		ui.Object(env.Streams.Err, "warning", text, nil)
		return
	}
	ui.Warn(env.Streams.Err, "%s", text)
}

// Note tells a person what succeeded; -q suppresses it. In JSON the answer contains it.
func (env *Env) Note(format string, a ...any) {
	if !env.Quiet && env.Output != ui.JSON {
		fmt.Fprintf(env.Streams.Err, format+"\n", a...)
	}
}

// Confirm asks a person, on a terminal, before a big change. otherwise says, in the error, what a
// no or Ctrl-C leaves.
func (env *Env) Confirm(ctx context.Context, question, otherwise string) error {
	if !env.Streams.InTTY || env.Yes {
		return nil
	}
	yes, err := env.Streams.Ask(ctx, question)
	if interrupted := Stopped(ctx, err, otherwise); interrupted != nil {
		return interrupted
	}
	if err == nil && !yes {
		err = errors.New(otherwise)
	}
	return err
}
