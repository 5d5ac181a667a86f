package logformatter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

// The values of dump's --format.
const (
	formatToolkit      = "toolkit"
	formatLogFormatter = "logformatter"
	formatJSON         = "json"
)

var dumpFormats = []string{formatToolkit, formatLogFormatter, formatJSON}

// Apache's exit codes where they differ from ours.
const exitBadMagic = 2 // ExitCode.INVALID_INVOCATION

type dumpOptions struct {
	Streams *ui.Streams
	Args    []string // logs and directories
	Format  string
	Data    string // JSON only
	Filter  filterOptions
	Limit   int64 // 0 means no limit
	Tail    int   // -1 means all
	Follow  bool
	Now     time.Time
}

func newDumpCommand(s *ui.Streams, run func(context.Context, *dumpOptions) error) *cobra.Command {
	o := &dumpOptions{Streams: s}
	if run == nil {
		run = runDump
	}
	var output string
	c := &cobra.Command{
		Use:               "dump FILE|DIR...",
		ValidArgsFunction: command.Takes(command.File, 0, -1),
		Short:             "print transactions, as zkTxnLogToolkit.sh -d does",
		Long: `Print the transactions in logs in zxid order. Filters combine: a transaction
must match all of them.`,
		Example: `  zkctl txnlog dump version-2/log.100000001
  zkctl txnlog dump --zxid 0x100000005..0x10000002f version-2
  zkctl txnlog dump --path /app --type delete --since 2h version-2
  zkctl txnlog dump --format json version-2 | jq .path
  zkctl txnlog dump --tail 20 -f version-2`,
		RunE: func(c *cobra.Command, args []string) error {
			o.Args = args
			switch {
			case len(args) == 0:
				return usageError(c, "missing log file or directory")
			case output == formatJSON:
				o.Format = formatJSON
			case output != "" && output != string(ui.Text):
				return fmt.Errorf("unknown output format %q; use text or json", output)
			}
			if !slices.Contains(dumpFormats, o.Format) {
				return fmt.Errorf("unknown format %q; use %s", o.Format, strings.Join(dumpFormats, ", "))
			}
			if !slices.Contains(escape.DataForms, o.Data) {
				return fmt.Errorf("unknown --data %q; use %s", o.Data, strings.Join(escape.DataForms, ", "))
			}
			if c.Flags().Changed("data") && o.Format != formatJSON {
				return errors.New("--data needs --format json; the other formats print data as Apache's tools do")
			}
			return run(c.Context(), o)
		},
	}
	fs := c.Flags()
	fs.SortFlags = false
	fs.StringVar(&o.Format, "format", formatToolkit, "output `format`: toolkit (zkTxnLogToolkit.sh), logformatter (LogFormatter of 3.5) or json")
	fs.StringVar(&o.Data, "data", string(escape.DataText), "in JSON, show data as `form`: text (base64 if not UTF-8), hex, base64, none or length")
	o.Filter.addFlags(fs)
	fs.Int64Var(&o.Limit, "limit", 0, "stop after `n` transactions")
	fs.IntVar(&o.Tail, "tail", -1, "print only the last `n` transactions")
	fs.BoolVarP(&o.Follow, "follow", "f", false, "keep printing as the server writes, into its next logs too")
	fs.StringVarP(&output, "output", "o", "", "output `format`: text or json (same as --format json)")
	completeValues(c, "format", dumpFormats...)
	completeValues(c, "data", escape.DataForms...)
	completeValues(c, "output", string(ui.Text), string(ui.JSON))
	completeFilter(c)
	completeValues(c, "limit")
	completeValues(c, "tail")
	return c
}

// dumper is a single run of dump.
type dumper struct {
	opt     *dumpOptions
	filter  *filter
	form    formatter
	json    bool
	out     *ui.Batches
	shown   int64
	exit    int
	tail    []kept // a ring of the last transactions
	at      int    // where the next one goes in the ring
	current string // with --tail or -f: the file whose header was printed last
	passed  int64  // with -f: everything up to this zxid was printed
}

// kept is a transaction that --tail may have to print.
type kept struct {
	file   string
	head   []byte // the header line of its file
	raw    []byte
	intact bool
	stored int64
}

var errLimit = errors.New("limit reached")

func runDump(ctx context.Context, o *dumpOptions) (err error) {
	now := o.Now
	if now.IsZero() {
		now = time.Now()
	}
	d := &dumper{opt: o, json: o.Format == formatJSON}
	if d.filter, err = o.Filter.compile(now); err != nil {
		return err
	}
	switch o.Format {
	case formatJSON:
		d.form = &jsonForm{data: escape.DataForm(o.Data)}
	case formatLogFormatter:
		d.form = &logFormatterForm{tty: o.Streams.OutTTY}
	default:
		d.form = &toolkitForm{tty: o.Streams.OutTTY}
	}
	if o.Follow {
		return d.follow(ctx)
	}
	logs, err := findLogs(o.Args)
	if err != nil {
		return err
	}
	d.out = ui.NewBatches(o.Streams.Out, nil)
	defer func() {
		if closeErr := d.out.Close(); closeErr != nil && (err == nil || errors.Is(err, errLimit)) {
			err = closeErr
		}
		if err == nil && d.exit != 0 {
			err = &ui.ExitError{Code: d.exit} // already reported
		}
	}()
	for i, f := range logs {
		next := int64(math.MaxInt64)
		if i+1 < len(logs) {
			next = logs[i+1].Zxid
		}
		if len(logs) > 1 && !d.filter.mayHold(f.Zxid, next) {
			continue
		}
		err := d.file(ctx, f.Path)
		if errors.Is(err, errLimit) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return d.printTail()
}

// file prints one log. It reports damage itself and does not return it as an error.
func (d *dumper) file(ctx context.Context, path string) error {
	r, err := storage.OpenLog(path)
	if err != nil {
		return d.fault(err)
	}
	defer r.Close()
	if err := d.fileHead(r); err != nil {
		return err
	}
	entries := readAhead(r)
	defer entries.close()
	count, before := int64(0), d.shown
	for {
		e, err := entries.Next()
		if err != nil {
			var fault *storage.Fault
			if errors.Is(err, io.EOF) || errors.As(err, &fault) && fault.Kind == storage.CutOff {
				d.fileEnd(count, d.shown-before)
			}
			if errors.Is(err, io.EOF) {
				return d.out.Failed()
			}
			return d.fault(err)
		}
		if !e.Intact() && d.opt.Format == formatLogFormatter {
			return d.fault(damaged(r, e, storage.BadChecksum,
				fmt.Errorf("its checksum is %d but should be %d", e.Stored, e.Computed)))
		}
		if d.filter.match(e) {
			if err := d.entry(r, e); err != nil {
				return err
			}
		}
		if e.EOR != 'B' {
			if e.EOR != 0 { // if it is 0, the next call reports it
				if err := d.fault(damaged(r, e, storage.BadEnd, fmt.Errorf("its last byte is %#02x instead of 'B'", e.EOR))); err != nil {
					return err
				}
			}
		} else {
			count++
		}
		if d.opt.Limit > 0 && d.shown >= d.opt.Limit {
			return errLimit
		}
		if len(d.out.Text) >= ui.BatchSize || count&0xfff == 0 {
			if err := d.out.More(); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
}

// damaged is a fault in an entry that can still be read.
func damaged(r *storage.LogReader, e *storage.Entry, kind storage.FaultKind, found error) error {
	return &storage.Fault{
		File: r.Name(), Offset: e.Offset, Kind: kind, Zxid: e.Header.Zxid, Err: found,
		Meaning: fmt.Sprintf("the transaction %#x was changed after it was written (try: zkctl txnlog verify %s)", uint64(e.Header.Zxid), r.Name()),
	}
}

func (d *dumper) entry(r *storage.LogReader, e *storage.Entry) error {
	d.shown++
	if d.opt.Tail >= 0 {
		d.keep(r, e)
		return nil
	}
	return d.print(e.Raw, e.Intact(), e.Stored, func(err error) error {
		return damaged(r, e, storage.BadRecord, err)
	})
}

// print formats one transaction. If it cannot be decoded, print reports that and skips it.
func (d *dumper) print(raw []byte, intact bool, stored int64, explain func(error) error) error {
	from := len(d.out.Text)
	buf := d.out.Text
	if j, ok := d.form.(*jsonForm); ok {
		j.stored, j.intact = stored, intact
	} else if !intact {
		buf = append(buf, "CRC ERROR - "...)
	}
	body := len(buf)
	buf, err := d.form.append(buf, raw)
	if err != nil {
		d.out.Text = buf[:from]
		return d.fault(explain(err))
	}
	if !intact && !d.json { // the toolkit prints it a second time
		buf = append(buf, buf[body:]...)
	}
	d.out.Text = buf
	return nil
}

func (d *dumper) fileHead(r *storage.LogReader) error {
	if d.json || d.opt.Tail >= 0 {
		return d.out.Failed()
	}
	d.out.Text = appendFileHead(d.out.Text, r)
	return d.out.More()
}

func appendFileHead(dst []byte, r *storage.LogReader) []byte {
	h := r.Header()
	dst = appendInt(append(dst, "ZooKeeper Transactional Log File with dbid "...), h.DBID)
	dst = appendInt(append(dst, " txnlog format version "...), int64(h.Version))
	return append(dst, '\n')
}

// fileEnd reports how many transactions a log has and how many of them passed the filter.
func (d *dumper) fileEnd(count, shown int64) {
	if d.json || d.opt.Tail >= 0 {
		return
	}
	b := appendInt(append(d.out.Text, "EOF reached after "...), count)
	b = append(b, " txns"...)
	if !d.filter.all {
		b = append(appendInt(append(b, ", "...), shown), " of them shown"...)
	}
	d.out.Text = append(b, ".\n"...)
}

// fault reports what is wrong with a log, after everything printed of it. It returns errors that
// are not a log's fault.
func (d *dumper) fault(err error) error {
	if writeErr := d.out.Drain(); writeErr != nil {
		return writeErr
	}
	var fault *storage.Fault
	if !errors.As(err, &fault) {
		return err
	}
	err = command.Advise(err)
	if d.json {
		err = ui.InFormat(err, ui.JSON)
	}
	ui.Report(d.opt.Streams.Err, err)
	d.exit = max(d.exit, faultExit(fault))
	return nil
}

// faultExit is the exit code of Apache's tools. To them a log that ends inside a record is
// intact: a crash leaves such a log, and a server continues from it.
func faultExit(f *storage.Fault) int {
	switch {
	case f.Kind == storage.BadMagic, errors.Is(f, storage.ErrZeros):
		return exitBadMagic
	case f.Kind == storage.CutOff:
		return ui.ExitOK
	}
	return ui.ExitFailed
}
