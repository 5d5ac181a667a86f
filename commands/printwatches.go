package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/zkctl/zkctl/internal/ui"
)

var printWatchesCommand = &Command{
	Name: "printwatches", Group: Watches, Usage: "[on|off]", Short: "say or decide whether events are printed",
	Args:     []Arg{{Name: "on|off", Kind: Choice, Values: []string{"on", "off"}, Optional: true}},
	Examples: []Example{{"printwatches off", "keep events of watches off the screen"}},
	Differs:  "Anything but on and off is an error; zkCli takes it for off.",
	Offline:  true,
	Run: func(_ context.Context, env *Env, in *Invocation) error {
		if env.Session == nil {
			return ErrNoSession
		}
		if len(in.Args) > 0 {
			switch strings.ToLower(in.Args[0]) {
			case "on":
				env.Session.SetPrintWatches(true)
			case "off":
				env.Session.SetPrintWatches(false)
			default:
				return in.problem("on or off is expected, found %q", in.Args[0])
			}
		}
		on := env.Session.PrintWatches()
		if env.Output == ui.JSON {
			return env.printJSON(object{"printwatches": on})
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
