// Package evidence finds the files that tell of an incident, and what each of them is: a text log, a transaction log or a
// snapshot. session trace and report take their sources from it.
package evidence

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

// Sources are the files that the arguments name, each once, by what they are.
type Sources struct {
	Logs   []string // text logs, or anything else, which their reader refuses
	Data   []*Data  // by folder
	Once   []string // arguments that can be read only once: "-", which is standard input, and pipes
	Absent []error  // why arguments give nothing
	Unread []error  // why parts of folders cannot be read

	seen []fs.FileInfo
}

// Data is a folder with transaction logs and snapshots, or those of its files that were named.
type Data struct {
	Folder    string
	Whole     bool           // a folder was searched, so all files that belong together are there
	Txns      []storage.File // a zxid is -1 if the name does not tell it
	Snapshots []storage.File // likewise
}

// Kind is what a file is.
type Kind int

// The kinds.
const (
	TextLog Kind = iota
	TxnLog
	Snapshot
)

// Find sorts the files that the arguments name, and those in folders and below, by kind. It fails only if ctx is done.
func Find(ctx context.Context, args []string) (*Sources, error) {
	s := &Sources{}
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case arg == "-" && err != nil, err == nil && info.Mode()&fs.ModeNamedPipe != 0:
			if !slices.Contains(s.Once, arg) {
				s.Once = append(s.Once, arg)
			}
		case err != nil:
			s.Absent = append(s.Absent, fmt.Errorf("read a source: %w", err))
		case !info.IsDir() && !info.Mode().IsRegular():
			s.Absent = append(s.Absent, fmt.Errorf("read a source: %q is a device or a socket, not a file", arg))
		case info.IsDir():
			known, unread := len(s.Logs)+len(s.Data), len(s.Unread)
			s.folder(ctx, arg)
			if len(s.Logs)+len(s.Data) == known && len(s.Unread) == unread && !s.known(arg) {
				s.Absent = append(s.Absent, fmt.Errorf("read sources: %q holds no transaction log, no snapshot, and no file whose name contains .log, .out or .txt", arg))
			}
		default:
			if k, err := KindOf(ctx, arg); err != nil {
				s.Absent = append(s.Absent, fmt.Errorf("read a source: %w", err))
			} else {
				s.add(arg, info, k, false)
			}
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	slices.SortStableFunc(s.Data, func(a, b *Data) int { return cmp.Compare(a.Folder, b.Folder) })
	return s, nil
}

// known reports whether a folder, or what is in it, was found before.
func (s *Sources) known(dir string) bool {
	within := func(path string) bool {
		rel, err := filepath.Rel(dir, path)
		return err == nil && filepath.IsLocal(rel)
	}
	return slices.ContainsFunc(s.Logs, within) || slices.ContainsFunc(s.Data, func(d *Data) bool { return within(d.Folder) })
}

// add takes a file, unless it was taken before.
func (s *Sources) add(path string, info fs.FileInfo, k Kind, whole bool) {
	if slices.ContainsFunc(s.seen, func(old fs.FileInfo) bool { return os.SameFile(old, info) }) {
		return
	}
	s.seen = append(s.seen, info)
	if k == TextLog {
		s.Logs = append(s.Logs, path)
		return
	}
	folder := filepath.Dir(path)
	i := slices.IndexFunc(s.Data, func(d *Data) bool { return d.Folder == folder })
	if i < 0 {
		i = len(s.Data)
		s.Data = append(s.Data, &Data{Folder: folder})
	}
	d := s.Data[i]
	d.Whole = d.Whole || whole
	f := storage.File{Path: path, Zxid: -1, Size: info.Size()}
	if _, zxid, ok := storage.ZxidOfName(path); ok {
		f.Zxid = zxid
	}
	if k == TxnLog {
		d.Txns = append(d.Txns, f)
	} else {
		d.Snapshots = append(d.Snapshots, f)
	}
}

// folder takes the files of a folder and those below: transaction logs and snapshots, and what is called a log. Hidden
// folders are left out.
func (s *Sources) folder(ctx context.Context, dir string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.Unread = append(s.Unread, fmt.Errorf("read a folder: %w", err))
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
		isLog := NamedAsLog(name)
		info, err := os.Stat(path) // a log may be a link
		if err != nil || !info.Mode().IsRegular() {
			return nil
		}
		k, err := KindOf(ctx, path)
		if err != nil && (isData || isLog) {
			s.Unread = append(s.Unread, fmt.Errorf("read a source: %w", err))
		}
		if err != nil {
			return ctx.Err()
		}
		if k != TextLog || isData || isLog {
			s.add(path, info, k, isData)
		}
		return nil
	})
}

// NamedAsLog reports whether a file in a folder is a text log by its name.
func NamedAsLog(name string) bool {
	return strings.Contains(name, ".log") || strings.Contains(name, ".out") || strings.Contains(name, ".txt")
}

// KindOf looks at a file's first bytes, and at its name if those say nothing.
func KindOf(ctx context.Context, path string) (Kind, error) {
	f, err := infile.Open(ctx, path)
	if err != nil {
		return TextLog, err
	}
	defer f.Close()
	head := make([]byte, 512)
	n, err := io.ReadFull(infile.Reader(ctx, f), head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return TextLog, err
	}
	head = head[:n]
	named, _, ok := storage.ZxidOfName(path)
	switch {
	case bytes.HasPrefix(head, []byte("ZKLG")):
		return TxnLog, nil
	case bytes.HasPrefix(head, []byte("ZKSN")):
		return Snapshot, nil
	case ok && named == "snapshot" && storage.CompressionOfName(path) != "":
		return Snapshot, nil
	case ok && (n == 0 || bytes.IndexByte(head, 0) >= 0):
		if named == "log" {
			return TxnLog, nil
		}
		return Snapshot, nil
	}
	return TextLog, nil
}

// TxnPaths returns the paths of the transaction logs.
func (d *Data) TxnPaths() (paths []string) {
	for _, f := range d.Txns {
		paths = append(paths, f.Path)
	}
	return paths
}

// Newest returns the newest snapshot, or nil without snapshots.
func (d *Data) Newest() *storage.File {
	if len(d.Snapshots) == 0 {
		return nil
	}
	last := slices.MaxFunc(d.Snapshots, func(a, b storage.File) int { return cmp.Compare(a.Zxid, b.Zxid) })
	return &last
}
