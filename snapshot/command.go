// Package snapshot is the verb snapshot: what the snapshots in a data directory hold, how two of
// them differ, whether they are intact, and what the tree was at any moment.
//
//	command.go   the verb, and what its subcommands share
//	image.go     a tree to print: a streamed file or a tree in memory
//	dump.go      dump; its forms are text.go, ncdu.go, object.go and drawing.go
//	compare.go   compare, like SnapshotComparer; it compares the values in sizes.go
//	diff.go      diff: every znode that differs between two snapshots
//	summary.go   summary, like SnapshotRecursiveSummary; top.go finds the largest subtrees
//	verify.go    verify; structure.go checks the znodes
//	at.go        at: the tree at a zxid or a time
//	survey.go    the size of a tree, for report
//	purge.go     purge, like PurgeTxnLog
package snapshot

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

// exitUsage is the exit code of Apache's snapshot tools if called wrongly
// (ExitCode.INVALID_INVOCATION).
const exitUsage = 2

// Verb is snapshot.
var Verb = command.Verb{
	Name: "snapshot", Short: "print, compare, check, rebuild and purge snapshots", Group: command.Offline,
	New: func(env *command.Env) *cobra.Command { return newCommand(env) },
}

func newCommand(env *command.Env) *cobra.Command {
	s := env.Streams
	c := &cobra.Command{
		Use: "snapshot",
		Long: `Work on the snapshots of a data directory without a server. Files are only
read, except by purge, which removes old ones, and at --write, which creates
a new one.`,
		Example: `  zkctl snapshot dump version-2/snapshot.71
  zkctl snapshot diff version-2/snapshot.36 version-2/snapshot.71
  zkctl snapshot at /var/lib/zookeeper --time 2h --path /config`,
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(c *cobra.Command, words []string) error {
			if len(words) > 0 {
				return usageError(command.NoSubcommand(c, words[0], ""))
			}
			return c.Help()
		},
	}
	c.SetIn(s.In)
	c.SetOut(s.Out)
	c.SetErr(s.Err)
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	c.AddCommand(
		newDumpCommand(s, runDump), newCompareCommand(s, runCompare), newDiffCommand(env),
		newSummaryCommand(s, runSummary), newVerifyCommand(s, runVerify), newAtCommand(s, runAt),
		newPurgeCommand(s, runPurge),
	)
	return c
}

func usageError(err error) error {
	if err == nil {
		return nil
	}
	return &ui.ExitError{Code: exitUsage, Err: err}
}

// argCount makes a wrong number of arguments a usage error.
func argCount(least, most int) cobra.PositionalArgs {
	check := command.ArgCount(least, most)
	return func(c *cobra.Command, args []string) error { return usageError(check(c, args)) }
}

// formatFlag declares -o.
func formatFlag(c *cobra.Command, format *string, json string) {
	c.Flags().StringVarP(format, "output", "o", string(ui.Text), "text or json: "+json)
}

func parseFormat(s string) (ui.Format, error) {
	f, err := ui.ParseFormat(s)
	return f, usageError(err)
}

// openFile opens a snapshot. A missing file is a usage error, as in Apache's tools.
func openFile(path string) (*storage.SnapshotReader, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, usageError(fmt.Errorf("File '%s' does not exist.", path))
	case err != nil:
		return nil, usageError(err)
	case info.IsDir():
		return nil, usageError(fmt.Errorf("%s is a directory; name one of its files, such as %s", path, "version-2/snapshot.0"))
	}
	return storage.OpenSnapshot(path)
}

// printer writes rows of text or JSON through one buffer.
type printer struct {
	w *bufio.Writer
}

func newPrinter(w io.Writer) *printer {
	return &printer{w: bufio.NewWriterSize(w, 64<<10)}
}

func (p *printer) printf(format string, args ...any) { _, _ = fmt.Fprintf(p.w, format, args...) }

// object writes one JSON object per line.
func (p *printer) object(v any) error { return ui.PrintJSON(p.w, v) }

func (p *printer) flush() error { return p.w.Flush() }
