package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/zkctl/zkctl/internal/evidence"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/tempdir"
)

// traceSources are what a trace reads.
type traceSources struct {
	logs []*source      // text, of servers, clients and audits; only read again
	txns []storage.File // transaction logs, in zxid order, each member's
	temp *tempdir.Dir   // what can be read only once: standard input, pipes
}

func (t *traceSources) close() {
	if t.temp != nil {
		_ = t.temp.Remove()
	}
}

// findSources opens the sources that the arguments name.
func (o *traceOptions) findSources(ctx context.Context) (*traceSources, error) {
	found, err := evidence.Find(ctx, o.args)
	if err != nil {
		return nil, err
	}
	t := &traceSources{}
	if err := t.take(ctx, o, found); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *traceSources) take(ctx context.Context, o *traceOptions, found *evidence.Sources) error {
	texts := found.Logs
	for _, name := range found.Once {
		path, err := t.spool(ctx, name, o.streams.In)
		if err != nil {
			return err
		}
		if o.spooled == nil {
			o.spooled = map[string]string{}
		}
		o.spooled[path] = name
		texts = append(texts, path)
	}
	for _, d := range found.Data {
		for _, f := range d.Txns {
			if f.Zxid < 0 {
				f.Zxid = firstZxid(f.Path)
			}
			t.txns = append(t.txns, f)
		}
	}
	slices.SortStableFunc(t.txns, func(a, b storage.File) int { return cmp.Compare(a.Zxid, b.Zxid) })
	unread := append(found.Absent, found.Unread...)
	if len(texts)+len(t.txns) == 0 && !o.live {
		if len(unread) == 0 {
			return errors.New("the sources are snapshots; a trace needs text logs or transaction logs")
		}
		o.skip(unread[1:]...)
		return unread[0]
	}
	o.skip(unread...)
	o.args = texts
	if len(texts) == 0 {
		return o.checkFileOptions(nil)
	}
	all, err := o.sources(ctx)
	if err != nil {
		return err
	}
	t.logs = all
	label(all)
	for _, s := range all {
		if name := o.given(s.name); name == stdin {
			s.name, s.label = name, "stdin"
		} else if name != s.name {
			s.name, s.label = name, filepath.Base(name)
		}
	}
	return nil
}

// firstZxid is that of the first transaction of a log, 0 if there is none.
func firstZxid(path string) int64 {
	r, err := storage.OpenLog(path)
	if err != nil {
		return 0 // who reads it reports that
	}
	defer r.Close()
	if e, err := r.Next(); err == nil {
		return e.Header.Zxid
	}
	return 0
}

// spool copies what can be read only once to a file, because a trace reads its sources twice.
func (t *traceSources) spool(ctx context.Context, name string, stdinput io.Reader) (path string, err error) {
	if t.temp == nil {
		if t.temp, err = tempdir.Make("trace"); err != nil {
			return "", err
		}
	}
	in := stdinput
	if name != stdin {
		pipe, err := infile.Open(ctx, name)
		if err != nil {
			return "", fmt.Errorf("read a source: %w", err)
		}
		defer pipe.Close()
		in = pipe
	}
	f, err := os.CreateTemp(t.temp.Path(), "*.log")
	if err != nil {
		return "", err
	}
	if _, err = io.Copy(f, infile.Reader(ctx, in)); err != nil {
		f.Close()
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	return f.Name(), f.Close()
}
