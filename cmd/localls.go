package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/local"
)

func (l *localVerb) lsCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "ls",
		Short: "list the local servers",
		Long: `List the local servers with their state: running (clients are served), stopped,
dead (the process ended unexpectedly), or why a running process does not serve
clients, as in "zkctl local status": no quorum, no leader, failed, down, no answer.`,
		Example: `  zkctl local ls
  zkctl local ls -o json | jq -r 'select(.state=="running").name'`,
		Args: command.ArgCount(0, 0),
	}
	outputFlag(c, &output)
	c.RunE = func(c *cobra.Command, _ []string) error {
		format, err := ui.ParseFormat(output)
		if err != nil {
			return err
		}
		list, unreadable := l.home.List(c.Context())
		for _, err := range unreadable {
			ui.Report(l.env.Streams.Err, ui.InFormat(err, format))
		}
		if len(list) > 0 {
			return local.PrintList(l.env.Streams, list, format)
		}
		if len(unreadable) == 0 && format == ui.Text {
			l.env.Note("No local servers; create one with: zkctl local start")
		}
		return nil
	}
	return c
}
