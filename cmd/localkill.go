package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/local"
)

func (l *localVerb) killCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "kill NAME [MEMBER...]",
		Short: "kill members as kill -9 does",
		Long: `Kill members as kill -9 does. Name them by number, or "leader" for the current
leader. To start them again: zkctl local restart NAME MEMBER.`,
		Example: `  zkctl local kill dev leader
  zkctl local kill dev 1 3`,
		Args:              command.ArgCount(1, -1),
		ValidArgsFunction: l.completeMembers,
		RunE: func(c *cobra.Command, words []string) error {
			return l.toMembers(c.Context(), words, func(m local.Members) local.Action { return local.Kill{Members: m} })
		},
	}
}
