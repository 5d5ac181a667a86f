package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/local"
)

func (l *localVerb) healCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "heal NAME [MEMBER...]",
		Short: "restore the links cut by partition",
		Long: `Restore the links cut by partition: all of them, or those of the members named by
number, or "leader" for the current leader.`,
		Example: `  zkctl local heal dev
  zkctl local heal dev 3`,
		Args:              command.ArgCount(1, -1),
		ValidArgsFunction: l.completeMembers,
		RunE: func(c *cobra.Command, words []string) error {
			return l.toMembers(c.Context(), words, func(m local.Members) local.Action { return local.Heal{Members: m} })
		},
	}
}
