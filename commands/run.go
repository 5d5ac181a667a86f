package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/ui"
)

// All returns every command, in the order of the list that help prints.
func All() []*Command { return all }

// Lookup finds a command by its name or an alias in any case, or returns nil.
func Lookup(name string) *Command {
	for _, c := range all {
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

// Run parses and runs one command. An error that is not said yet is returned; its exit
// code is that of a *ui.ExitError in it, or ui.ExitFailed.
func Run(ctx context.Context, env *Env, words []Word) error {
	if len(words) > 0 {
		if v := env.verb(words[0].Text); v != nil {
			return env.runVerb(ctx, v, texts(words[1:]))
		}
	}
	in, err := Parse(words)
	if err != nil {
		return err
	}
	call := *env // -o and -y hold for this command alone
	if in.Has("output") {
		if call.Output, err = ui.ParseFormat(in.Value("output")); err != nil {
			return fmt.Errorf("%s: %w", in.Command.Name, err)
		}
	}
	if in.Has("yes") {
		call.Yes = true
	}
	if in.Has("help") {
		err = printCommandHelp(&call, in.Command)
	} else if err = in.resolve(env.Dir); err == nil {
		err = in.Command.Run(ctx, &call, in)
	}
	env.Dir = call.Dir // cd
	return explainChroot(&call, Explain(ctx, err))
}

// conn is the session that a command works on.
func (env *Env) conn() (*client.Conn, error) {
	if env.Session == nil {
		return nil, ErrNoSession
	}
	return env.Session.Conn()
}

// unknownCommand says what may have been meant.
func unknownCommand(name string) error {
	var near []string
	best := 3 // edits
	for _, c := range all {
		for _, n := range append([]string{c.Name}, c.Aliases...) {
			d := levenshtein.ComputeDistance(strings.ToLower(n), strings.ToLower(name))
			if len(name) > 2 && strings.HasPrefix(strings.ToLower(n), strings.ToLower(name)) {
				d = min(d, 1)
			}
			if d > max(1, len(name)/3) || d >= len(n) { // of a name of one letter nothing is like it
				continue
			}
			if d < best {
				best, near = d, nil
			}
			if d == best {
				near = append(near, n)
			}
		}
	}
	hint := ""
	if len(near) > 0 {
		hint = " Did you mean " + strings.Join(near, " or ") + "?"
	}
	return &ui.ExitError{
		Code: ui.ExitUnknownCommand,
		Err:  fmt.Errorf("Command not found %s.%s `help` lists all", name, hint),
	}
}
