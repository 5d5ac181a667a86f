package cmd

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/local"
)

func (l *localVerb) partitionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "partition NAME SIDE...",
		Short: "cut the links between groups of members",
		Long: `Cut the links between members on different sides. A SIDE is a comma-separated
list of member numbers, or "leader". Members that are not named form another
side. To restore the links: zkctl local heal NAME.`,
		Example: `  # cut 3 off from the others
  zkctl local partition dev 3
  zkctl local partition dev leader
  zkctl local partition dev 1,2 3,4,5`,
		Args:              command.ArgCount(2, -1),
		ValidArgsFunction: l.completeMembers,
		RunE: func(c *cobra.Command, words []string) error {
			var action local.Partition
			leader := false
			for _, word := range words[1:] {
				side, err := local.ParseMembers(strings.Split(word, ","))
				if err != nil {
					return err
				}
				leader = leader || side.Leader
				action.Sides = append(action.Sides, side)
			}
			return l.do(c.Context(), words[0], action, leader)
		},
	}
}
