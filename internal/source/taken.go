package source

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/storage"
)

// taken is znodes in a snapshot that is removed with the source.
type taken struct {
	walker
	moment Moment
	remove func() error
}

// Walk knows more about the moment than the snapshot does.
func (t *taken) Walk(ctx context.Context, opt Options, visit func(*Znode) error) (Report, error) {
	if tell := opt.Moment; tell != nil {
		opt.Moment = func(Moment) { tell(t.moment) }
	}
	return t.walker.Walk(ctx, opt, visit)
}

func (t *taken) Close() error { return errors.Join(t.walker.Close(), t.remove()) }

// OpenTaken opens a snapshot that a server of a live location has sent, which may be fuzzy up to a zxid. Closing the source
// removes it.
func OpenTaken(l Location, snapshot storage.File, until int64, remove func() error) *Source {
	m := Moment{Start: snapshot.Zxid, End: until, Consistent: snapshot.Zxid == until}
	return &Source{l, &taken{&file{path: l.Path, name: snapshot.Path}, m, remove}}
}

// OpenCompleted opens what a live location was at a zxid, given such a snapshot that is fuzzy up to it, and the logs after it.
// If the logs do not reach it, the error wraps storage.ErrMissing. The snapshot is no longer needed then.
func OpenCompleted(ctx context.Context, l Location, snapshot storage.File, logs string, zxid int64) (*Source, error) {
	files, err := storage.ReadDir(logs)
	if err != nil {
		return nil, err
	}
	if len(files.Logs) == 0 {
		return nil, files.NoFiles("transaction log")
	}
	files.Snapshots = []storage.File{snapshot}
	d := &dir{path: l.Path, files: files, moment: storage.LoadOptions{Zxid: zxid}}
	if zxid&0xffffffff == 0 { // of a new epoch without a transaction
		d.moment.Zxid = 0
	}
	d.moment.State = &d.state
	defer client.LessGarbage()()
	if d.tree, d.faults, err = files.Load(ctx, d.moment); err != nil {
		return nil, err
	}
	if zxid&0xffffffff == 0 && d.tree.LastZxid() < snapshot.Zxid {
		return nil, fmt.Errorf("%w: the logs end before 0x%x", storage.ErrMissing, zxid)
	}
	d.state = storage.State{Zxid: d.tree.LastZxid(), Exact: true} // whatever the snapshot tells: its server had written it by then
	return &Source{l, d}, nil
}
