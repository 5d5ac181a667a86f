package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/ui"
)

// Set is a list of commands, in the order of the list that help prints.
type Set []*Command

// Lookup finds a command by its name or an alias, ignoring case, or returns nil.
func (s Set) Lookup(name string) *Command {
	for _, c := range s {
		if strings.EqualFold(c.Name, name) {
			return c
		}
		for _, a := range c.Aliases {
			if strings.EqualFold(a, name) {
				return c
			}
		}
	}
	return nil
}

// Run parses and runs a command. It returns an error that is not yet reported; its exit code is
// that of the *ui.ExitError in it, or ui.ExitFailed.
func Run(ctx context.Context, env *Env, words []Word) error {
	call := *env // -o and others apply only to this command
	ctx = call.confirming(ctx)
	if len(words) > 0 {
		if v := call.Verb(words[0].Text); v != nil {
			err := v.Run(ctx, &call, texts(words[1:]))
			env.Dir, env.Before = call.Dir, call.Before
			return err
		}
	}
	err := call.run(ctx, words)
	env.Dir, env.Before = call.Dir, call.Before // cd
	if len(words) > 0 {
		if c := env.Commands.Lookup(words[0].Text); err != nil && c != nil && c.Predicate {
			err = unsure(err)
		}
	}
	return ui.InFormat(err, call.Output)
}

// unsure gives an error the exit code of a predicate that could not tell, unless it has another.
func unsure(err error) error {
	var exit *ui.ExitError
	if errors.As(err, &exit) {
		return err
	}
	return &ui.ExitError{Code: ui.ExitUnsure, Err: err}
}

func (env *Env) run(ctx context.Context, words []Word) error {
	in, err := env.Commands.Parse(words)
	if errors.Is(err, ErrNoCommand) {
		return env.unknownCommand(words[0].Text)
	}
	if err != nil {
		return err
	}
	if env.Output, err = output.Or(in, env.Output); err != nil {
		return fmt.Errorf("%s: %w", in.Command.Name, err)
	}
	env.Yes = env.Yes || yes.On(in)
	env.Quiet = env.Quiet || quiet.On(in)
	if help.On(in) {
		err = env.printCommandHelp(in.Command)
	} else if err = in.Resolve(env.Dir); err == nil {
		err = in.Command.Run(ctx, env, in)
	}
	return env.Explain(ctx, err)
}

// Conn returns the session that a command works on.
func (env *Env) Conn() (*client.Conn, error) {
	if env.Session == nil {
		return nil, session.ErrNone
	}
	return env.Session.Conn()
}
