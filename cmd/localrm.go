package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
)

func (l *localVerb) rmCommand() *cobra.Command {
	force := false
	c := &cobra.Command{
		Use:   "rm NAME...",
		Short: "remove local servers and their data",
		Long: `Remove stopped local servers with their data and logs. A data directory given with
--data-dir is kept.`,
		Example: `  zkctl local rm dev
  zkctl local rm --force dev test`,
		Args: command.ArgCount(1, -1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return l.completeServers(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	c.Flags().BoolVarP(&force, "force", "f", false, "stop running servers first")
	c.RunE = func(c *cobra.Command, words []string) error {
		for _, name := range words {
			if err := l.allowed(c.Context(), name, "remove the local server "+name); err != nil {
				return err
			}
			kept, err := l.home.Remove(c.Context(), name, force)
			if err != nil {
				return err
			}
			if kept != "" {
				l.env.Note("The data of %s is kept in %s", name, kept)
			}
		}
		return nil
	}
	return c
}
