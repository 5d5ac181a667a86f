package cmd

import "github.com/spf13/cobra"

func (l *localVerb) rmCommand() *cobra.Command {
	force := false
	c := &cobra.Command{
		Use:   "rm NAME...",
		Short: "forget local servers and delete their data",
		Long: `Forget local servers that do not run, and delete their data and logs. A data
directory that was given with --data-dir stays.`,
		Args: cobra.MinimumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return l.completeServers(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	c.Flags().BoolVarP(&force, "force", "f", false, "stop those that run")
	c.RunE = func(c *cobra.Command, words []string) error {
		for _, name := range words {
			kept, err := l.home.Remove(c.Context(), name, force)
			if err != nil {
				return err
			}
			if kept != "" {
				l.env.Note("The data of %s stays in %s", name, kept)
			}
		}
		return nil
	}
	return c
}
