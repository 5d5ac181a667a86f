package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/local"
)

func (l *localVerb) killCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "kill NAME [MEMBER...]",
		Short:             "end members as kill -9 does",
		Long:              `End members as kill -9 does: by their numbers, or "leader" for the one that leads.`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: l.completeMembers,
		RunE: func(c *cobra.Command, words []string) error {
			return l.toMembers(c.Context(), words, func(m local.Members) local.Action { return local.Kill{Members: m} })
		},
	}
}
