package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
)

func (l *localVerb) shellCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "shell [NAME]",
		Short: "open the shell on a local server",
		Long:  "Open the shell on a running local server. Same as zkctl -server NAME.",
		Example: `  zkctl local shell
  zkctl local shell dev`,
		Args:              command.ArgCount(0, 1),
		ValidArgsFunction: l.completeServer,
		RunE: func(c *cobra.Command, words []string) error {
			s, err := l.home.Choose(words)
			if err != nil {
				return err
			}
			return l.shell(c.Context(), s.Name)
		},
	}
}
