package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/local"
)

func (l *localVerb) healCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "heal NAME [MEMBER...]",
		Short:             "restore the links cut by partition",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: l.completeMembers,
		RunE: func(c *cobra.Command, words []string) error {
			return l.toMembers(c.Context(), words, func(m local.Members) local.Action { return local.Heal{Members: m} })
		},
	}
}
