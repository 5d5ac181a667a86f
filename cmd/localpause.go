package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/local"
)

func (l *localVerb) pauseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "pause NAME [MEMBER...]",
		Short: "suspend members as SIGSTOP does",
		Long: `Suspend members as SIGSTOP does. Name them by number, or "leader" for the current
leader. To continue: zkctl local resume NAME.`,
		Example: `  zkctl local pause dev leader
  zkctl local pause dev 2 3`,
		Args:              command.ArgCount(1, -1),
		ValidArgsFunction: l.completeMembers,
		RunE: func(c *cobra.Command, words []string) error {
			return l.toMembers(c.Context(), words, func(m local.Members) local.Action { return local.Pause{Members: m} })
		},
	}
}
