package report

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/storage"
)

// sources are the files that the arguments name, by what they are.
type sources struct {
	logs   []string
	data   []*data
	seen   []fs.FileInfo
	unread []error // why parts of folders cannot be read
}

// data is a folder with transaction logs and snapshots, or those of its files that were named.
type data struct {
	folder    string
	whole     bool // a folder was searched, so all files that belong together are there
	txns      []string
	snapshots []storage.File
}

// kind is what a file is.
type kind int

const (
	textLog kind = iota // or anything else, which its reader refuses
	txnLog
	snapshotFile
)

// find sorts the files that the arguments name, and those in folders and below, by kind.
func find(ctx context.Context, args []string) (*sources, error) {
	s := &sources{}
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case arg == "-" && err != nil:
			return nil, errors.New("a report reads its sources more than once, so standard input will not do; save it to a file first")
		case err != nil:
			return nil, fmt.Errorf("read a source: %w", err)
		case info.IsDir():
			before := len(s.logs) + len(s.data)
			if err := s.folder(ctx, arg); err != nil {
				return nil, fmt.Errorf("read sources: %w", err)
			}
			if len(s.logs)+len(s.data) == before && !s.known(arg) {
				if len(s.unread) > 0 {
					return nil, s.unread[0]
				}
				return nil, fmt.Errorf("read sources: %q holds no transaction log, no snapshot, and no file whose name contains .log, .out or .txt", arg)
			}
		case !info.Mode().IsRegular():
			return nil, fmt.Errorf("a report reads its sources more than once, and %q is not a regular file; copy its content to a file first", arg)
		default:
			k, err := kindOf(ctx, arg)
			if err != nil {
				return nil, fmt.Errorf("read a source: %w", err)
			}
			s.add(arg, info, k, false)
		}
	}
	slices.SortStableFunc(s.data, func(a, b *data) int { return cmp.Compare(a.folder, b.folder) })
	return s, nil
}

// known reports whether a folder, or what is in it, was found before.
func (s *sources) known(dir string) bool {
	within := func(path string) bool {
		rel, err := filepath.Rel(dir, path)
		return err == nil && filepath.IsLocal(rel)
	}
	return slices.ContainsFunc(s.logs, within) || slices.ContainsFunc(s.data, func(d *data) bool { return within(d.folder) })
}

// add takes a file, unless it was taken before.
func (s *sources) add(path string, info fs.FileInfo, k kind, whole bool) {
	if slices.ContainsFunc(s.seen, func(old fs.FileInfo) bool { return os.SameFile(old, info) }) {
		return
	}
	s.seen = append(s.seen, info)
	if k == textLog {
		s.logs = append(s.logs, path)
		return
	}
	folder := filepath.Dir(path)
	i := slices.IndexFunc(s.data, func(d *data) bool { return d.folder == folder })
	if i < 0 {
		i = len(s.data)
		s.data = append(s.data, &data{folder: folder})
	}
	d := s.data[i]
	d.whole = d.whole || whole
	if k == txnLog {
		d.txns = append(d.txns, path)
		return
	}
	_, zxid, ok := storage.ZxidOfName(path)
	if !ok {
		zxid = -1
	}
	d.snapshots = append(d.snapshots, storage.File{Path: path, Zxid: zxid, Size: info.Size()})
}

// folder takes the files of a folder and those below: transaction logs and snapshots, and what is called a log. Hidden
// folders are left out.
func (s *sources) folder(ctx context.Context, dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.unread = append(s.unread, fmt.Errorf("read a folder: %w", err))
			return nil
		}
		name := d.Name()
		if d.IsDir() {
			if path != dir && strings.HasPrefix(name, ".") {
				return filepath.SkipDir
			}
			return nil
		}
		_, _, isData := storage.ZxidOfName(name)
		isLog := strings.Contains(name, ".log") || strings.Contains(name, ".out") || strings.Contains(name, ".txt")
		info, err := os.Stat(path) // a log may be a link
		if err != nil || !info.Mode().IsRegular() {
			return nil
		}
		k, err := kindOf(ctx, path)
		if err != nil && (isData || isLog) {
			s.unread = append(s.unread, fmt.Errorf("read a source: %w", err))
		}
		if err != nil {
			return ctx.Err()
		}
		if k != textLog || isData || isLog {
			s.add(path, info, k, isData)
		}
		return nil
	})
}

// kindOf looks at a file's first bytes, and at its name if those say nothing.
func kindOf(ctx context.Context, path string) (kind, error) {
	f, err := infile.Open(ctx, path)
	if err != nil {
		return textLog, err
	}
	defer f.Close()
	head := make([]byte, 512)
	n, err := io.ReadFull(infile.Reader(ctx, f), head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return textLog, err
	}
	head = head[:n]
	named, _, ok := storage.ZxidOfName(path)
	switch {
	case bytes.HasPrefix(head, []byte("ZKLG")):
		return txnLog, nil
	case bytes.HasPrefix(head, []byte("ZKSN")):
		return snapshotFile, nil
	case ok && named == "snapshot" && storage.CompressionOfName(path) != "":
		return snapshotFile, nil
	case ok && (n == 0 || bytes.IndexByte(head, 0) >= 0):
		if named == "log" {
			return txnLog, nil
		}
		return snapshotFile, nil
	}
	return textLog, nil
}

// newest returns the newest snapshot, or nil without snapshots.
func (d *data) newest() *storage.File {
	if len(d.snapshots) == 0 {
		return nil
	}
	last := slices.MaxFunc(d.snapshots, func(a, b storage.File) int { return cmp.Compare(a.Zxid, b.Zxid) })
	return &last
}
