package logformatter

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/ui"
)

// laterCommands are the subcommands that look at more than one transaction.
func laterCommands(s *ui.Streams) []*cobra.Command {
	return []*cobra.Command{newVerifyCommand(s), newHistoryCommand(s), newSessionsCommand(s)}
}
