package format

import (
	"context"
	"errors"
	"io"
	"os"
	"time"
)

// ErrIdle says that nothing was written to a log that is followed. Reading may go on.
var ErrIdle = errors.New("nothing new yet")

// Follower reads a file and waits for more, until its context is done. If the file is rotated, it goes on with the new
// file of that name; if it is cut off, with its start.
type Follower struct {
	ctx  context.Context
	path string
	file *os.File
	poll time.Duration
}

// Follow opens a file, at its end or at its start.
func Follow(ctx context.Context, path string, end bool) (*Follower, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if end {
		if _, err := f.Seek(0, io.SeekEnd); err != nil {
			f.Close()
			return nil, err
		}
	}
	return &Follower{ctx, path, f, 100 * time.Millisecond}, nil
}

// Read implements io.Reader. It returns ErrIdle each time that nothing was written for a moment.
func (f *Follower) Read(p []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := f.file.Read(p)
	if n > 0 || err != nil && !errors.Is(err, io.EOF) {
		return n, err
	}
	if f.renewed() {
		return 0, nil
	}
	select {
	case <-f.ctx.Done():
		return 0, f.ctx.Err()
	case <-time.After(f.poll):
		return 0, ErrIdle
	}
}

// renewed reports whether there is something else to read under the name: another file, or the same one from its start.
func (f *Follower) renewed() bool {
	now, err := os.Stat(f.path)
	if err != nil {
		return false // it is between two names
	}
	was, err := f.file.Stat()
	if err != nil {
		return false
	}
	if !os.SameFile(now, was) {
		next, err := os.Open(f.path)
		if err != nil {
			return false
		}
		f.file.Close()
		f.file = next
		return true
	}
	if at, err := f.file.Seek(0, io.SeekCurrent); err == nil && now.Size() < at {
		_, err = f.file.Seek(0, io.SeekStart)
		return err == nil
	}
	return false
}

// Close closes the file.
func (f *Follower) Close() { f.file.Close() }
