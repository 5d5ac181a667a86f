package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/ui"
)

func (l *localVerb) statusCommand() *cobra.Command {
	var output string
	watch := false
	c := &cobra.Command{
		Use:   "status [NAME]",
		Short: "show a local server's members: role, zxid, sessions, connections",
		Long: `Show a local server's members: their role, last zxid, how many transactions they
lag behind the leader, sessions, connections, data, memory, data directory. A
narrow terminal gets the columns for which there is room. The exit code is 1
unless clients are served: when it does not run, has no quorum, or has failed.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: l.completeServer,
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "go on showing it, until Ctrl-C")
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
