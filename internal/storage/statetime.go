package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"time"
)

// zxidAt returns the zxid of the last transaction before the first that is later than ms: the
// state at that moment. It returns the largest int64 if no log has a later one, and 0 if the very
// first transaction is later.
func (d *Dir) zxidAt(ctx context.Context, ms int64) (int64, error) {
	at, next := -1, int64(0)
	for i, file := range d.Logs {
		zxid, t, err := firstOf(file)
		if err != nil {
			return 0, err
		}
		if zxid == 0 {
			continue
		}
		if t > ms {
			next = zxid
			break
		}
		at = i
	}
	when := time.UnixMilli(ms).Local().Format("2006-01-02T15:04:05.000Z07:00")
	if at < 0 {
		if next != 0 && !first(next) {
			return 0, fmt.Errorf("load %s at %s: %w: the logs start later, at %#x", d.Path, when, ErrMissing, next)
		}
		if next == 0 {
			return math.MaxInt64, nil // the logs hold no transactions
		}
		return 0, nil
	}
	last, ended, err := lastUntil(ctx, d.Logs[at], ms)
	if err != nil {
		return 0, err
	}
	switch {
	case ended:
		return last, nil
	case next == 0:
		return math.MaxInt64, nil
	case !Follows(last, next):
		return 0, fmt.Errorf("load %s at %s: %w: %s in no log here (%s ends before them)", d.Path, when, ErrMissing, AreMissing(last, next), filepath.Base(d.Logs[at].Path))
	}
	return last, nil
}

// firstOf returns the zxid and time of a log's first transaction, or 0 if none can be read.
func firstOf(file File) (zxid, ms int64, err error) {
	r, err := OpenLog(file.Path)
	if err == nil {
		defer r.Close()
		var e *Entry
		if e, err = r.Next(); err == nil {
			return e.Header.Zxid, e.Header.Time, nil
		}
	}
	if errors.Is(err, io.EOF) || len(Faults(err)) > 0 {
		return 0, 0, nil
	}
	return 0, 0, err
}

// lastUntil returns the zxid before the first transaction in the log that is later than ms; ended
// reports whether there is one.
func lastUntil(ctx context.Context, file File, ms int64) (last int64, ended bool, err error) {
	r, err := OpenLog(file.Path)
	if err != nil {
		return 0, false, err
	}
	defer r.Close()
	for n := 0; ; n++ {
		if n&0x3ff == 0 && ctx.Err() != nil {
			return 0, false, ctx.Err()
		}
		e, err := r.Next()
		switch {
		case errors.Is(err, io.EOF) || len(Faults(err)) > 0:
			return last, false, nil
		case err != nil:
			return 0, false, err
		case e.Header.Time > ms:
			return last, true, nil
		}
		last = e.Header.Zxid
	}
}
