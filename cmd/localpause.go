package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/local"
)

func (l *localVerb) pauseCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "pause NAME [MEMBER...]",
		Short:             "make members hang as SIGSTOP does",
		Long:              `Make members hang as SIGSTOP does: by their numbers, or "leader" for the one that leads.`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: l.completeMembers,
		RunE: func(c *cobra.Command, words []string) error {
			return l.toMembers(c.Context(), words, func(m local.Members) local.Action { return local.Pause{Members: m} })
		},
	}
}
