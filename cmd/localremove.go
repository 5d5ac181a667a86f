package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/local"
)

func (l *localVerb) removeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME MEMBER...",
		Short: "remove members by reconfiguration, and stop them",
		Long: `Remove members from a running ensemble by reconfiguration, and stop them. Name
them by number, or "leader" for the current leader.`,
		Example: `  zkctl local remove dev 3
  zkctl local remove dev 4 5`,
		Args:              command.ArgCount(2, -1),
		ValidArgsFunction: l.completeMembers,
		RunE: func(c *cobra.Command, words []string) error {
			return l.toMembers(c.Context(), words, func(m local.Members) local.Action { return local.Remove{Members: m} })
		},
	}
}
