package commands

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
)

const (
	// batchBytes keeps a batch below a server's default jute.maxbuffer.
	batchBytes = 900 << 10
	// deleteOverhead is what a delete adds to its path in a multi: header, length, version.
	deleteOverhead = 9 + 4 + 4
	// batchesInFlight is how many multis may wait for replies at the same time.
	batchesInFlight = 16
	// deleteRounds is how many times new children of a znode are deleted before giving up.
	deleteRounds = 5
	// maxLate is how often such children are listed in all.
	maxLate = 10_000
)

// deletion deletes znodes in batches. It is not safe for concurrent use.
type deletion struct {
	conn     *client.Conn
	size     int              // znodes per batch
	only     bool             // the znodes alone: not what appeared below them
	versions map[string]int32 // that the znodes must have; nil if any will do
	deleted  int              // so far, including znodes deleted by others
	unsure   int              // were in flight when the wait for replies ended
	failed   command.Failures // those that the server refuses to delete
	staying  map[string]bool  // those and all their ancestors
	late     int              // listings of children that came after the tree was listed
	progress func()
}

// stays records that the server refuses to delete a znode; its ancestors stay too. It returns any
// other error.
func (d *deletion) stays(path string, err error) error {
	if other := d.failed.Add(err); other != nil {
		return other
	}
	for path != "" && !d.staying[path] {
		if d.staying == nil {
			d.staying = map[string]bool{}
		}
		d.staying[path] = true
		path = path[:strings.LastIndexByte(path, '/')]
	}
	return nil
}

// leaving returns the paths without those that stay.
func (d *deletion) leaving(paths []string) []string {
	if len(d.staying) == 0 {
		return paths
	}
	return slices.DeleteFunc(slices.Clone(paths), func(path string) bool { return d.staying[path] })
}

// batch holds znodes for one multi, children before parents.
type batch struct {
	paths []string
	after int // batches with lower numbers hold children of these and must be done first
}

// batches splits paths that are in order from the leaves up.
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
			if c.last > len(all) { // children in the same batch come first
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

// run deletes the paths, which are in order from the leaves up, until ctx ends or the session
// fails. It then waits for what is in flight, so that deleted is exact. What the server refuses
// to delete is recorded, and the rest is deleted.
func (d *deletion) run(ctx context.Context, paths []string) error {
	all := batches(paths, d.size)
	settled, cancel := command.Settling(ctx)
	defer cancel()
	type outcome struct {
		number int
		paths  []string
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
			number, paths := next, d.leaving(all[next].paths)
			go func() {
				var err error
				if len(paths) > 0 {
					_, err = d.conn.Multi(settled, d.ops(paths))
				}
				outcomes <- outcome{number, paths, err}
			}()
			next++
			flying++
		}
		if flying == 0 {
			break
		}
		o := <-outcomes
		flying--
		switch {
		case o.err == nil:
			d.deleted += len(o.paths)
		case command.Fatal(o.err) != nil:
			d.unsure += len(o.paths)
		case failure == nil:
			o.err = d.oneByOne(ctx, o.paths)
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

// version is the one that a znode must have.
func (d *deletion) version(path string) int32 {
	if v, known := d.versions[path]; known {
		return v
	}
	return -1
}

func (d *deletion) ops(paths []string) []proto.MultiOp {
	ops := make([]proto.MultiOp, len(paths))
	for i, p := range paths {
		ops[i] = proto.MultiOp{Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: p, Version: d.version(p)}}
	}
	return ops
}

// oneByOne deletes the znodes of a batch that failed as a whole, because one of them was deleted,
// got a child, or may not be deleted.
func (d *deletion) oneByOne(ctx context.Context, paths []string) error {
	settled, cancel := command.Settling(ctx)
	defer cancel()
	for len(paths) > 0 {
		// Znodes of the same depth do not wait for each other.
		n, depth := 1, strings.Count(paths[0], "/")
		for n < len(paths) && strings.Count(paths[n], "/") == depth {
			n++
		}
		level := d.leaving(paths[:n])
		paths = paths[n:]
		errs := make([]error, len(level))
		command.ForEach(ctx, len(level), command.InFlight, func(i int) error {
			errs[i] = d.conn.Delete(settled, level[i], d.version(level[i]))
			return command.Fatal(errs[i])
		}, errs, func(int) {})
		var failure error
		for i, err := range errs {
			if errors.Is(err, proto.ErrNotEmpty) && failure == nil && !d.only {
				err = d.again(ctx, level[i])
			}
			if err == nil || errors.Is(err, proto.ErrNoNode) {
				d.deleted++
			} else if err = d.stays(level[i], err); err != nil && failure == nil {
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

// again deletes a znode that got children after the tree was listed, together with those
// children.
func (d *deletion) again(ctx context.Context, path string) (err error) {
	for range deleteRounds {
		if d.late++; d.late > maxLate { // new ones come as fast as they are deleted
			return &client.OpError{Op: proto.OpDelete, Path: path, Code: proto.ErrNotEmpty}
		}
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
