package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/local"
)

func (l *localVerb) addCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "add a member by reconfiguration and print its number",
		Long: `Add a member to a running ensemble by reconfiguration, and print its number. It
gets free ports.`,
		Example: `  zkctl local add dev
  zkctl local add --observer dev
  zkctl local add --apache dev`,
		Args:              command.ArgCount(1, 1),
		ValidArgsFunction: l.completeServer,
	}
	var action local.Add
	c.Flags().BoolVar(&action.Observer, "observer", false, "add an observer, which does not vote")
	c.Flags().BoolVar(&action.Apache, "apache", false, "run the member as an Apache ZooKeeper process")
	c.RunE = func(c *cobra.Command, words []string) error { return l.do(c.Context(), words[0], action, true) }
	return c
}
