package cmd

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/fatih/color"
	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// helpCommand is that of the shell.
var helpCommand = commands.All.Lookup("help")

// helpCommand is zkctl help. Without words it is about the options, too.
func (a *app) helpCommand(ctx context.Context, words []string) error {
	env := a.quickEnv()
	switch {
	case len(words) > 1 && env.Verb(words[1]) != nil:
		return env.Help(ctx, words[1:]...)
	case len(words) > 1, env.Output == ui.JSON:
		return command.Run(ctx, env, command.Args(words...))
	}
	return a.printHelp()
}

// help explains the command that words begin with, and zkctl if there is none.
func (a *app) help(ctx context.Context, words []string) error {
	env := a.quickEnv()
	if len(words) > 0 && (env.Verb(words[0]) != nil || env.Commands.Lookup(words[0]) != nil) {
		return env.Help(ctx, words...)
	}
	return a.printHelp()
}

const helpHead = `zkctl is a command line for Apache ZooKeeper.

Usage: zkctl [options]              opens the shell
       zkctl [options] command ...  runs one command
       zkctl [options] < script     runs a file of commands

Examples:
  zkctl --local
      a shell on a private ZooKeeper, to try things out
  zkctl
      a shell on localhost:2181, with Tab completion
  zkctl -server zk1:2181,zk2:2181/app ls -R /
      the whole tree below /app
  zkctl get /app/config | jq .
  zkctl set /app/config @config.json
  zkctl --profile prod -o json stat /app
  zkctl -f setup.zk
`

const helpTail = `
Put options before the command, with one dash or two. For a
command's own options: zkctl help ls or zkctl ls --help.

Options can also be set in the environment (-server as
ZKCTL_SERVER) or in a profile of the config file. The
command line overrides the environment, which overrides
the profile.

Exit codes: 0 success, 1 failure, 127 unknown command,
130 interrupted.
`

// printHelp prints the help for zkctl as a whole, in 60 columns.
func (a *app) printHelp() error {
	out := &strings.Builder{}
	out.WriteString(helpHead)
	for _, group := range optionGroups {
		fmt.Fprintf(out, "\n%s:\n", a.streams.Paint(group, heading))
		command.Columns(out, optionRows(a.flags, group), a.streams.Width)
	}
	for _, g := range a.commandGroups() {
		fmt.Fprintf(out, "\n%s:\n", a.streams.Paint(g.name, heading))
		command.Columns(out, g.rows, a.streams.Width)
	}
	out.WriteString(helpTail)
	_, err := io.WriteString(a.streams.Out, out.String())
	return err
}

// commandGroup is a heading with the commands below it.
type commandGroup struct {
	name string
	rows [][2]string
}

// commandGroups are all commands of the command line, in the order of the help.
func (a *app) commandGroups() (groups []commandGroup) {
	add := func(group, name, short string) {
		if len(groups) == 0 || groups[len(groups)-1].name != group {
			groups = append(groups, commandGroup{name: group})
		}
		g := &groups[len(groups)-1]
		g.rows = append(g.rows, [2]string{name, short})
	}
	for _, c := range commands.All {
		if c.Group != command.ShellCmd {
			add(string(c.Group), c.Name, c.Short)
		}
	}
	for _, v := range a.env().Listed() {
		add(string(v.Group), v.Name, v.Short)
	}
	add(string(command.Other), "help", "show help for zkctl or one of its commands")
	return groups
}

// optionRows lists a group's options, long ones with one dash as in zkCli.
func optionRows(fs *pflag.FlagSet, group string) (rows [][2]string) {
	fs.VisitAll(func(f *pflag.Flag) {
		if annotation(f, groupKey) != group {
			return
		}
		name, usage := command.OptionRow(f, "-")
		if f.Value.Type() != "bool" && f.DefValue != "" && f.DefValue != "[]" && !strings.Contains(usage, f.DefValue) {
			usage += " (default " + f.DefValue + ")"
		}
		rows = append(rows, [2]string{name, usage})
	})
	return rows
}

const heading = color.Bold
