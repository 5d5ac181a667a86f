package commands

import (
	"context"
	"time"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// lineArg is a command with its arguments.
var lineArg = command.Arg{Name: "command", Kind: command.Line, Repeat: true}

var timeCommand = &command.Command{
	Name: "time", Group: command.ShellCmd, Usage: "command …", Short: "run a command and show how long it takes",
	Long: "The time goes to stderr, also after an error. It contains the printing of the output, but not a program after |. " +
		"Outside the shell it contains the connecting.",
	Args:     []command.Arg{lineArg},
	Verbatim: true,
	Examples: []command.Example{
		{"time ls -R /app | wc -l", "without the time that a terminal takes"},
		{"time sync /", "a round trip to the leader"},
	},
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		from := time.Now()
		err := command.Run(ctx, env, in.Words)
		took := time.Since(from)
		ui.Note(env.Streams.Err, env.Output, map[string]any{"milliseconds": float64(took.Microseconds()) / 1000},
			"%s took %s", in.Args[0], rounded(took))
		return err
	},
}

// rounded drops the digits of a duration that no clock of ours knows or nobody needs.
func rounded(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}
