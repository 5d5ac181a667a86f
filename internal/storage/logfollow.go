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
	// followPatience is how long an entry may stay incomplete, while nothing else in the
	// file changes, before it counts as damaged: a server writes it at once.
	followPatience = 3 * time.Second
)

// Follow hands each entry of the log to visit, then waits for more as a server appends
// them, and goes on with the log that the server begins next in the same directory. It
// ends with the context or visit's error, or with a *Fault. An entry that the server has
// written in part is handed over once it is whole; one that stays damaged, as it is. visit
// is called on the caller's goroutine; a log without entries yet is waited for.
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

// file follows one log until the next one has begun, whose path it leaves in f.path.
func (f *follower) file() error {
	r, err := f.open()
	if err != nil || r == nil {
		return err
	}
	defer r.Close()
	var since time.Time // since when an incomplete entry has stood where it stands
	over := false       // the next log has begun: what this one holds is all
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
				return nil // the server died while it wrote this entry
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
			return nil // as a server takes the end of a log whose writer died
		}
		if err == nil || fault != nil {
			if since.IsZero() {
				since = time.Now()
			}
			if time.Since(since) > followPatience && err == nil {
				// Damaged, not unfinished: as Next returns it.
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
			// Entries that came between the last look at this file and the new one's birth.
			over = true
			f.path = next
			continue
		}
		if err := f.wait(); err != nil {
			return err
		}
	}
}

// open opens the log, waiting for its header when the server has just created it. It
// returns nil when the log went away and another has begun.
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

// next returns the log that follows the one at f.path in its directory.
func (f *follower) next() (path string, found bool) {
	_, zxid, ok := ZxidOfName(f.path)
	if !ok {
		return "", false
	}
	// filepath.Dir(f.path) is the folder itself, whatever its name.
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
