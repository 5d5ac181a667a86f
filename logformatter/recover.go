package logformatter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

type recoverOptions struct {
	Streams *ui.Streams
	File    string
	Yes     bool // fix every checksum without asking
	Verbose bool // print every transaction
}

func newRecoverCommand(s *ui.Streams, run func(context.Context, *recoverOptions) error) *cobra.Command {
	o := &recoverOptions{Streams: s}
	if run == nil {
		run = runRecover
	}
	c := &cobra.Command{
		Use:               "recover FILE",
		ValidArgsFunction: command.Takes(command.File, 0, 0),
		Short:             "repair checksums in a copy, as zkTxnLogToolkit.sh -r does",
		Long: `Write FILE.fixed: the transactions of the log up to where it becomes
unreadable, with those wrong checksums corrected that you confirm. FILE itself
is not changed.`,
		Example: `  zkctl txnlog recover version-2/log.100000001
  zkctl txnlog recover -y -v version-2/log.100000001`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(c, "recover needs exactly one log")
			}
			o.File = args[0]
			return run(c.Context(), o)
		},
	}
	c.Flags().SortFlags = false
	c.Flags().BoolVarP(&o.Yes, "yes", "y", false, "correct every wrong checksum without asking")
	c.Flags().BoolVarP(&o.Verbose, "verbose", "v", false, "print every transaction, not only those with wrong checksums")
	return c
}

// recovery is a single run of recover.
type recovery struct {
	opt     *recoverOptions
	out     *ui.Batches
	form    toolkitForm
	w       *storage.RawLogWriter
	answers answers
	count   int64
	fixed   int64
	last    int64 // zxid of the last transaction written
}

var errAborted = errors.New("recovery aborted; the partial copy was removed")

func runRecover(ctx context.Context, o *recoverOptions) (err error) {
	src, err := storage.OpenLog(o.File)
	if err != nil {
		var fault *storage.Fault
		if errors.As(err, &fault) {
			return &ui.ExitError{Code: faultExit(fault), Err: err}
		}
		return err
	}
	defer src.Close()
	path := o.File + ".fixed"
	dst, err := atomicfile.Create(path)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("recovery file %s already exists; move it away first", path)
	}
	if err != nil {
		return fmt.Errorf("write the recovery file: %w", err)
	}
	defer dst.Abandon()
	rec := &recovery{opt: o, out: ui.NewBatches(o.Streams.Out, nil), form: toolkitForm{tty: o.Streams.OutTTY}, answers: answers{in: o.Streams.In}}
	rec.w = storage.NewRawLogWriter(dst, src.Header())
	rec.w.Preallocate(0)
	rec.out.Text = appendFileHead(rec.out.Text, src)
	fault, err := rec.copy(ctx, src)
	if err == nil {
		err = rec.finish(dst)
	}
	if err != nil {
		_ = rec.out.Close()
		return err
	}
	return rec.report(path, fault)
}

// copy writes the transactions and returns the fault that stopped it, if any.
func (rec *recovery) copy(ctx context.Context, src *storage.LogReader) (*storage.Fault, error) {
	for {
		e, err := src.Next()
		var fault *storage.Fault
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil
		case errors.As(err, &fault):
			return fault, nil
		case err != nil:
			return nil, err
		}
		checksum := e.Stored
		if !e.Intact() {
			fix, err := rec.offer(ctx, e)
			if errors.As(err, &fault) {
				return fault, nil
			}
			if err != nil {
				return nil, err
			}
			if fix {
				checksum = e.Computed
				rec.fixed++
			}
		}
		if rec.opt.Verbose {
			if err := rec.print("", e); errors.As(err, &fault) {
				return fault, nil
			} else if err != nil {
				return nil, err
			}
		}
		if err := rec.w.WriteEntry(e.Raw, checksum); err != nil {
			return nil, fmt.Errorf("write the recovery file: %w", err)
		}
		rec.count++
		rec.last = e.Header.Zxid
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// offer prints a transaction with a wrong checksum and reports whether to correct it. If it
// cannot be decoded, offer returns a *storage.Fault, because no server could read it.
func (rec *recovery) offer(ctx context.Context, e *storage.Entry) (bool, error) {
	if rec.opt.Yes {
		return true, rec.print("CRC FIXED - ", e)
	}
	if err := rec.print("CRC ERROR - ", e); err != nil {
		return false, err
	}
	for {
		rec.out.Text = append(rec.out.Text, "Would you like to fix it (Yes/No/Abort) ? "...)
		if err := rec.out.Drain(); err != nil {
			return false, err
		}
		answer, err := rec.answers.next(ctx)
		if err != nil {
			return false, err
		}
		switch answer {
		case 'y', 'Y':
			return true, nil
		case 'n', 'N':
			return false, nil
		case 'a', 'A': // Apache's exit code
			return false, &ui.ExitError{Code: ui.ExitOK, Err: errAborted}
		}
	}
}

func (rec *recovery) print(lead string, e *storage.Entry) error {
	from := len(rec.out.Text)
	buf, err := rec.form.append(append(rec.out.Text, lead...), e.Raw)
	if err != nil {
		rec.out.Text = buf[:from]
		return &storage.Fault{
			File: rec.opt.File, Offset: e.Offset, Kind: storage.BadRecord, Zxid: e.Header.Zxid, Err: err,
			Meaning: "the transaction was changed after it was written; no server can read it",
		}
	}
	rec.out.Text = buf
	return rec.out.More()
}

func (rec *recovery) finish(dst *atomicfile.File) error {
	err := rec.w.Close()
	if err == nil {
		err = dst.Commit()
	}
	if err != nil {
		return fmt.Errorf("write the recovery file: %w", err)
	}
	return nil
}

// report prints the result. A log that ends inside a record counts as fully recovered, as in the
// toolkit; after any other fault the copy holds what came before the fault.
func (rec *recovery) report(path string, fault *storage.Fault) error {
	if fault == nil || fault.Kind == storage.CutOff || fault.Kind == storage.BadEnd {
		rec.out.Text = appendInt(append(rec.out.Text, "EOF reached after "...), rec.count)
		rec.out.Text = append(rec.out.Text, " txns.\n"...)
		rec.out.Text = fmt.Appendf(rec.out.Text, "Recovery file %s has been written with %d fixed CRC error(s)\n", path, rec.fixed)
	}
	if err := rec.out.Close(); err != nil {
		return err
	}
	if fault == nil {
		return nil
	}
	said := fmt.Errorf("read %s at byte %d: %w; %s holds the %d transactions before it, up to zxid %#x",
		fault.File, fault.Offset, fault.Err, path, rec.count, uint64(rec.last))
	if fault.Kind == storage.CutOff || fault.Kind == storage.BadEnd {
		fmt.Fprintln(rec.opt.Streams.Err, said)
		return nil
	}
	return &ui.ExitError{Code: ui.ExitFailed, Err: said}
}

// answers reads words from a stream; only the first letter of each counts.
type answers struct{ in io.Reader }

func (a *answers) next(ctx context.Context) (byte, error) {
	type result struct {
		letter byte
		err    error
	}
	done := make(chan result, 1)
	go func() {
		letter, err := a.word()
		done <- result{letter, err}
	}()
	select {
	case r := <-done:
		if errors.Is(r.err, io.EOF) {
			return 0, errors.New("no answer on stdin; use -y to answer yes to every question")
		}
		return r.letter, r.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// word reads one word byte by byte, so that what follows is left for the next question.
func (a *answers) word() (first byte, err error) {
	one := make([]byte, 1)
	for {
		n, err := a.in.Read(one)
		blank := one[0] == ' ' || one[0] == '\n' || one[0] == '\r' || one[0] == '\t'
		switch {
		case n == 1 && !blank && first == 0:
			first = one[0]
		case n == 1 && blank && first != 0, err != nil && first != 0:
			return first, nil
		case err != nil:
			return 0, err
		}
	}
}
