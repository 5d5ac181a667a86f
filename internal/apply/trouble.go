package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
)

const (
	// maxFailed is after how many failures a run ends.
	maxFailed = 10_000
	// maxTries is how often a change is sent that the server neither does nor refuses for good.
	maxTries = 5
	// betweenTries is how long a run waits before it looks for a connection again.
	betweenTries = 200 * time.Millisecond
)

// ErrTooMany ends a run that cannot write most of the znodes.
var ErrTooMany = errors.New("too many znodes cannot be written")

// trouble deals with a multi that was refused, or whose outcome is unknown. Then its changes, and all others in flight
// behind it that did not happen either, are sent again one by one.
func (w *writer) trouble(first *flight, err error) error {
	var op *client.OpError
	var loss *client.LossError
	alone := len(first.changes) == 1
	switch {
	case alone && errors.As(err, &op):
		again, err := w.refused(first.changes[0], op)
		w.first(again)
		return err
	case alone && w.suspect(first.changes[0]) && errors.As(err, &loss) && loss.Code == proto.ErrConnectionLoss:
		c := first.changes[0]
		if c.tries++; c.tries == maxTries {
			why := fmt.Errorf("the connection was lost each time its %s bytes were sent, which may be more than the server's jute.maxbuffer: %w", command.Thousands(c.size()), err)
			return errors.Join(w.refuse(c, why), w.reconnect(err))
		}
	}
	var back []*change
	var lost error
	flying := append([]*flight{first}, w.flying...)
	w.flying = nil
	for i, f := range flying {
		var results []proto.MultiResult
		if i > 0 {
			results, err = w.wait(f)
		}
		switch {
		case err == nil:
			w.landed(f, results)
		case errors.As(err, &op) && op.Code == proto.ErrSessionMoved:
			lost = err
			back = append(back, w.unknown(f, true)...)
		case errors.As(err, &op):
			back = append(back, f.changes...)
		case errors.As(err, &loss) && loss.Code == proto.ErrConnectionLoss:
			lost = err
			back = append(back, w.unknown(f, loss.Sent && !loss.InPart)...)
		default:
			w.res.Unsure += len(f.changes)
			w.flying = append(w.flying, flying[i+1:]...) // settle waits for them
			return err
		}
	}
	w.first(back)
	if lost == nil {
		return nil
	}
	w.stuck++
	return w.reconnect(lost)
}

// suspectBytes is the size of changes that may be longer than a server accepts, even if that is much less than by default.
const suspectBytes = 64 << 10

// suspect reports whether the change itself may be why the connection was lost: because of its length, or because that happens again
// and again. It is then sent alone.
func (w *writer) suspect(c *change) bool {
	return c.lost && (c.size() >= suspectBytes || w.stuck >= maxTries)
}

// first puts changes before the others that are to be sent; each goes alone.
func (w *writer) first(changes []*change) {
	rest := w.queue
	w.queue = nil
	for _, c := range changes {
		w.push(c)
	}
	w.queue = append(w.queue, rest...)
	w.single += len(changes)
}

// unknown returns the changes of a multi whose outcome is not known. Pairs that may have been made are not made again:
// the parent is read, and then as many as are missing are made.
func (w *writer) unknown(f *flight, sent bool) []*change {
	for _, c := range f.changes {
		c.lost = true
	}
	if !sent {
		return f.changes
	}
	return slices.DeleteFunc(f.changes, func(c *change) bool {
		c.again = true
		return c.op == pair
	})
}

// reconnect waits for a connection.
func (w *writer) reconnect(lost error) error {
	w.opt.Lost(lost)
	until := time.Now().Add(patience)
	for {
		err := w.conn.WaitConnected(w.ctx)
		if err == nil {
			// What the session has sent before cannot happen any more: the leader knows that it has moved.
			if err = w.conn.Sync(w.ctx, "/"); err == nil {
				return nil
			}
		}
		if w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		if !w.conn.State().Alive() || time.Now().After(until) {
			return err
		}
		timer := time.NewTimer(betweenTries)
		select {
		case <-timer.C:
		case <-w.ctx.Done():
			timer.Stop()
			return context.Cause(w.ctx)
		}
	}
}

// refused deals with a change that the server refuses on its own. It returns what is to be sent instead.
func (w *writer) refused(c *change, op *client.OpError) ([]*change, error) {
	switch op.Code {
	case proto.ErrNotReadOnly:
		return nil, op
	case proto.ErrSessionMoved, proto.ErrThrottledOp, proto.ErrRequestTimeout:
		if c.tries++; c.tries < maxTries {
			if c.op == pair {
				return nil, nil
			}
			c.again = true
			return []*change{c}, w.reconnect(op)
		}
	}
	if c.found != nil { // it is no longer as it was found
		if n := len(w.doubted); n == 0 || w.doubted[n-1].Path != c.path {
			w.doubted = append(w.doubted, *c.found)
		}
		return nil, nil
	}
	if c.op == keep && c.again && op.Code == proto.ErrNodeExists {
		return nil, nil
	}
	if c.op == pair || c.op == keep {
		w.late.refused(c.path, op)
		return nil, nil
	}
	if c.op != remove && w.lostAbove(c.path) {
		if c.op == create {
			w.miss(c.path, nil)
		}
		return nil, nil
	}
	switch {
	case c.op == create && (op.Code == proto.ErrNodeExists || op.Code == proto.ErrNoAuth):
		return w.taken(c, op)
	case c.op == remove && op.Code == proto.ErrNoNode:
		w.done(c, nil)
		return nil, nil
	case (c.op == setData || c.op == setACL) && op.Code == proto.ErrBadVersion:
		same, stat, err := w.wanted(c)
		switch {
		case err != nil:
			return w.later(c, err)
		case same:
			w.done(c, &stat)
			return nil, nil
		case w.opt.Mine != nil:
			w.res.Foreign.add(c.path, errors.New("was changed by somebody else"))
			return nil, nil
		}
	}
	return nil, w.refuse(c, op)
}

// refuse records that a change cannot be made. It returns ErrTooMany if most cannot.
func (w *writer) refuse(c *change, err error) error {
	switch {
	case c.op == create:
		w.fail(c.path, err)
	case c.op == setACL && slices.ContainsFunc(w.res.Failed.List, func(f Failure) bool { return f.Path == c.path }):
		// so has the change of its data
	default:
		w.miss(c.path, err)
	}
	if w.res.Failed.N >= maxFailed {
		return fmt.Errorf("%w; the last one: %w", ErrTooMany, err)
	}
	return nil
}

// later sends a change again if it could not be found out what became of it.
func (w *writer) later(c *change, err error) ([]*change, error) {
	var loss *client.LossError
	if errors.As(err, &loss) && loss.Code == proto.ErrConnectionLoss {
		return []*change{c}, w.reconnect(err)
	}
	return nil, err
}

// wanted reports whether a znode has what a change wanted to give it.
func (w *writer) wanted(c *change) (bool, proto.Stat, error) {
	if c.op == setACL {
		acl, stat, err := w.conn.GetACL(w.ctx, c.path)
		return err == nil && w.opt.SameACL(acl, c.acl), stat, notOfZnode(err)
	}
	data, stat, err := w.conn.Get(w.ctx, c.path, false)
	return err == nil && bytes.Equal(data, c.data), stat, notOfZnode(err)
}

// notOfZnode returns an error that is not the server's answer.
func notOfZnode(err error) error {
	var op *client.OpError
	if errors.As(err, &op) {
		return nil
	}
	return err
}

// taken deals with a znode that cannot be created because it exists, or maybe exists: this session or an earlier one
// may have created it, or somebody else meanwhile.
func (w *writer) taken(c *change, op *client.OpError) ([]*change, error) {
	if err := w.conn.Sync(w.ctx, c.path); err != nil && notOfZnode(err) != nil {
		return w.later(c, err)
	}
	found, err := w.read(w.ctx, c.path, true)
	switch {
	case err != nil:
		return w.later(c, err)
	case found == nil && op.Code == proto.ErrNoAuth:
		w.fail(c.path, op)
		return nil, nil
	case found == nil:
		if c.tries++; c.tries < maxTries {
			return []*change{c}, nil
		}
		w.fail(c.path, op)
		return nil, nil
	}
	same := bytes.Equal(found.Data, c.data)
	if !found.Known {
		same = int(found.Stat.DataLength) == len(c.data)
	}
	if c.again && same && found.Stat.EphemeralOwner == 0 {
		w.done(c, &found.Stat) // this run created it
		return nil, nil
	}
	z := &source.Znode{Path: c.path, Known: true, Data: c.data, ACL: c.acl, Kind: c.kind, TTL: c.ttl}
	b := &branch{path: c.path}
	changes, err := w.compare(b, z, found)
	if err == nil && b.acl != nil {
		changes = append(changes, &change{op: setACL, path: b.path, acl: b.acl, version: b.aversion, counts: b.counts})
	}
	return changes, err
}
