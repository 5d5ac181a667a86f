package storage

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"time"
)

const (
	followPoll = 100 * time.Millisecond
	// followPatience is how long an entry may stay incomplete, while the file does not change,
	// before it counts as damaged: a server writes an entry at once.
	followPatience = 3 * time.Second
)

// Follow passes each entry of the log to visit, waits for more as a server appends them, and
// continues with the log that the server starts next in the same directory. It ends when the
// context ends, with visit's error, or with a *Fault. A partly written entry is passed on once it
// is complete; if it stays damaged, it is passed on as it is. visit is called on the caller's
// goroutine. A log without entries is waited for.
func Follow(ctx context.Context, path string, visit func(*LogReader, *Entry) error) error {
	f := follower{ctx: ctx, path: path, visit: visit}
	for {
		err := f.file()
		if err != nil {
			return err
		}
	}
}

type follower struct {
	ctx   context.Context
	path  string // the log that is being followed
	last  int64  // zxid of the last entry visited
	visit func(*LogReader, *Entry) error
}

// file follows one log until the next one has started, and stores that one's path in f.path.
func (f *follower) file() error {
	r, err := f.open()
	if err != nil || r == nil {
		return err
	}
	defer r.Close()
	var since time.Time // since when the incomplete entry has not changed
	over := false       // the next log has started, so this one is final
	for {
		start, last := r.Offset(), r.last
		e, err := r.Next()
		if err == nil && (e.Intact() && e.EOR == endOfRecord || over) {
			f.last, since = e.Header.Zxid, time.Time{}
			if err := f.visit(r, e); err != nil {
				return err
			}
			if f.ctx.Err() != nil {
				return f.ctx.Err()
			}
			if e.EOR == 0 && !e.Intact() {
				return nil // the server died while writing this entry
			}
			continue
		}
		fault := (*Fault)(nil)
		if err != nil && !errors.Is(err, io.EOF) && !errors.As(err, &fault) {
			return err
		}
		if over {
			if fault != nil && fault.Kind != CutOff && fault.Kind != BadEnd {
				return err
			}
			return nil // a server also takes this as the end of a log whose writer died
		}
		if err == nil || fault != nil {
			if since.IsZero() {
				since = time.Now()
			}
			if time.Since(since) > followPatience && err == nil {
				// Damaged, not just incomplete: Next returns it.
				since = time.Time{}
				if err := f.visit(r, e); err != nil {
					return err
				}
				continue
			}
			if time.Since(since) > followPatience && fault.Kind != CutOff {
				return err
			}
		}
		r.retry(start, last)
		next, found := f.next()
		if found {
			// Entries written between the last look at this file and the start of the new one.
			over = true
			f.path = next
			continue
		}
		if err := f.wait(); err != nil {
			return err
		}
	}
}

// open opens the log and waits for its header if the server has just created it. It returns nil
// if the log was removed and another has started.
func (f *follower) open() (*LogReader, error) {
	for began := time.Now(); ; {
		r, err := OpenLog(f.path)
		fault := (*Fault)(nil)
		if err == nil || !errors.As(err, &fault) || fault.Kind != NotAFile {
			return r, err
		}
		if next, found := f.next(); found {
			f.path = next
			return nil, nil
		}
		if fault.Offset == 0 && f.last == 0 && time.Since(began) > followPatience {
			return nil, err
		}
		if err := f.wait(); err != nil {
			return nil, err
		}
	}
}

// next returns the log after the one at f.path in its directory.
func (f *follower) next() (path string, found bool) {
	_, zxid, ok := ZxidOfName(f.path)
	if !ok {
		return "", false
	}
	// filepath.Dir(f.path) is the folder itself, whatever its name is.
	d, err := readDir(filepath.Dir(f.path))
	if err != nil {
		return "", false
	}
	for _, file := range d.Logs {
		if file.Zxid > zxid {
			return file.Path, true
		}
	}
	return "", false
}

func (f *follower) wait() error {
	timer := time.NewTimer(followPoll)
	defer timer.Stop()
	select {
	case <-f.ctx.Done():
		return f.ctx.Err()
	case <-timer.C:
		return nil
	}
}
