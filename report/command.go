// Package report is zkctl report: one page about an incident, from logs, transaction logs and snapshots. The rooms that
// read these count what is in them (internal/survey); this one finds the sources and writes the page.
//
//	command.go    the verb
//	collect.go    what the sources hold
//	findings.go   what stands out
//	write.go      the page: its head, its figures, its ends
//	events.go     the sections about logs; data.go has those about sessions, transaction logs and trees
//	chart.go      charts; treemap.go draws trees
//	markup.go     text, which is escaped, and markup, which is not
//	page.css      how it looks
package report

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/evidence"
	"github.com/zkctl/zkctl/internal/survey"
	"github.com/zkctl/zkctl/internal/ui"
)

// Readers read the sources. cmd takes them from the rooms that know the formats.
type Readers struct {
	Logs   func(context.Context, survey.LogOptions) (*survey.Logs, error)
	Writes func(context.Context, *ui.Streams, survey.WriteOptions) (*survey.Writes, error)
	// Tree reads a snapshot or, if dir is true, a data directory.
	Tree func(ctx context.Context, path string, dir bool) (*survey.Tree, error)
}

type options struct {
	readers  Readers
	streams  *ui.Streams
	args     []string
	out      string
	since    string
	until    string
	zones    []string
	dates    []string
	asLogged bool
	top      int
	depth    int
}

// Verb is report.
func Verb(readers Readers) command.Verb {
	return command.Verb{
		Name: "report", Short: "write a page about an incident", Group: command.Offline,
		New: func(env *command.Env) *cobra.Command {
			return newCommand(&options{readers: readers, streams: env.Streams})
		},
	}
}

func newCommand(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:               "report FILE|DIR... -O FILE.html",
		ValidArgsFunction: command.Takes(command.File, 0, -1),
		Long: `Write one page about an incident: what stands out, a timeline, elections, sessions,
writes and the busiest paths, the size of the tree, and how long things took.
Every chart has a table.

Give logs of servers and clients, transaction logs, snapshots and data directories,
in any order; each is recognised by its content. Folders are searched recursively.
The numbers are those of zkctl log summary and zkctl txnlog stats.

The page is one file that loads nothing from anywhere and runs no script. It shows
names of znodes and lines of logs, so keep it as safe as those. It is
created with mode 0600, complete or not at all, and never replaces another file.`,
		Example: `  zkctl report /var/log/zookeeper /var/lib/zookeeper -O report.html
  zkctl report zk1.log zk2.log zk3.log app.log version-2 --since 2h -O report.html`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			o.args = args
			switch {
			case len(args) == 0:
				return fmt.Errorf("name logs or data directories; usage: %s (see %s --help)", c.UseLine(), c.CommandPath())
			case o.out == "":
				return errors.New("name the file to write: -O FILE.html")
			case o.out == "-":
				return errors.New("-O -: a report is not written to standard output; name a file: -O FILE.html")
			case o.top < 1 || o.depth < 1:
				return errors.New("--top and --depth must be at least 1")
			}
			if _, _, err := ui.ParsePeriod(o.since, o.until, time.Now()); err != nil {
				return err
			}
			return run(c.Context(), o)
		},
	}
	fs := c.Flags()
	fs.SortFlags = false
	fs.StringVarP(&o.out, "out", "O", "", "`file` to write, a page in HTML")
	fs.StringVar(&o.since, "since", "", "skip everything before this `time`: 2h (ago), 2026-11-22T03:07:05")
	fs.StringVar(&o.until, "until", "", "skip everything after this `time`")
	fs.StringArrayVar(&o.zones, "tz", nil, "time `zone` of timestamps without one: +08:00, Europe/Berlin, or FILE=ZONE for one file (default local)")
	fs.StringArrayVar(&o.dates, "dates", nil, "`order` of dates such as 05/06/24: ymd, dmy, mdy, or FILE=ORDER for one file")
	fs.BoolVar(&o.asLogged, "as-logged", false, "do not correct times by the differences between clocks")
	fs.IntVar(&o.depth, "depth", 3, "group written paths by their first `n` names")
	fs.IntVar(&o.top, "top", 20, "show the `n` busiest paths, sessions and messages")
	for _, name := range []string{"since", "until", "tz", "depth", "top"} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	_ = c.RegisterFlagCompletionFunc("dates", cobra.FixedCompletions([]string{"ymd", "dmy", "mdy"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// find finds the sources. A page without one that was named would mislead, so each must hold something.
func (o *options) find(ctx context.Context) (*evidence.Sources, error) {
	found, err := evidence.Find(ctx, o.args)
	switch {
	case err != nil:
		return nil, err
	case len(found.Once) > 0:
		return nil, fmt.Errorf("a report reads its sources more than once, and %q can be read only once; save it to a file first", found.Once[0])
	case len(found.Absent) > 0:
		return nil, found.Absent[0]
	case len(found.Logs)+len(found.Data) == 0:
		return nil, found.Unread[0]
	case len(found.Logs) == 0:
		for name, options := range map[string][]string{"--tz": o.zones, "--dates": o.dates} {
			if i := slices.IndexFunc(options, func(s string) bool { return strings.Contains(s, "=") }); i >= 0 {
				return nil, fmt.Errorf("%s %s: no text log is among the sources; leave the option out", name, options[i])
			}
		}
	}
	return found, nil
}

func run(ctx context.Context, o *options) error {
	f, err := atomicfile.Create(o.out) // before hours of reading, so that an existing file is reported at once
	if err != nil {
		return err
	}
	defer f.Abandon()
	found, err := o.find(ctx)
	if err != nil {
		return err
	}
	c, err := collect(ctx, o, found)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	c.write(&page{w: w}, time.Now())
	if err := w.Flush(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := f.Commit(); err != nil {
		return err
	}
	for _, note := range c.notes {
		fmt.Fprintln(o.streams.Err, note)
	}
	fmt.Fprintf(o.streams.Out, "wrote %s: %s, %s\n", o.streams.Name(o.out), c.summary(), command.Counted(len(c.findings), "finding"))
	if c.failed {
		return &ui.ExitError{Code: ui.ExitFailed, Err: errors.New("not all sources could be read; the page says which")}
	}
	return nil
}
