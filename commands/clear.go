package commands

import (
	"context"
	"io"
	"os"

	"github.com/zkctl/zkctl/internal/command"
)

var clearCommand = &command.Command{
	Name: "clear", Group: command.ShellCmd, Short: "clear the screen", Offline: true,
	Long: "Ctrl-L does the same while a line is typed. It does nothing if the output is not a terminal.",
	Run: func(_ context.Context, env *command.Env, _ *command.Invocation) error {
		if s := env.Streams; s.OutTTY && os.Getenv("TERM") != "dumb" {
			_, err := io.WriteString(s.Out, s.Control("H")+s.Control("2J"))
			return err
		}
		return nil
	},
}
