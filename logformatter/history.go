package logformatter

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

type historyOptions struct {
	Streams   *ui.Streams
	Path      string
	Args      []string // logs and directories
	Recursive bool
	Data      string
	Format    ui.Format
}

func newHistoryCommand(s *ui.Streams) *cobra.Command {
	o := &historyOptions{Streams: s}
	var output string
	c := &cobra.Command{
		Use:   "history PATH FILE|DIR...",
		Short: "print every transaction that touched a znode",
		Long: `Print every transaction that touched a znode, in order: its creation and
creator, each change with old and new data, ACL changes, deletions, and the
implicit deletion when an ephemeral's session ends. The state before the first
log comes from the latest earlier snapshot in the directory.

PATH may be a glob, as in dump --path: * ? [] within a name, ** across
slashes.`,
		Example: `  zkctl txnlog history /app/config version-2
  zkctl txnlog history --recursive /app version-2
  zkctl txnlog history '/app/**/lock' version-2
  zkctl txnlog history -o json /app/leader version-2 | jq .change`,
		RunE: func(c *cobra.Command, args []string) (err error) {
			switch {
			case len(args) == 0:
				return usageError(c, "missing znode path")
			case len(args) == 1:
				return usageError(c, "missing log file or directory")
			case !slices.Contains(escape.DataForms, o.Data):
				return fmt.Errorf("unknown --data %q; use %s", o.Data, strings.Join(escape.DataForms, ", "))
			}
			if o.Format, err = ui.ParseFormat(output); err != nil {
				return err
			}
			o.Path, o.Args = args[0], args[1:]
			return runHistory(c.Context(), o)
		},
		ValidArgsFunction: command.Takes(command.File, 1, -1), // the first argument is a znode
	}
	fs := c.Flags()
	fs.SortFlags = false
	fs.BoolVarP(&o.Recursive, "recursive", "R", false, "include all znodes below it")
	fs.StringVar(&o.Data, "data", string(escape.DataText), "show data as `form`: text (base64 if not UTF-8), hex, base64, none or length")
	fs.StringVarP(&output, "output", "o", string(ui.Text), "output `format`: text or json (one object per line)")
	completeValues(c, "data", escape.DataForms...)
	completeValues(c, "output", string(ui.Text), string(ui.JSON))
	return c
}

func runHistory(ctx context.Context, o *historyOptions) error {
	pattern, err := historyPattern(o.Path, o.Recursive)
	if err != nil {
		return err
	}
	logs, err := findLogs(o.Args)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(o.Streams.Out, ui.BatchSize)
	var form changeForm = &textChange{data: escape.DataForm(o.Data), width: tableWidth(o.Streams)}
	if o.Format == ui.JSON {
		form = newJSONChange(out, escape.DataForm(o.Data))
	}
	changes := 0
	r := newReplay(pattern, func(c *change) error {
		changes++
		return form.write(out, c)
	})
	var faults []error
	if err := r.begin(o.Args, logs); isFault(err) {
		faults = append(faults, err)
	} else if err != nil {
		return err
	}
	found, err := r.logs(ctx, logs)
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	if err != nil {
		return err
	}
	faults = append(faults, found...)
	for _, fault := range faults {
		ui.Report(o.Streams.Err, ui.InFormat(command.Advise(fault), o.Format))
	}
	if changes == 0 {
		ui.Note(o.Streams.Err, o.Format, nil, "no transaction in the logs touched %s", o.Path)
	}
	if len(faults) > 0 {
		return &ui.ExitError{Code: ui.ExitFailed}
	}
	return nil
}

// historyPattern returns the pattern of the history: a znode, its subtree, or a glob.
func historyPattern(path string, recursive bool) (znodePattern, error) {
	p, err := parsePattern(path)
	if err == nil && strings.Contains(path, "//") {
		err = fmt.Errorf("invalid znode path %q; it must start with /", path)
	}
	if err != nil {
		err = fmt.Errorf("history: %w", err)
	}
	return znodePattern{p, recursive}, err
}

// znodePattern is a znode or a glob; if recursive, everything below a match matches too.
type znodePattern struct {
	pathPattern
	recursive bool
}

func (p *znodePattern) match(path []byte) bool {
	if p.recursive {
		return p.covers(path)
	}
	return p.is(path)
}

// isFault reports whether the error is damage in a file.
func isFault(err error) bool {
	var fault *storage.Fault
	return errors.As(err, &fault)
}

// tableWidth is the number of columns that text is cut to, or 0 if Out is not a terminal.
func tableWidth(s *ui.Streams) int {
	if !s.OutTTY {
		return 0
	}
	return s.Width
}
