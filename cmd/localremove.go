package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/local"
)

func (l *localVerb) removeCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "remove NAME MEMBER...",
		Short:             "remove members by reconfiguration, and stop them",
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: l.completeMembers,
		RunE: func(c *cobra.Command, words []string) error {
			return l.toMembers(c.Context(), words, func(m local.Members) local.Action { return local.Remove{Members: m} })
		},
	}
}
