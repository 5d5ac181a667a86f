package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// Removal is znodes to be deleted as they were read. They are added in the order of a walk.
type Removal struct {
	paths    []string
	versions []int32
}

// Add adds a znode with the version that it has.
func (r *Removal) Add(path string, version int32) {
	r.paths, r.versions = append(r.paths, path), append(r.versions, version)
}

// Len is how many there are.
func (r *Removal) Len() int { return len(r.paths) }

// each passes the changes to visit, children before their parents.
func (r *Removal) each(visit func(c *change) error) error {
	for i := len(r.paths) - 1; i >= 0; i-- {
		if err := visit(&change{op: remove, path: r.paths[i], version: r.versions[i], counts: Delete}); err != nil {
			return err
		}
	}
	return nil
}

// Remove deletes znodes. One that has changed or has other children stays, and is among the failed ones.
func Remove(ctx context.Context, conn *client.Conn, opt Options, gone *Removal) (*Result, error) {
	r := newRun(conn, opt)
	w := newWriter(ctx, r)
	defer w.close()
	r.w = w
	err := gone.each(w.add)
	if err == nil {
		err = w.flush()
	}
	if err != nil {
		w.settle()
	}
	return r.res, err
}

// ErrNotAtOnce means that changes cannot be made in one transaction: they are too many, or an ACL that could only be
// set afterwards would keep this session from creating children.
var ErrNotAtOnce = errors.New("the changes cannot be made in one transaction")

// The largest transaction: its bytes are below a server's default jute.maxbuffer.
const (
	onceBytes = 900 << 10
	onceParts = 10_000
)

// fits returns ErrNotAtOnce if the changes so far, and what is deleted instead, are too many.
func (w *writer) fits() error {
	if w.bytes > onceBytes || w.weight+w.opt.Instead.Len() > onceParts {
		return ErrNotAtOnce
	}
	return nil
}

// commit sends all changes as one transaction.
func (w *writer) commit() error {
	if w.res.Failed.N > 0 { // of a znode that could not be read
		return w.res.Failed.List[0].Err
	}
	if err := w.opt.Instead.each(func(c *change) error { w.push(c); return nil }); err != nil {
		return err
	}
	if err := w.fits(); err != nil {
		return err
	}
	ops := make([]proto.MultiOp, 0, w.weight)
	for _, c := range w.queue {
		ops = c.appendTo(ops)
	}
	f := &flight{changes: w.queue, started: w.conn.StartMulti(w.settled, ops)}
	w.queue = nil
	results, err := f.started.Wait()
	var loss *client.LossError
	if errors.As(err, &loss) && loss.Sent && !loss.InPart && loss.Code == proto.ErrConnectionLoss {
		if err := w.reconnect(err); err != nil {
			w.res.Unsure = len(f.changes)
			return err
		}
		if _, found := w.conn.Exists(w.ctx, w.opt.Root, false); found == nil { // it did not exist before
			err = nil
		}
	}
	// What may not be deleted may not be in steps either; what may not be created may be.
	var op *client.OpError
	if errors.Is(err, proto.ErrNoAuth) && !(errors.As(err, &op) && slices.Contains(w.opt.Instead.paths, op.Path)) {
		return fmt.Errorf("%w: %w", ErrNotAtOnce, err)
	}
	if err != nil {
		return err
	}
	w.landed(f, results)
	return nil
}
