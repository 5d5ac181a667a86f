package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/local"
)

func (l *localVerb) lsCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "ls",
		Short: "list the local servers",
		Long: `List the local servers: running (clients are served), stopped, dead (the process
ended without being told to), or what keeps a running process from serving, as
"zkctl local status" has it: no quorum, no leader, failed, down, no answer.`,
		Args: cobra.NoArgs,
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
			l.env.Note("There is no local server; zkctl local start makes one.")
		}
		return nil
	}
	return c
}
