package apply

import (
	"context"
	"slices"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
)

const (
	// batchBytes keeps a multi well below a server's default jute.maxbuffer, and a server's queue even.
	batchBytes = 512 << 10
	// flights is how many full multis may wait for replies at the same time, and mostFlights how many in all.
	flights     = 16
	mostFlights = 256
)

// writer sends changes in the order in which they come. It is not safe for concurrent use.
//
// A session's requests reach the leader in the order in which they were sent, so that many may be in flight although a
// parent must be there before its children.
type writer struct {
	*run
	ctx     context.Context
	settled context.Context // lasts a while longer than ctx, so that the outcome of what is in flight is known
	release context.CancelFunc

	queue  []*change // to be sent
	single int       // the first ones, which go alone
	weight int       // of queue
	bytes  int
	flying []*flight                   // oldest first
	aloft  struct{ weight, bytes int } // of flying
	paced  time.Time                   // when the next multi may fly
	stuck  int                         // losses of the connection since something was written
}

// flight is a multi in flight, or a setACL.
type flight struct {
	changes       []*change
	weight, bytes int
	started       *client.Started
}

func newWriter(ctx context.Context, r *run) *writer {
	w := &writer{run: r, ctx: ctx}
	w.settled, w.release = command.Settling(ctx)
	return w
}

func (w *writer) close() { w.release() }

// add sends a change, or decides it in a dry run. It may wait for earlier ones.
func (w *writer) add(c *change) error {
	switch {
	case w.ctx.Err() != nil:
		return context.Cause(w.ctx)
	case w.lostAbove(c.path):
		if c.op == create {
			w.miss(c.path, nil)
		}
		return nil
	case w.opt.DryRun:
		w.done(c, nil)
		return nil
	}
	w.push(c)
	if w.opt.Instead != nil {
		return w.fits()
	}
	return w.pump(false)
}

func (w *writer) push(c *change) {
	w.queue = append(w.queue, c)
	w.weight += c.weight()
	w.bytes += c.size()
}

// flush waits until all changes are settled.
func (w *writer) flush() error {
	for len(w.queue) > 0 || len(w.flying) > 0 {
		if err := w.pump(true); err != nil {
			return err
		}
		if len(w.flying) > 0 {
			if err := w.collect(); err != nil {
				return err
			}
		}
	}
	return nil
}

// pump sends full multis, or all there is.
func (w *writer) pump(all bool) error {
	for len(w.queue) > 0 {
		if w.single == 0 && !all && w.weight < w.opt.Batch && w.bytes < batchBytes {
			return nil
		}
		suspect := w.suspect(w.queue[0])
		full := len(w.flying) >= mostFlights || w.aloft.weight >= flights*w.opt.Batch || w.aloft.bytes >= flights*batchBytes
		if len(w.flying) > 0 && (full || suspect || w.flying[0].started.Settled()) {
			if err := w.collect(); err != nil { // it may change the queue
				return err
			}
			continue
		}
		err := w.send()
		if err == nil && suspect && len(w.flying) > 0 { // it alone is in flight, so that it is known whether it broke the connection
			err = w.collect()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// send sends the next multi.
func (w *writer) send() error {
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	n, weight, bytes := 0, 0, 0
	for n < len(w.queue) {
		c := w.queue[n]
		if n > 0 && (w.single > 0 || c.op == setACL || w.queue[0].op == setACL || weight+c.weight() > w.opt.Batch || bytes+c.size() > batchBytes) {
			break
		}
		n++
		weight += c.weight()
		bytes += c.size()
	}
	f := &flight{changes: append([]*change(nil), w.queue[:n]...)}
	clear(w.queue[:n])
	w.queue = w.queue[n:]
	w.weight -= weight
	w.bytes -= bytes
	w.single = max(0, w.single-n)
	if err := w.pace(weight); err != nil {
		w.queue = append(f.changes, w.queue...)
		return err
	}
	f.changes = slices.DeleteFunc(f.changes, func(c *change) bool { // those above may have failed since
		lost := w.lostAbove(c.path)
		if lost && c.op == create {
			w.miss(c.path, nil)
		}
		return lost
	})
	if len(f.changes) == 0 {
		return nil
	}
	if err := w.announce(f.changes); err != nil {
		w.queue = append(f.changes, w.queue...)
		return err
	}
	ctx := w.settled
	if !slices.ContainsFunc(f.changes, (*change).replaces) { // a guard need not ask about what this run itself has made
		ctx = client.Unasked(ctx)
	}
	if c := f.changes[0]; c.op == setACL {
		f.started = w.conn.StartSetACL(ctx, c.path, c.acl, c.version)
	} else {
		ops := make([]proto.MultiOp, 0, weight)
		for _, c := range f.changes {
			ops = c.appendTo(ops)
		}
		f.started = w.conn.StartMulti(ctx, ops)
	}
	f.weight, f.bytes = weight, bytes
	w.aloft.weight += weight
	w.aloft.bytes += bytes
	w.flying = append(w.flying, f)
	return nil
}

// announce tells the caller what is about to be written. Pairs write nothing that lasts but the number.
func (w *writer) announce(changes []*change) error {
	if w.opt.Sends == nil {
		return nil
	}
	paths := make([]string, 0, len(changes))
	for _, c := range changes {
		if c.op != pair && c.op != keep {
			paths = append(paths, c.path)
		}
	}
	return w.opt.Sends(paths)
}

// wait waits for the reply to a multi that is no longer in flying.
func (w *writer) wait(f *flight) ([]proto.MultiResult, error) {
	w.aloft.weight -= f.weight
	w.aloft.bytes -= f.bytes
	return f.started.Wait()
}

// pace waits until the rate allows so many changes.
func (w *writer) pace(changes int) error {
	if w.opt.Rate <= 0 {
		return nil
	}
	now := time.Now()
	if w.paced.Before(now) {
		w.paced = now
	}
	wait := w.paced.Sub(now)
	w.paced = w.paced.Add(time.Duration(changes) * time.Second / time.Duration(w.opt.Rate))
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-w.ctx.Done():
		return context.Cause(w.ctx)
	}
}

// collect waits for the oldest multi.
func (w *writer) collect() error {
	f := w.flying[0]
	w.flying[0] = nil
	w.flying = w.flying[1:]
	results, err := w.wait(f)
	if err != nil {
		return w.trouble(f, err)
	}
	w.landed(f, results)
	return nil
}

// landed notes what a multi has done.
func (w *writer) landed(f *flight, results []proto.MultiResult) {
	w.stuck = 0
	at, made := 0, w.res.Pairs
	for _, c := range f.changes {
		var stat *proto.Stat
		if at < len(results) && c.op != pair {
			stat = results[at].Stat
		}
		if stat == nil && c.op == create { // before ZOOKEEPER-4026
			zxid := f.started.Zxid()
			stat = &proto.Stat{Czxid: zxid, Mzxid: zxid, Pzxid: zxid}
		}
		at += c.weight()
		w.done(c, stat)
	}
	if more := w.res.Pairs - made; more > 0 {
		w.opt.Paired(more)
		return
	}
	w.opt.Progress(w.res.settled())
}

// done notes a change, and the stat that the znode has now, if it is known.
func (w *writer) done(c *change, stat *proto.Stat) {
	switch c.op {
	case pair:
		w.res.Pairs += c.pairs
		return
	case keep:
		w.res.Pairs++
		return
	case create, setData, setACL:
		if !w.opt.DryRun {
			w.opt.Wrote(c.path, stat, !c.partly)
		}
	}
	if c.counts != "" {
		w.note(c.counts, c.path)
	}
}

// settle waits, after the run has ended early, for what is in flight, so that the result is exact.
func (w *writer) settle() {
	for _, f := range w.flying {
		switch results, err := w.wait(f); {
		case err == nil:
			w.landed(f, results)
		case command.Fatal(err) != nil:
			w.res.Unsure += len(f.changes)
		}
	}
	w.flying = nil
	for _, c := range w.queue {
		if c.again {
			w.res.Unsure++
		}
	}
}
