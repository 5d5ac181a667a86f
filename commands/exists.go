package commands

import (
	"context"
	"errors"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
)

var existsCommand = &command.Command{
	Name: "exists", Group: command.Reading, Usage: "location",
	Short:     "check whether a znode exists",
	Long:      "The exit code is the answer; only the shell prints it. " + locationForms,
	Exits:     command.Exits{0: "the znode exists", 1: "it does not", 2: "that is unknown"},
	Args:      []command.Arg{{Name: "location", Kind: command.Location}},
	Predicate: true,
	Examples: []command.Example{
		{"exists /app/leader", "for scripts"},
		{"exists file:version-2@2h:/app/config", "whether it existed two hours ago"},
	},
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		src, err := env.Open(in, 0)
		if err != nil {
			return err
		}
		defer src.Close()
		// A server may not let the session read the znode, and yet tell that it exists.
		_, err = env.Walk(ctx, src, source.Options{Stat: true, Levels: -1}, func(*source.Znode) error { return nil })
		exists := !errors.Is(err, proto.ErrNoNode)
		if err != nil && exists {
			return err
		}
		if env.Output == ui.JSON {
			if err := env.PrintJSON(command.Object{"path": src.Location.Path, "exists": exists}); err != nil {
				return err
			}
		}
		if env.Shell != nil && env.Streams.OutTTY && env.Output != ui.JSON { // a person sees no exit code there
			env.Note("%s %s", env.Streams.Name(src.Location.Text), map[bool]string{true: "exists", false: "does not exist"}[exists])
		}
		if !exists {
			return &ui.ExitError{Code: ui.ExitNo}
		}
		return nil
	},
}
