package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/logs/internal/format"
)

// remember notes which files the logs are, to find them again if they are rotated while they are read.
func (s *source) remember() {
	s.were = map[string]os.FileInfo{}
	for _, name := range s.files {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			s.were[name] = info
		}
	}
}

// openFile opens a file of the log. If another file has its name by now, or none has, it looks for it beside.
func (s *source) openFile(ctx context.Context, name string) (*format.Input, error) {
	was := s.were[name]
	if was == nil {
		return format.Open(ctx, name)
	}
	now, err := os.Stat(name)
	switch {
	case err == nil && os.SameFile(was, now):
		if now.Size() < was.Size() {
			s.complain(fmt.Errorf("read %s: it was cut from %s to %s meanwhile; what it had is lost", name, ui.Bytes(was.Size()), ui.Bytes(now.Size())))
		}
	case err == nil || errors.Is(err, fs.ErrNotExist):
		moved := beside(name, was)
		if moved == "" {
			return nil, fmt.Errorf("read %s: it was removed, or rotated into a compressed file, meanwhile; read the log again", name)
		}
		name = moved
	}
	return format.Open(ctx, name)
}

// beside returns the path in the same folder at which a file is now, or "".
func beside(name string, was os.FileInfo) string {
	dir := filepath.Dir(name)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); err == nil && os.SameFile(was, info) {
			return path
		}
	}
	return ""
}

const (
	// sameStart is how many bytes at the start two files must share for their content to be compared.
	sameStart = 512
	// leastCopy is the length, in bytes, from which on a file counts as a copy of another that starts with it.
	leastCopy = 64
)

// withoutCopies leaves out files that are copies of others, or an earlier state of them, under another name, plain or
// compressed, and reports them.
func (r *reading) withoutCopies(ctx context.Context, all []*source) error {
	type start struct {
		source *source
		name   string
		bytes  []byte
	}
	var starts []start
	for _, s := range all {
		for _, name := range s.files {
			if s.were[name] == nil {
				continue
			}
			if b := beginning(ctx, name); len(b) >= leastCopy {
				starts = append(starts, start{s, name, b})
			}
		}
	}
	dropped := map[string]bool{}
	for i, a := range starts {
		for _, b := range starts[i+1:] {
			n := min(len(a.bytes), len(b.bytes))
			if dropped[a.name] || dropped[b.name] || string(a.bytes[:n]) != string(b.bytes[:n]) {
				continue
			}
			ended, err := compareFiles(ctx, a.name, b.name)
			if err != nil {
				return err
			}
			copied, of, how := b, a, "is a copy of"
			switch ended {
			case neither:
				continue
			case firstEnded:
				copied, of, how = a, b, "is the beginning of"
			case secondEnded:
				how = "is the beginning of"
			}
			dropped[copied.name] = true
			copied.source.files = slices.DeleteFunc(copied.source.files, func(name string) bool { return name == copied.name })
			ui.Warn(r.streams.Err, "%s %s %s; it is left out", escape.Line(copied.name), how, escape.Line(of.name))
		}
	}
	return nil
}

// beginning returns the first bytes of a file, decompressed. What cannot be read is reported later.
func beginning(ctx context.Context, name string) []byte {
	in, err := format.Open(ctx, name)
	if err != nil {
		return nil
	}
	defer in.Close()
	b := make([]byte, sameStart)
	n, _ := io.ReadFull(in, b)
	return b[:n]
}

// How a comparison of two files ends.
const (
	neither     = iota // they differ
	firstEnded         // the second has more
	secondEnded        // the first has more
	bothEnded
)

func compareFiles(ctx context.Context, first, second string) (ended int, err error) {
	var in [2]*format.Input
	for i, name := range []string{first, second} {
		if in[i], err = format.Open(ctx, name); err != nil {
			return neither, nil // who reads it reports that
		}
		defer in[i].Close()
	}
	var bufs [2][]byte
	for i := range bufs {
		bufs[i] = make([]byte, 64<<10)
	}
	for {
		if ctx.Err() != nil {
			return neither, ctx.Err()
		}
		var n [2]int
		for i := range in {
			got, err := io.ReadFull(in[i], bufs[i])
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return neither, nil
			}
			n[i] = got
		}
		least := min(n[0], n[1])
		switch {
		case string(bufs[0][:least]) != string(bufs[1][:least]):
			return neither, nil
		case n[0] == n[1] && n[0] < len(bufs[0]):
			return bothEnded, nil
		case n[0] < n[1]:
			return firstEnded, nil
		case n[1] < n[0]:
			return secondEnded, nil
		}
	}
}
