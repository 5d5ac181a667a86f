package supervise

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/zkctl/zkctl/internal/ownfile"
)

// rotated is a log file that is renamed to file.1, which becomes file.2 and so on, before it grows beyond its limit. It is
// never in the way of who writes to it: what cannot be kept is dropped, and said once.
type rotated struct {
	path  string
	limit int64
	keep  int
	fault func(error) // called for the first of several failures, nil for none

	file   *os.File
	size   int64
	failed bool
}

// maxLine is how far the limit is exceeded so that a line is not parted, in bytes.
const maxLine = 64 << 10

// open opens the file, to which an earlier run may have written. It is not called again.
func (r *rotated) open() error {
	if err := os.MkdirAll(filepath.Dir(r.path), 0o700); err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	f, err := ownfile.Open(r.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("open the server's log: %w", err)
	}
	r.file, r.size = f, info.Size()
	return nil
}

// Write always succeeds.
func (r *rotated) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		head, full := p, false
		if r.size+int64(len(p)) > r.limit {
			// The line that passes the limit ends the file.
			room := int(min(max(0, r.limit-r.size), int64(len(p))))
			if end := bytes.IndexByte(p[room:], '\n'); end >= 0 {
				head, full = p[:room+end+1], true
			} else {
				full = r.size+int64(len(p)) > r.limit+maxLine
			}
		}
		if !r.write(head) {
			break
		}
		if p = p[len(head):]; full {
			r.rotate()
		}
	}
	return n, nil
}

func (r *rotated) write(p []byte) bool {
	if r.file == nil {
		r.report(r.open())
	}
	if r.file == nil {
		return false
	}
	n, err := r.file.Write(p)
	r.size += int64(n)
	r.report(err)
	return err == nil
}

// report calls fault for the first error after a success.
func (r *rotated) report(err error) {
	if err != nil && !r.failed && r.fault != nil {
		r.fault(err)
	}
	r.failed = err != nil
}

func (r *rotated) rotate() {
	name := func(i int) string { return fmt.Sprintf("%s.%d", r.path, i) }
	_ = r.file.Close()
	r.file = nil
	_ = os.Remove(name(r.keep))
	for i := r.keep - 1; i > 0; i-- {
		_ = os.Rename(name(i), name(i+1))
	}
	var err error
	if r.keep > 0 {
		err = os.Rename(r.path, name(1))
	} else {
		err = os.Remove(r.path)
	}
	if err != nil {
		// Without a new name, the limit matters more than the text.
		err = os.Truncate(r.path, 0)
	}
	r.report(err)
	r.size = 0
}

func (r *rotated) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}
