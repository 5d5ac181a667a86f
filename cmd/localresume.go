package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/local"
)

func (l *localVerb) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "resume NAME [MEMBER...]",
		Short: "resume paused members",
		Long: `Resume paused members: all of them, or those named by number, or "leader" for the
current leader.`,
		Example: `  zkctl local resume dev
  zkctl local resume dev 2`,
		Args:              command.ArgCount(1, -1),
		ValidArgsFunction: l.completeMembers,
		RunE: func(c *cobra.Command, words []string) error {
			return l.toMembers(c.Context(), words, func(m local.Members) local.Action { return local.Resume{Members: m} })
		},
	}
}
