package transfer

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/export"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/version"
)

func writer() string { return version.Release() }

// stream is an export in the format jsonl, in a file or on the output.
type stream struct {
	file    *atomicfile.File // nil for the output
	path    string
	buffer  *bufio.Writer
	packed  io.WriteCloser
	w       *export.Writer
	trailer export.Trailer
	like    string // a file that takes its place if its znodes are the same
	linked  bool   // that happened
}

// newStream starts an export in a file, which replaces one that is there, or on the output if path is empty or -.
func newStream(s *ui.Streams, path, compression string) (*stream, error) {
	to := &stream{}
	if path == "" || path == "-" {
		if compression != "" && s.OutTTY {
			return nil, errors.New("compressed data would go to the terminal; use -O FILE, or redirect the output")
		}
		to.buffer = bufio.NewWriterSize(s.Out, 64<<10)
	} else {
		var err error
		if to.file, err = atomicfile.Replace(path); err != nil {
			return nil, err
		}
		if compression == "" {
			compression = export.CompressionOf(path)
		}
		to.path, to.buffer = path, bufio.NewWriterSize(to.file, 256<<10)
	}
	var err error
	to.packed, err = export.Compress(to.buffer, compression)
	return to, err
}

func (s *stream) begin(h *export.Header) (err error) {
	s.w, err = export.NewWriter(s.packed, h)
	return err
}

func (s *stream) add(r *export.Record) error { return s.w.Add(r) }

func (s *stream) commit() (err error) {
	if s.trailer, err = s.w.Close(); err != nil {
		return err
	}
	if err := errors.Join(s.packed.Close(), s.buffer.Flush()); err != nil || s.file == nil {
		return err
	}
	if s.like != "" {
		if t, err := export.LastTrailer(s.like); err == nil && t.Sum == s.trailer.Sum {
			if s.linked = os.Link(s.like, s.path) == nil; s.linked {
				return atomicfile.SyncDir(filepath.Dir(s.path))
			}
		}
	}
	return s.file.Commit()
}

func (s *stream) abandon() {
	if s.file != nil {
		s.file.Abandon()
	}
}

func (s *stream) name() string { return s.path }

// tree is an export as a folder.
type tree struct {
	*export.FolderWriter
	path string
}

func newTree(path string) (*tree, error) {
	f, err := export.CreateFolder(path)
	return &tree{f, path}, err
}

func (t *tree) begin(h *export.Header) error { return t.Begin(h) }
func (t *tree) add(r *export.Record) error   { return t.Add(r) }
func (t *tree) commit() error                { return t.Commit() }
func (t *tree) abandon()                     { t.Abandon() }
func (t *tree) name() string                 { return t.path }
