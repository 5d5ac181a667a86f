package commands

import (
	"context"
	"errors"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

const (
	// batchBytes bounds a batch below a server's default jute.maxbuffer.
	batchBytes = 900 << 10
	// deleteOverhead is what a delete adds to its path in a multi: header, length, version.
	deleteOverhead = 9 + 4 + 4
	// batchesInFlight is how many multis wait for replies at once.
	batchesInFlight = 16
	// deleteRounds is how often new children of a znode are deleted before giving up.
	deleteRounds = 5
)

// deletion deletes znodes in batches. It belongs to one goroutine.
type deletion struct {
	conn     *client.Conn
	size     int // znodes per batch
	deleted  int // so far, znodes that went by themselves included
	unsure   int // were on their way when the wait for replies ended
	progress func()
}

// batch is znodes that one multi deletes, children before parents.
type batch struct {
	paths []string
	after int // batches with lower numbers hold children of these and must be done before
}

// batches splits paths, which are in order from the leaves up.
func batches(paths []string, size int) []batch {
	var all []batch
	type children struct{ last, before int } // 1 + the last batch with a child, and the last but one
	below := map[string]children{}
	for len(paths) > 0 {
		b := batch{}
		bytes, n := 0, 0
		for n < len(paths) && n < size && (n == 0 || bytes+len(paths[n])+deleteOverhead <= batchBytes) {
			path := paths[n]
			bytes += len(path) + deleteOverhead
			c := below[path]
			if c.last > len(all) { // children in the same batch come before
				c.last = c.before
			}
			b.after = max(b.after, c.last)
			delete(below, path)
			if slash := strings.LastIndexByte(path, '/'); slash > 0 {
				if c := below[path[:slash]]; c.last <= len(all) {
					below[path[:slash]] = children{len(all) + 1, c.last}
				}
			}
			n++
		}
		b.paths, paths = paths[:n], paths[n:]
		all = append(all, b)
	}
	return all
}

// run deletes the paths, which are in order from the leaves up, until the first failure or
// until ctx ends. What is on its way then is waited for, so that deleted is exact.
func (d *deletion) run(ctx context.Context, paths []string) error {
	all := batches(paths, d.size)
	settled, cancel := settling(ctx)
	defer cancel()
	type outcome struct {
		number int
		err    error
	}
	outcomes := make(chan outcome)
	done := make([]bool, len(all))
	var failure error
	next, first, flying := 0, 0, 0 // first is the lowest number that is not done
	for next < len(all) || flying > 0 {
		for failure == nil && next < len(all) && flying < batchesInFlight && all[next].after <= first {
			if failure = ctx.Err(); failure != nil {
				break
			}
			number, ops := next, deleteOps(all[next].paths)
			go func() {
				_, err := d.conn.Multi(settled, ops)
				outcomes <- outcome{number, err}
			}()
			next++
			flying++
		}
		if flying == 0 {
			break
		}
		o := <-outcomes
		flying--
		if o.err != nil && failure == nil && changed(o.err) {
			o.err = d.oneByOne(ctx, all[o.number].paths)
		} else if o.err == nil {
			d.deleted += len(all[o.number].paths)
		} else if fatal(o.err) != nil {
			d.unsure += len(all[o.number].paths)
		}
		if o.err != nil && failure == nil {
			failure = o.err
		}
		d.progress()
		done[o.number] = true
		for first < len(all) && done[first] {
			first++
		}
	}
	return failure
}

func deleteOps(paths []string) []proto.MultiOp {
	ops := make([]proto.MultiOp, len(paths))
	for i, p := range paths {
		ops[i] = proto.MultiOp{Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: p, Version: -1}}
	}
	return ops
}

// changed tells whether a delete failed because the tree is not what it was when listed.
func changed(err error) bool {
	return errors.Is(err, proto.ErrNoNode) || errors.Is(err, proto.ErrNotEmpty)
}

// oneByOne deletes the znodes of a batch that failed as a whole, because one of them had
// gone or had got a child.
func (d *deletion) oneByOne(ctx context.Context, paths []string) error {
	settled, cancel := settling(ctx)
	defer cancel()
	for len(paths) > 0 {
		// Znodes of the same depth do not wait for each other.
		n, depth := 1, strings.Count(paths[0], "/")
		for n < len(paths) && strings.Count(paths[n], "/") == depth {
			n++
		}
		level := paths[:n]
		paths = paths[n:]
		errs := make([]error, len(level))
		forEach(ctx, len(level), inFlight, func(i int) error {
			errs[i] = d.conn.Delete(settled, level[i], -1)
			return fatal(errs[i])
		}, errs, func(int) {})
		var failure error
		for i, err := range errs {
			if errors.Is(err, proto.ErrNotEmpty) && failure == nil {
				err = d.again(ctx, level[i])
			}
			if err == nil || errors.Is(err, proto.ErrNoNode) {
				d.deleted++
			} else if failure == nil {
				failure = err
			}
		}
		d.progress()
		if failure != nil {
			return failure
		}
	}
	return nil
}

// again deletes a znode that got children after the tree was listed, and those children.
func (d *deletion) again(ctx context.Context, path string) (err error) {
	for range deleteRounds {
		var children []string
		if children, _, err = d.conn.Children(ctx, path, false); err != nil {
			return err
		}
		for _, c := range children {
			c = childPath(path, c)
			err := d.conn.Delete(ctx, c, -1)
			if errors.Is(err, proto.ErrNotEmpty) {
				err = d.again(ctx, c)
			}
			if err != nil && !errors.Is(err, proto.ErrNoNode) {
				return err
			}
		}
		if err = d.conn.Delete(ctx, path, -1); !errors.Is(err, proto.ErrNotEmpty) {
			return err
		}
	}
	return err
}
