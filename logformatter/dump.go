package logformatter

import (
	"context"
	"errors"
	"fmt"
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
	json    bool
	printer printer     // of --tail and -f
	out     *ui.Batches // the same; nil without them
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
	d.printer = newPrinter(o)
	if o.Follow {
		return d.follow(ctx)
	}
	logs, err := findLogs(o.Args)
	if err != nil {
		return err
	}
	defer func() {
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
	if o.Tail < 0 {
		return nil
	}
	d.out = ui.NewBatches(o.Streams.Out, nil)
	return d.out.CloseAfter(d.printTail())
}

// damaged is a fault in an entry that can still be read.
func damaged(r *storage.LogReader, e *storage.Entry, kind storage.FaultKind, found error) error {
	return &storage.Fault{
		File: r.Name(), Offset: e.Offset, Kind: kind, Zxid: e.Header.Zxid, Err: found,
		Meaning: fmt.Sprintf("the transaction %#x was changed after it was written (try: zkctl txnlog verify %s)", uint64(e.Header.Zxid), r.Name()),
	}
}

// print formats one transaction for --tail and -f. If it cannot be decoded, print reports that and skips it.
func (d *dumper) print(raw []byte, intact bool, stored int64, explain func(error) error) (err error) {
	if d.out.Text, err = d.printer.append(d.out.Text, raw, intact, stored); err != nil {
		return d.fault(explain(err))
	}
	return nil
}

// printer formats transactions. It is not safe for concurrent use.
type printer struct {
	form formatter
	json *jsonForm // the same, or nil
}

func newPrinter(o *dumpOptions) printer {
	switch o.Format {
	case formatJSON:
		form := &jsonForm{data: escape.DataForm(o.Data)}
		return printer{form, form}
	case formatLogFormatter:
		return printer{form: &logFormatterForm{tty: o.Streams.OutTTY}}
	}
	return printer{form: &toolkitForm{tty: o.Streams.OutTTY}}
}

// append appends one transaction with what its checksum says. On error dst is unchanged.
func (p *printer) append(dst, raw []byte, intact bool, stored int64) ([]byte, error) {
	from := len(dst)
	if p.json != nil {
		p.json.stored, p.json.intact = stored, intact
	} else if !intact {
		dst = append(dst, "CRC ERROR - "...)
	}
	body := len(dst)
	dst, err := p.form.append(dst, raw)
	if err != nil {
		return dst[:from], err
	}
	if !intact && p.json == nil { // the toolkit prints it a second time
		dst = append(dst, dst[body:]...)
	}
	return dst, nil
}

func appendFileHead(dst []byte, r *storage.LogReader) []byte {
	h := r.Header()
	dst = appendInt(append(dst, "ZooKeeper Transactional Log File with dbid "...), h.DBID)
	dst = appendInt(append(dst, " txnlog format version "...), int64(h.Version))
	return append(dst, '\n')
}

// appendFileEnd says how many transactions a log has and how many of them passed the filter.
func (d *dumper) appendFileEnd(dst []byte, count, shown int64) []byte {
	dst = appendInt(append(dst, "EOF reached after "...), count)
	dst = append(dst, " txns"...)
	if !d.filter.all {
		dst = append(appendInt(append(dst, ", "...), shown), " of them shown"...)
	}
	return append(dst, ".\n"...)
}

// fault reports what is wrong with a log, after everything printed of it. It returns errors that
// are not a log's fault.
func (d *dumper) fault(err error) error {
	if d.out != nil {
		if writeErr := d.out.Drain(); writeErr != nil {
			return writeErr
		}
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
