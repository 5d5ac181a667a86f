package cmd

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/local"
)

func (l *localVerb) restartCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restart [NAME [MEMBER...]]",
		Short: "restart a local server, or some of its members",
		Long: `Stop a local server if it is running, and start it. With MEMBERs, restart only
these.`,
		Example: `  zkctl local restart dev
  zkctl local restart dev 3`,
		ValidArgsFunction: l.completeMembers,
		RunE: func(c *cobra.Command, words []string) error {
			if len(words) > 1 {
				return l.toMembers(c.Context(), words, func(m local.Members) local.Action { return local.Restart{Members: m} })
			}
			s, err := l.home.Choose(words)
			if err != nil {
				return err
			}
			if err := l.allowed(c.Context(), s.Name, "restart the local server "+s.Name); err != nil {
				return err
			}
			if err := s.Stop(c.Context()); err != nil && !errors.Is(err, local.ErrNotRunning) {
				return err
			}
			return l.start(c.Context(), s.Name, nil)
		},
	}
}
