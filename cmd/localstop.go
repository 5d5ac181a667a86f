package cmd

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/local"
)

func (l *localVerb) stopCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "stop [NAME [MEMBER...]]",
		Short: "stop a local server, or some of its members",
		Long: `Stop a local server gracefully; its data is kept. With MEMBERs (numbers, or
"leader"), stop only these; "zkctl local restart NAME MEMBER" starts them again.`,
		Example: `  zkctl local stop dev
  zkctl local stop dev 2`,
		ValidArgsFunction: l.completeMembers,
		RunE: func(c *cobra.Command, words []string) error {
			if len(words) > 1 {
				return l.toMembers(c.Context(), words, func(m local.Members) local.Action { return local.Halt{Members: m} })
			}
			s, err := l.home.Choose(words)
			if err != nil {
				return err
			}
			if err := l.allowed(c.Context(), s.Name, "stop the local server "+s.Name); err != nil {
				return err
			}
			err = s.Stop(c.Context())
			if errors.Is(err, local.ErrNotRunning) {
				l.env.Note("%s", err)
				return nil
			}
			return err
		},
	}
}
