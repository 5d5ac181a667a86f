// Package snapshot is the verb snapshot: what the files snapshot.* of a data directory
// hold, how two differ, whether they are whole, and the tree as it was at any moment.
//
//	command.go   the verb and what its subcommands share
//	image.go     a tree to print: a file, streamed, or a tree in memory
//	dump.go      dump; text.go, ncdu.go, object.go, drawing.go are its forms
//	compare.go   compare, as SnapshotComparer; sizes.go is what it compares
//	diff.go      diff: every znode that two snapshots have differently
//	summary.go   summary, as SnapshotRecursiveSummary; top.go the heaviest subtrees
//	verify.go    verify
//	at.go        at: the tree at a zxid or a time
//	purge.go     purge, as PurgeTxnLog
package snapshot

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/verb"
)

// exitUsage is what Apache's snapshot tools exit with when they are called wrongly
// (ExitCode.INVALID_INVOCATION).
const exitUsage = 2

// NewCommand returns the verb snapshot.
func NewCommand(s *ui.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "snapshot",
		Short: "print, compare, check, rebuild and purge snapshots",
		Long: `Work on the snapshots of a data directory, without a server. Files are only
read, but for purge, which removes old ones, and at --write, which makes a
new one.`,
		Example: `  zkctl snapshot dump version-2/snapshot.71
  zkctl snapshot diff version-2/snapshot.36 version-2/snapshot.71
  zkctl snapshot at /var/lib/zookeeper --time 2h --path /config`,
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(c *cobra.Command, words []string) error {
			if len(words) > 0 {
				return usageError(verb.Unknown(c, words[0], ""))
			}
			return c.Help()
		},
	}
	c.SetIn(s.In)
	c.SetOut(s.Out)
	c.SetErr(s.Err)
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	c.AddCommand(
		newDumpCommand(s, runDump), newCompareCommand(s, runCompare), newDiffCommand(s, runDiff),
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

// usageArgs gives a wrong number of arguments the exit code of wrong usage, and shows the usage.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError(fmt.Errorf("%w\nusage: %s", err, c.UseLine()))
		}
		return nil
	}
}

// formatFlag declares -o.
func formatFlag(c *cobra.Command, format *string, json string) {
	c.Flags().StringVarP(format, "output", "o", string(ui.Text), "text, or json: "+json)
}

func parseFormat(s string) (ui.Format, error) {
	f, err := ui.ParseFormat(s)
	return f, usageError(err)
}

// openFile opens a snapshot. One that is not there is wrong usage, as for Apache's tools.
func openFile(path string) (*storage.SnapshotReader, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, usageError(fmt.Errorf("File '%s' does not exist.", path))
	case err != nil:
		return nil, usageError(err)
	case info.IsDir():
		return nil, usageError(fmt.Errorf("%s is a directory; name a file in it, such as %s", path, "version-2/snapshot.0"))
	}
	return storage.OpenSnapshot(path)
}

// printer writes rows of text or JSON through one buffer.
type printer struct {
	w   *bufio.Writer
	enc *json.Encoder
}

func newPrinter(w io.Writer) *printer {
	p := &printer{w: bufio.NewWriterSize(w, 64<<10)}
	p.enc = json.NewEncoder(p.w)
	p.enc.SetEscapeHTML(false)
	return p
}

func (p *printer) printf(format string, args ...any) { _, _ = fmt.Fprintf(p.w, format, args...) }

// object writes one JSON object on a line of its own.
func (p *printer) object(v any) error { return p.enc.Encode(v) }

func (p *printer) flush() error { return p.w.Flush() }
