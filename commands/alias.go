package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

var aliasCommand = &command.Command{
	Name: "alias", Group: command.ShellCmd, Usage: "[name]", Short: "list the aliases of the config file",
	Long: "An alias stands for the start of a line, with options, arguments and even a program after |. It is written in the config " +
		"file, as in `shell: {aliases: {ll: ls -s}}`, and only the shell knows it.",
	Args: []command.Arg{{Name: "name", Optional: true}},
	Examples: []command.Example{
		{"alias", "all of them"},
		{"alias ll", "what ll stands for"},
	},
	Offline: true,
	Run: func(_ context.Context, env *command.Env, in *command.Invocation) error {
		list := env.Aliases
		if env.Shell == nil {
			return errors.New("only the shell has aliases; `zkctl` without a command opens it")
		}
		if name := in.Arg(0); name != "" {
			a, ok := env.Alias(command.Word{Text: name})
			if !ok {
				return fmt.Errorf("no alias %q; `alias` lists them", name)
			}
			list = []command.Alias{a}
		}
		if len(list) == 0 && env.Output != ui.JSON {
			env.Note("no aliases; the config file defines them")
		}
		if env.Output == ui.JSON {
			type entry struct {
				Name string `json:"name"`
				Line string `json:"line"`
			}
			all := []entry{}
			for _, a := range list {
				all = append(all, entry{a.Name, env.Commands.Masked(a.Line)})
			}
			return env.PrintJSON(command.Object{"aliases": all})
		}
		for _, a := range list {
			if _, err := fmt.Fprintf(env.Streams.Out, "%s = %s\n", a.Name, env.Streams.Name(env.Commands.Masked(a.Line))); err != nil {
				return err
			}
		}
		return nil
	},
}
