package cmd

import "github.com/spf13/cobra"

func (l *localVerb) shellCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "shell [NAME]",
		Short:             "open the shell on a local server",
		Args:              cobra.MaximumNArgs(1),
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
