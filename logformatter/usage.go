package logformatter

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
)

// usageError describes what is wrong with a command line and shows the usage.
func usageError(c *cobra.Command, what string) error {
	return fmt.Errorf("%s; usage: %s (see %s --help)", what, command.UseLine(c), c.CommandPath())
}

// completeValues makes an option complete to the values.
func completeValues(c *cobra.Command, name string, values ...string) {
	_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// completeFilter makes the options of a filter complete.
func completeFilter(c *cobra.Command) {
	completeValues(c, "type", typeNames()...)
	for _, name := range []string{"zxid", "since", "until", "session", "path"} {
		completeValues(c, name) // not file names
	}
}
