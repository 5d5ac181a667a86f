// Package logformatter is zkctl txnlog: it prints, filters, follows, counts, checks and repairs
// transaction logs. Each subcommand has its own file.
//
// The journey of a log: internal/storage reads and checks entries, wire.go reads their
// fields, text.go and json.go write them.
package logformatter

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// Verb is txnlog.
var Verb = command.Verb{
	Name: "txnlog", Short: "print, search and repair transaction logs", Group: command.Offline,
	New: func(env *command.Env) *cobra.Command { return newCommand(env.Streams) },
}

// LegacyVerb is logformatter, a shortcut for the old tool's only use.
var LegacyVerb = command.Verb{
	Name: "logformatter", Short: "print a transaction log as LogFormatter did", Group: command.Offline,
	New: func(env *command.Env) *cobra.Command { return newLegacyCommand(env.Streams) },
}

func newCommand(s *ui.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:               "txnlog COMMAND ...",
		ValidArgsFunction: command.Takes(command.File, 0, 0), // the toolkit's own form
		Long: `Read transaction logs (version-2/log.ZXID) without a server. Covers what
zkTxnLogToolkit.sh and LogFormatter print, and adds search, history,
statistics and verification.`,
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
	c.AddCommand(newDumpCommand(s, nil), newRecoverCommand(s, nil), newStatsCommand(s, nil), newChopCommand(s, nil),
		newVerifyCommand(s), newHistoryCommand(s), newSessionsCommand(s))
	return c
}

func newLegacyCommand(s *ui.Streams) *cobra.Command {
	return &cobra.Command{
		Use:               "logformatter FILE",
		ValidArgsFunction: command.Takes(command.File, 0, 0),
		Long:              "Print a transaction log as LogFormatter of ZooKeeper 3.5 did. Same as\nzkctl txnlog dump --format logformatter.",
		Example:           "  zkctl logformatter version-2/log.100000001\n  zkctl logformatter version-2/log.100000001 | grep createSession",
		SilenceErrors:     true,
		SilenceUsage:      true,
		RunE: func(c *cobra.Command, args []string) error {
			o := &dumpOptions{Streams: s, Args: args, Format: formatLogFormatter, Tail: -1}
			if len(args) == 0 {
				return usageError(c, "missing log file")
			}
			return runDump(c.Context(), o)
		},
	}
}
