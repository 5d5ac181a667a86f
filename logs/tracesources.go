package logs

import (
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
	"github.com/zkctl/zkctl/internal/tempdir"
	"github.com/zkctl/zkctl/logs/internal/format"
)

// traceSources are what a trace reads.
type traceSources struct {
	logs []*source      // text, of servers, clients and audits; only read again
	txns []storage.File // transaction logs, in zxid order, each member's
	temp *tempdir.Dir   // what came by standard input
}

func (t *traceSources) close() {
	if t.temp != nil {
		_ = t.temp.Remove()
	}
}

// findSources tells text logs and transaction logs apart.
func (o *traceOptions) findSources(ctx context.Context) (*traceSources, error) {
	t := &traceSources{}
	var texts []string
	var unread []error
	for _, arg := range o.args {
		if arg == stdin {
			if t.temp != nil {
				continue
			}
			path, err := t.spool(ctx, o.streams.In)
			if err != nil {
				t.close()
				return nil, err
			}
			texts = append(texts, path)
			continue
		}
		logs, isText, failed := txnLogs(arg)
		unread = append(unread, failed...)
		t.txns = append(t.txns, logs...)
		if isText {
			texts = append(texts, arg)
		}
	}
	if n := len(unread); n > 0 && len(texts)+len(t.txns) == 0 && !o.live {
		o.skip(unread[:n-1]...)
		return nil, unread[n-1]
	}
	o.skip(unread...)
	slices.SortStableFunc(t.txns, func(a, b storage.File) int { return cmp.Compare(a.Zxid, b.Zxid) })
	t.txns = slices.CompactFunc(t.txns, func(a, b storage.File) bool { return a.Path == b.Path })
	if len(texts) > 0 {
		o.args = texts
		all, err := o.sources(ctx)
		if err != nil {
			t.close()
			return nil, err
		}
		label(all)
		t.logs = all
	}
	for _, s := range t.logs {
		if t.temp != nil && strings.HasPrefix(s.name, t.temp.Path()) {
			s.label = "stdin"
		}
	}
	return t, nil
}

// spool copies standard input to a file, because a trace reads its sources twice.
func (t *traceSources) spool(ctx context.Context, in io.Reader) (path string, err error) {
	if t.temp, err = tempdir.Make("trace"); err != nil {
		return "", err
	}
	path = filepath.Join(t.temp.Path(), "stdin.log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	if _, err = io.Copy(f, infile.Reader(ctx, in)); err != nil {
		f.Close()
		return "", fmt.Errorf("read standard input: %w", err)
	}
	return path, f.Close()
}

// mostTxnDirs limits how many data directories are taken from one folder.
const mostTxnDirs = 100

// txnLogs finds the transaction logs that an argument names. text reports whether it names text logs. unread is what of
// it cannot be read, but for what reading the text logs reports.
func txnLogs(arg string) (logs []storage.File, text bool, unread []error) {
	info, err := os.Stat(arg)
	if err != nil {
		return nil, false, []error{fmt.Errorf("read a source: %w", err)}
	}
	if !info.IsDir() {
		if isTxnLog(arg) {
			_, zxid, _ := storage.ZxidOfName(arg)
			return []storage.File{{Path: arg, Zxid: zxid, Size: info.Size()}}, false, nil
		}
		return nil, true, nil
	}
	dirs := []string{arg}
	_ = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path == arg:
			return err // format.Sets tells of it
		case err != nil, d.IsDir() && path != arg && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() && d.Name() == "version-2" && path != arg && len(dirs) < mostTxnDirs:
			dirs = append(dirs, path)
			return fs.SkipDir
		}
		return nil
	})
	for _, dir := range dirs {
		d, err := storage.ReadDir(dir)
		if err != nil {
			if dir != arg {
				unread = append(unread, err)
			}
			continue
		}
		for _, f := range d.Logs {
			if isTxnLog(f.Path) && !slices.ContainsFunc(logs, func(other storage.File) bool { return other.Path == f.Path }) {
				logs = append(logs, f)
			}
		}
	}
	sets, failed := format.Sets([]string{arg})
	for _, set := range sets {
		for _, name := range set.Files {
			if !isTxnLog(name) {
				return logs, true, unread
			}
		}
	}
	for _, err := range failed {
		if !errors.Is(err, format.ErrNoLog) {
			unread = append(unread, err)
		}
	}
	if len(logs) == 0 && len(unread) == 0 {
		unread = append(unread, fmt.Errorf("%s holds no log: no file whose name contains .log, .out or .txt, and no transaction log", arg))
	}
	return logs, false, unread
}

// isTxnLog reports whether a file is a transaction log: by its name, and by its first bytes.
func isTxnLog(path string) bool {
	if kind, _, ok := storage.ZxidOfName(path); !ok || kind != "log" {
		return false
	}
	r, err := storage.OpenLog(path)
	if err == nil {
		return r.Close() == nil
	}
	var fault *storage.Fault
	return errors.As(err, &fault)
}
