package commands

import (
	"context"
	"strconv"

	"github.com/zkctl/zkctl/internal/command"
)

var redoCommand = &command.Command{
	Name: "redo", Group: command.ShellCmd, Usage: "cmdno", Short: "run a line from the history again",
	Args: []command.Arg{{Name: "cmdno", Kind: command.Number}},
	Examples: []command.Example{
		{"redo 3", "the line with number 3 in history"},
	},
	Offline: true,
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		if env.Shell == nil {
			return errOnlyInShell
		}
		n, err := strconv.Atoi(in.Args[0])
		if err != nil {
			return in.Problem("expected the number of a line, found %q; `history` shows the numbers", in.Args[0])
		}
		return env.Shell.Redo(ctx, n)
	},
}
