package commands

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

var errOnlyInShell = errors.New("only the shell has a history; `zkctl` without a command opens it")

// historyLength is how many lines history prints, the same as in zkCli.
const historyLength = 11

var historyCommand = &command.Command{
	Name: "history", Group: command.ShellCmd, Usage: "[number of lines]", Short: "print the last lines typed",
	Args: []command.Arg{{Name: "number", Kind: command.Number, Optional: true}},
	Examples: []command.Example{
		{"history 50", "the last fifty lines"},
		{"history | grep create", "those that contain create"},
	},
	Offline: true,
	Run: func(_ context.Context, env *command.Env, in *command.Invocation) error {
		if env.Shell == nil {
			return errOnlyInShell
		}
		want := historyLength
		if len(in.Args) > 0 {
			n, err := strconv.Atoi(in.Args[0])
			if err != nil || n < 1 {
				return in.Problem("expected a number of lines, found %q", in.Args[0])
			}
			want = n
		}
		lines, first := env.Shell.History()
		if skip := len(lines) - want; skip > 0 {
			lines, first = lines[skip:], first+skip
		}
		if env.Output == ui.JSON {
			type entry struct {
				Number int    `json:"number"`
				Line   string `json:"line"`
			}
			list := []entry{}
			for i, l := range lines {
				list = append(list, entry{first + i, l})
			}
			return env.PrintJSON(command.Object{"history": list})
		}
		w := bufio.NewWriter(env.Streams.Out)
		for i, l := range lines {
			_, _ = fmt.Fprintf(w, "%d - %s\n", first+i, env.Streams.Name(l))
		}
		return w.Flush()
	},
}
