package commands

import (
	"context"
	"errors"

	"github.com/zkctl/zkctl/internal/command"
)

var sourceCommand = &command.Command{
	Name: "source", Group: command.ShellCmd, Usage: "file", Short: "run the lines of a file in this session",
	Long: "The lines run as if they were typed, with the current znode and the aliases of the shell; they are not added to the history. " +
		"The first error ends the file, and names its line. A file can run others.",
	Args: []command.Arg{{Name: "file", Kind: command.File}},
	Examples: []command.Example{
		{"source setup.zk", "the commands in a file"},
		{"source 'my file' | less", "with the output in a program"},
	},
	Offline: true,
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		if env.Shell == nil {
			return errors.New("only the shell and scripts run other files; `zkctl -f file` runs one")
		}
		return env.Shell.Source(ctx, in.Args[0])
	},
}
