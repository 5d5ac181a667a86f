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

// historyLength is how many lines history prints: as many as zkCli.
const historyLength = 11

var historyCommand = &command.Command{
	Name: "history", Group: command.ShellCmd, Usage: "[number of lines]", Short: "print the lines typed last",
	Args:     []command.Arg{{Name: "number", Kind: command.Number, Optional: true}},
	Examples: []command.Example{{"history 50", "the last fifty"}},
	Offline:  true,
	Run: func(_ context.Context, env *command.Env, in *command.Invocation) error {
		if env.Shell == nil {
			return errOnlyInShell
		}
		want := historyLength
		if len(in.Args) > 0 {
			n, err := strconv.Atoi(in.Args[0])
			if err != nil || n < 1 {
				return in.Problem("a number of lines is expected, found %q", in.Args[0])
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

var redoCommand = &command.Command{
	Name: "redo", Group: command.ShellCmd, Usage: "cmdno", Short: "run a line of the history again",
	Args:     []command.Arg{{Name: "cmdno", Kind: command.Number}},
	Examples: []command.Example{{"redo 3", "the line that history shows with 3"}},
	Offline:  true,
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		if env.Shell == nil {
			return errOnlyInShell
		}
		n, err := strconv.Atoi(in.Args[0])
		if err != nil {
			return in.Problem("the number of a line is expected, found %q; `history` shows them", in.Args[0])
		}
		return env.Shell.Redo(ctx, n)
	},
}

var quitCommand = &command.Command{
	Name: "quit", Aliases: []string{"exit"}, Group: command.ShellCmd, Short: "close the session and leave",
	Offline: true,
	Run: func(_ context.Context, env *command.Env, _ *command.Invocation) error {
		if env.Shell != nil {
			env.Shell.Quit()
			return nil
		}
		if env.Session == nil {
			return nil
		}
		return env.Session.Close()
	},
}
