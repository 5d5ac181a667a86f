// Package logformatter is zkctl txnlog: transaction logs, printed, filtered, followed,
// counted, checked and repaired, one file per subcommand.
//
// The journey of a log: internal/storage reads and checks entries, wire.go reads their
// fields, text.go and json.go write them.
package logformatter

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/verb"
)

// NewCommand returns the verb txnlog. It works on the streams that are given, and on the
// context that it is executed with.
func NewCommand(s *ui.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:               "txnlog COMMAND ...",
		ValidArgsFunction: verb.Files(0, 0), // of the old tool
		Short:             "print, search and repair transaction logs",
		Long: `Read transaction logs (version-2/log.ZXID) without a server: what
zkTxnLogToolkit.sh and LogFormatter print, and what they cannot tell.`,
		Example: `  zkctl txnlog dump version-2/log.100000001
  zkctl txnlog dump --path /app --since 2h version-2
  zkctl txnlog dump -f version-2
  zkctl txnlog stats version-2
  zkctl txnlog recover version-2/log.100000001`,
		Args:                  cobra.ArbitraryArgs,
		SilenceErrors:         true,
		SilenceUsage:          true,
		DisableFlagsInUseLine: true,
	}
	addToolkitFlags(c, s)
	c.AddCommand(newDumpCommand(s, nil), newRecoverCommand(s, nil), newStatsCommand(s, nil), newChopCommand(s, nil))
	c.AddCommand(laterCommands(s)...)
	return c
}

// NewLegacyCommand returns the verb logformatter, a short cut for the old tool's only use.
func NewLegacyCommand(s *ui.Streams) *cobra.Command {
	return &cobra.Command{
		Use:               "logformatter FILE",
		ValidArgsFunction: verb.Files(0, 0),
		Short:             "print a transaction log as LogFormatter did",
		Long:              "Print a transaction log as LogFormatter of ZooKeeper 3.5 did; the same as\nzkctl txnlog dump --format logformatter.",
		Example:           "  zkctl logformatter version-2/log.100000001",
		SilenceErrors:     true,
		SilenceUsage:      true,
		RunE: func(c *cobra.Command, args []string) error {
			o := &dumpOptions{Streams: s, Args: args, Format: formatLogFormatter, Tail: -1}
			if len(args) == 0 {
				return usageError(c, "a log is missing")
			}
			return runDump(c.Context(), o)
		},
	}
}
