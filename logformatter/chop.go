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

type chopOptions struct {
	Streams  *ui.Streams
	Zxid     string
	Src, Dst string
}

// exitNotChopped is LogChopper's exit code if the log does not contain the zxid.
const exitNotChopped = 2

func newChopCommand(s *ui.Streams, run func(context.Context, *chopOptions) error) *cobra.Command {
	o := &chopOptions{Streams: s}
	if run == nil {
		run = runChop
	}
	return &cobra.Command{
		Use:   "chop ZXID SRC DST",
		Short: "copy a log up to a zxid, as LogChopper does",
		Long: `Copy the transactions of the log SRC, up to and including ZXID, to the new
file DST. DST must not exist.`,
		Example: `  zkctl txnlog chop 0x10000002f version-2/log.100000001 /tmp/log.100000001
  zkctl txnlog chop 0x64 version-2/log.1 before-the-fault/log.1`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 3 {
				return usageError(c, "chop needs a zxid and two files")
			}
			o.Zxid, o.Src, o.Dst = args[0], args[1], args[2]
			return run(c.Context(), o)
		},
		ValidArgsFunction: command.Takes(command.File, 1, 2),
	}
}

func runChop(_ context.Context, o *chopOptions) (err error) {
	zxid, err := parseZxid(o.Zxid)
	if err != nil {
		return err
	}
	src, err := storage.OpenLog(o.Src)
	if err != nil {
		var fault *storage.Fault
		if errors.As(err, &fault) {
			return &ui.ExitError{Code: faultExit(fault), Err: err}
		}
		return err
	}
	defer src.Close()
	dst, err := atomicfile.Create(o.Dst)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s already exists; chop only writes new files", o.Dst)
	}
	if err != nil {
		return fmt.Errorf("write the copy: %w", err)
	}
	defer dst.Abandon()
	if _, err := o.Streams.Out.Write(appendFileHead(nil, src)); err != nil {
		return err
	}
	if err := sayGaps(o, zxid); err != nil {
		return err
	}
	count, err := storage.CopyLog(dst, src, zxid)
	whole := errors.Is(err, storage.ErrNothingAfter)
	switch {
	case errors.Is(err, storage.ErrNotInLog):
		fmt.Fprintf(o.Streams.Out, "This log does not contain zxid %x\n", uint64(zxid))
		return &ui.ExitError{Code: exitNotChopped,
			Err: fmt.Errorf("chop %s: no transaction has zxid %#x; nothing was written (list the zxids: zkctl txnlog dump)", o.Src, uint64(zxid))}
	case err != nil && !whole:
		return err
	}
	if err := dst.Commit(); err != nil {
		return fmt.Errorf("write the copy: %w", err)
	}
	if whole {
		_, err = fmt.Fprintf(o.Streams.Out, "EOF reached after %d txns.\n", count)
		fmt.Fprintf(o.Streams.Err, "%#x is the last zxid in %s; the copy has all %d transactions\n", uint64(zxid), o.Src, count)
		return err
	}
	_, err = fmt.Fprintf(o.Streams.Out, "Chopping at %x new log has %d records\n", uint64(zxid), count)
	return err
}

// sayGaps prints, as LogChopper does, the gaps between zxids up to the one after zxid.
func sayGaps(o *chopOptions, zxid int64) error {
	previous := int64(-1)
	err := eachEntry(o.Src, func(_ *storage.LogReader, e *storage.Entry) error {
		z := e.Header.Zxid
		if previous != -1 && z != previous+1 {
			kind := "intra"
			if z>>32 != previous>>32 {
				kind = "inter"
			}
			if kind == "intra" || z&0xffffffff != 1 {
				if _, err := fmt.Fprintf(o.Streams.Out, "There is %s-epoch gap between %x and %x\n", kind, uint64(previous), uint64(z)); err != nil {
					return err
				}
			}
		}
		previous = z
		if z > zxid {
			return io.EOF
		}
		return nil
	})
	var fault *storage.Fault
	if errors.Is(err, io.EOF) || errors.As(err, &fault) {
		return nil // CopyLog reports what is wrong before the zxid
	}
	return err
}
