package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

func (l *localVerb) statusCommand() *cobra.Command {
	var output string
	watch := false
	c := &cobra.Command{
		Use:         "status [NAME]",
		Short:       "show the members of a local server",
		Annotations: command.Exits{0: "clients are served", 1: "the server does not run, has no quorum or has failed"}.Note(),
		Long: `Show the members of a local server: role, last zxid, number of transactions behind
the leader, sessions, connections, data, memory and data directory. A narrow
terminal shows only the columns that fit.`,
		Example: `  zkctl local status
  zkctl local status -w dev
  zkctl local status -o json dev | jq '.members[].role'`,
		Args:              command.ArgCount(0, 1),
		ValidArgsFunction: l.completeServer,
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "keep updating until Ctrl-C")
	outputFlag(c, &output)
	c.RunE = func(c *cobra.Command, words []string) error {
		format, err := ui.ParseFormat(output)
		if err != nil {
			return err
		}
		s, err := l.home.Choose(words)
		if err != nil {
			return err
		}
		if watch {
			return l.home.Watch(c.Context(), s.Name, l.env.Streams, format)
		}
		st, err := s.Status(c.Context())
		if err != nil {
			return err
		}
		if err := st.Print(l.env.Streams, format); err != nil {
			return err
		}
		if !st.Serves() {
			return &ui.ExitError{Code: ui.ExitFailed}
		}
		return nil
	}
	return c
}
