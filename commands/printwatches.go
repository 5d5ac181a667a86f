package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/ui"
)

var printWatchesCommand = &command.Command{
	Name: "printwatches", Group: command.Watches, Usage: "[on|off]", Short: "turn the printing of watch events on or off",
	Args: []command.Arg{{Name: "on|off", Kind: command.Choice, Values: []string{"on", "off"}, Optional: true}},
	Examples: []command.Example{
		{"printwatches off", "do not print watch events"},
		{"printwatches", "show whether they are printed"},
	},
	Differs: "Anything but on and off is an error; zkCli treats it as off.",
	Offline: true,
	Run: func(_ context.Context, env *command.Env, in *command.Invocation) error {
		if env.Session == nil {
			return session.ErrNone
		}
		if len(in.Args) > 0 {
			switch strings.ToLower(in.Args[0]) {
			case "on":
				env.Session.SetPrintWatches(true)
			case "off":
				env.Session.SetPrintWatches(false)
			default:
				return in.Problem("expected on or off, found %q", in.Args[0])
			}
		}
		on := env.Session.PrintWatches()
		if env.Output == ui.JSON {
			return env.PrintJSON(command.Object{"printwatches": on})
		}
		if len(in.Args) > 0 {
			return nil
		}
		state := "off"
		if on {
			state = "on"
		}
		_, err := fmt.Fprintln(env.Streams.Out, "printwatches is "+state)
		return err
	},
}
