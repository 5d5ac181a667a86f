package storage

import (
	"errors"
	"fmt"
	"io"
)

// ErrNotInLog means that the zxid at which a log was to end is not in the log.
var ErrNotInLog = errors.New("the log has no such zxid")

// ErrNothingAfter means that no transaction follows the zxid at which a log was to end: the copy
// is the whole log.
var ErrNothingAfter = errors.New("nothing follows the zxid in the log")

// CopyLog copies the log up to and including the zxid to dst, without preallocated zeros, as
// LogChopper does. The copy is complete if the error is nil or ErrNothingAfter; with ErrNotInLog
// it holds the transactions before zxid. LogChopper treats both errors as failures. A damaged
// entry at or before zxid is a *Fault, after everything before it was copied.
func CopyLog(dst io.Writer, src *LogReader, last int64) (entries int, err error) {
	w := NewRawLogWriter(dst, src.Header())
	found := false
	for {
		e, err := src.Next()
		end := errors.Is(err, io.EOF)
		if err == nil && !e.Intact() && e.Header.Zxid <= last {
			err = src.faultAt(e.Offset, e.Header.Zxid, BadChecksum, fmt.Errorf("the checksum is %d, but the bytes give %d", e.Stored, e.Computed))
		} else if err == nil && e.EOR != endOfRecord && e.Header.Zxid <= last {
			err = src.faultAt(e.Offset, e.Header.Zxid, BadEnd, fmt.Errorf("the record ends with %#02x instead of 'B'", e.EOR))
		}
		if err == nil && e.Header.Zxid <= last {
			found = found || e.Header.Zxid == last
			entries++
			if err := w.WriteEntry(e.Raw, e.Stored); err != nil {
				return entries, err
			}
			continue
		}
		if fault := (*Fault)(nil); errors.As(err, &fault) && found {
			err = nil // after the end of the copy
		}
		if closeErr := w.Close(); closeErr != nil {
			return entries, closeErr
		}
		switch {
		case err != nil && !end:
			return entries, err
		case !found:
			return entries, fmt.Errorf("%w: %#x", ErrNotInLog, uint64(last))
		case end:
			return entries, ErrNothingAfter
		}
		return entries, nil
	}
}
