package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/tempdir"
)

// The values of --via.
const (
	viaSession = "session"
	viaAdmin   = "admin"
)

// logTime is how long a transaction that a server has applied may take to appear in its log.
const logTime = 10 * time.Second

// open opens what is exported.
func (e *exporting) open(ctx context.Context, location string) (*source.Source, error) {
	if e.via != viaAdmin {
		return e.env.OpenApart(location)
	}
	return e.env.OpenWith(location, func(l source.Location, s source.Sessions) (*source.Source, error) {
		if l.Form == source.File {
			return nil, fmt.Errorf("--via admin asks servers, and %s is a file", escape.Line(location))
		}
		cfg, err := source.Config(l, s)
		if err != nil {
			return nil, err
		}
		if _, chroot, err := client.ParseServers(cfg.Servers); err != nil || chroot != "" {
			return nil, errors.Join(err, fmt.Errorf("--via admin reads the whole tree, without the chroot %s: leave it out, and name the whole path", escape.Line(chroot)))
		}
		if e.log != "" { // before anything is asked
			if files, err := storage.ReadDir(e.log); err != nil || len(files.Logs) == 0 {
				if err == nil {
					err = files.NoFiles("transaction log")
				}
				return nil, fmt.Errorf("--log: %w", err)
			}
		}
		return e.fetch(ctx, l, cfg)
	})
}

// fetch takes the tree of a member.
func (e *exporting) fetch(ctx context.Context, l source.Location, cfg client.Config) (_ *source.Source, err error) {
	dir, err := tempdir.Make("export")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = dir.Remove() // it is temporary
		}
	}()
	conn, err := client.Open(cfg)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.WaitConnected(ctx); err != nil { // the session is a transaction, too
		return nil, err
	}
	var file storage.File
	bar := newProgress(e.env, "received")
	err = e.env.Session.Tree(ctx, cfg, e.adminPort, func(zxid int64, snapshot io.Reader) error {
		file = storage.File{Path: filepath.Join(dir.Path(), storage.SnapshotName(zxid, "")), Zxid: zxid}
		f, err := os.OpenFile(file.Path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err = io.Copy(f, bar.reader(snapshot)); err == nil {
			err = f.Close()
		}
		if err != nil {
			return fmt.Errorf("receive the tree: %w", err)
		}
		return nil
	})
	bar.done()
	if err != nil {
		return nil, err
	}
	// Whatever the member changed while it wrote the tree, the leader has committed by now.
	if err := conn.Sync(ctx, "/"); err != nil {
		return nil, err
	}
	last := max(conn.Zxid(), file.Zxid)
	if e.log == "" || last == file.Zxid {
		return source.OpenTaken(l, file, last, dir.Remove), nil
	}
	src, err := e.complete(ctx, l, file, last)
	return src, errors.Join(err, dir.Remove())
}

// complete replays the logs on a tree.
func (e *exporting) complete(ctx context.Context, l source.Location, file storage.File, last int64) (src *source.Source, err error) {
	within, cancel := context.WithTimeout(ctx, logTime)
	defer cancel()
	_ = await.Until(within, func() bool { // err says what is missing
		src, err = source.OpenCompleted(ctx, l, file, e.log, last)
		return err == nil || !errors.Is(err, storage.ErrMissing)
	})
	if err != nil {
		return nil, fmt.Errorf("--log %s: %w; name the data directory of a member that is up to date", escape.Line(e.log), err)
	}
	return src, nil
}
