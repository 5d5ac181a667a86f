package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/local"
)

func (l *localVerb) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "resume NAME [MEMBER...]",
		Short:             "let paused members go on, all or some",
		Long:              `Let paused members go on, all or some: by their numbers, or "leader" for the one that leads.`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: l.completeMembers,
		RunE: func(c *cobra.Command, words []string) error {
			return l.toMembers(c.Context(), words, func(m local.Members) local.Action { return local.Resume{Members: m} })
		},
	}
}
