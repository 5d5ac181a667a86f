package logformatter

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/zkctl/zkctl/internal/storage"
)

// findLogs turns arguments (files or data directories) into logs in zxid order. A log named twice
// counts once.
func findLogs(args []string) ([]storage.File, error) {
	var logs []storage.File
	seen := map[string]bool{}
	add := func(f storage.File) {
		key, err := filepath.Abs(f.Path)
		if err != nil {
			key = f.Path
		}
		if !seen[key] {
			seen[key] = true
			logs = append(logs, f)
		}
	}
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case err != nil:
			return nil, fmt.Errorf("read a transaction log: %w", err)
		case info.IsDir():
			dir, err := storage.ReadDir(arg)
			if err != nil {
				return nil, err
			}
			if len(dir.Logs) == 0 {
				return nil, dir.NoFiles("transaction log")
			}
			for _, f := range dir.Logs {
				add(f)
			}
		default:
			add(storage.File{Path: arg, Zxid: firstZxid(arg), Size: info.Size()})
		}
	}
	slices.SortStableFunc(logs, func(a, b storage.File) int { return cmp.Compare(a.Zxid, b.Zxid) })
	return logs, nil
}

// firstZxid is the zxid in a log's name or, if the name has none, that of its first transaction.
func firstZxid(path string) int64 {
	if kind, zxid, ok := storage.ZxidOfName(filepath.Base(path)); ok && kind == "log" {
		return zxid
	}
	r, err := storage.OpenLog(path)
	if err != nil {
		return 0
	}
	defer r.Close()
	e, err := r.Next()
	if err != nil {
		return 0
	}
	return e.Header.Zxid
}

// isDir reports whether path is a directory.
func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// eachEntry calls visit with every entry of the log. It returns visit's error, or the error that
// cut the log short.
func eachEntry(path string, visit func(*storage.LogReader, *storage.Entry) error) error {
	r, err := storage.OpenLog(path)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := visit(r, e); err != nil {
			return err
		}
	}
}
