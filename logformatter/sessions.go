package logformatter

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

type sessionsOptions struct {
	Streams *ui.Streams
	Args    []string // logs and directories
	Session string   // if set, only this session, in detail
	Format  ui.Format
}

func newSessionsCommand(s *ui.Streams) *cobra.Command {
	o := &sessionsOptions{Streams: s}
	var output string
	c := &cobra.Command{
		Use:               "sessions FILE|DIR...",
		ValidArgsFunction: command.Takes(command.File, 0, -1),
		Short:             "list sessions, their writes and how they ended",
		Long: `List the sessions in logs: when each was opened, what it wrote, how it ended,
and which ephemerals were removed with it. Sessions opened before the first log
are taken from the latest earlier snapshot in the directory, or from their
writes.`,
		Example: `  zkctl txnlog sessions version-2
  zkctl txnlog sessions --session 0x100001329410000 version-2
  zkctl txnlog sessions -o json version-2 | jq 'select(.end == "expired")'`,
		RunE: func(c *cobra.Command, args []string) (err error) {
			if len(args) == 0 {
				return usageError(c, "missing log file or directory")
			}
			if o.Format, err = ui.ParseFormat(output); err != nil {
				return err
			}
			o.Args = args
			return runSessions(c.Context(), o)
		},
	}
	fs := c.Flags()
	fs.SortFlags = false
	fs.StringVar(&o.Session, "session", "", "only session `0x…`, with all its ephemerals")
	fs.StringVarP(&output, "output", "o", string(ui.Text), "output `format`: text or json (one object per line)")
	completeValues(c, "output", string(ui.Text), string(ui.JSON))
	return c
}

func runSessions(ctx context.Context, o *sessionsOptions) error {
	table := newSessionTable()
	if o.Session != "" {
		id, err := proto.ParseHex(o.Session)
		if err != nil || id == 0 {
			return fmt.Errorf("--session: invalid session %q; write it as in the log, such as 0x100001196310000", o.Session)
		}
		table.detail = id
	}
	logs, err := findLogs(o.Args)
	if err != nil {
		return err
	}
	var faults []error
	if err := table.begin(o.Args, logs); isFault(err) {
		faults = append(faults, err)
	} else if err != nil {
		return err
	}
	for _, f := range logs {
		found, err := table.log(ctx, f.Path)
		if err != nil {
			return err
		}
		if found != nil {
			faults = append(faults, found)
		}
	}
	out := bufio.NewWriterSize(o.Streams.Out, ui.BatchSize)
	list := table.order
	if table.detail != 0 {
		one := table.sessions[table.detail]
		if one == nil {
			return errors.Join(append(faults, fmt.Errorf("no session 0x%x in the logs; list those there are: zkctl txnlog sessions", uint64(table.detail)))...)
		}
		list = []*session{one}
	}
	switch {
	case o.Format == ui.JSON:
		err = writeSessionsJSON(out, table, list)
	case table.detail != 0:
		writeSession(out, table, list[0])
	default:
		writeSessions(out, table, list, tableWidth(o.Streams))
	}
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	if err != nil {
		return err
	}
	for _, fault := range faults {
		ui.Report(o.Streams.Err, ui.InFormat(command.Advise(fault), o.Format))
	}
	if len(faults) > 0 {
		return &ui.ExitError{Code: ui.ExitFailed}
	}
	return nil
}

// log adds a log to the table. fault is the first fault found in it.
func (t *sessionTable) log(ctx context.Context, path string) (fault, err error) {
	r, err := storage.OpenLog(path)
	if isFault(err) {
		return err, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for n := 0; ; n++ {
		e, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return fault, nil
		case err != nil && fault != nil:
			return fault, nil
		case err != nil && isFault(err):
			return err, nil
		case err != nil:
			return nil, err
		case fault != nil:
		case !e.Intact():
			fault = damaged(r, e, storage.BadChecksum, fmt.Errorf("its checksum is %d but should be %d", e.Stored, e.Computed))
		case e.EOR != 'B' && e.EOR != 0:
			fault = damaged(r, e, storage.BadEnd, fmt.Errorf("its last byte is %#02x instead of 'B'", e.EOR))
		}
		t.add(e)
		if n&0xfff == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}
