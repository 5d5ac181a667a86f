package client

import (
	"bytes"
	"context"
	"errors"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// StartMulti sends a multi without waiting for its reply, so that one goroutine can have many in
// flight. They reach the server in the order of the calls. The caller calls Wait once.
func (c *Conn) StartMulti(ctx context.Context, ops []proto.MultiOp) *Started {
	return c.startMulti(ctx, proto.OpMulti, ops)
}

// StartSetACL sends a setACL in the same way. Servers do not take one as a part of a multi.
func (c *Conn) StartSetACL(ctx context.Context, path string, acl []proto.ACL, version int32) *Started {
	s := &Started{c: c, ctx: ctx, op: proto.OpSetACL, path: path}
	if s.err = ValidatePath(path); s.err == nil {
		s.start(&proto.SetACLRequest{Path: c.real(path), ACL: acl, Version: version})
	}
	return s
}

// Started is a multi, or a setACL, whose reply is to come.
type Started struct {
	c    *Conn
	ctx  context.Context
	ops  []proto.MultiOp
	op   proto.Op
	path string // of a setACL
	call *call
	err  error // it was not sent
	zxid int64
}

// Zxid returns, after Wait, the zxid of the reply: for a write that was made, that of its transaction.
func (s *Started) Zxid() int64 { return s.zxid }

// Settled reports whether Wait would return at once.
func (s *Started) Settled() bool { return s.err != nil || len(s.call.done) > 0 }

func (c *Conn) startMulti(ctx context.Context, op proto.Op, ops []proto.MultiOp) *Started {
	req := proto.MultiRequest{Ops: ops}
	if c.chroot != "" {
		req.Ops = make([]proto.MultiOp, len(ops))
		for i, o := range ops {
			req.Ops[i] = proto.MultiOp{Type: o.Type, Request: c.chrooted(o.Request)}
		}
	}
	s := &Started{c: c, ctx: ctx, ops: ops, op: op}
	s.start(&req)
	return s
}

func (s *Started) start(req jute.Record) {
	if s.err = s.c.guarded(s.ctx, s.op, req); s.err == nil {
		s.call = newCall(s.ctx, s.op, req)
		s.err = s.c.pass(s.call)
	}
}

// Wait waits for the reply. It returns what Multi does: for a setACL one result, with the stat.
func (s *Started) Wait() ([]proto.MultiResult, error) {
	c, ops := s.c, s.ops
	if s.err != nil {
		return nil, s.err
	}
	if err := c.await(s.ctx, s.op, s.call); err != nil {
		return nil, err
	}
	s.zxid = s.call.zxid
	if s.op == proto.OpSetACL {
		var res proto.StatResponse
		err := c.named(s.path, s.op, s.call.result(&res))
		s.call.release()
		return []proto.MultiResult{{Type: s.op, Stat: &res.Stat}}, err
	}
	res := proto.MultiResponse{Most: len(ops)}
	err := c.named("", s.op, s.call.result(&res))
	s.call.release()
	for i := range res.Results {
		r := &res.Results[i]
		r.Path = c.shown(r.Path)
		if s.op == proto.OpMulti && err == nil && r.Err != 0 && r.Err != proto.ErrRuntimeInconsistency && i < len(ops) {
			err = &OpError{Op: ops[i].Type, Path: requestPath(ops[i].Request), Code: r.Err}
		}
	}
	return res.Results, err
}

// StartRead sends an exists, getData, getChildren, getChildren2 or getACL in the same way. The path must be valid.
func (c *Conn) StartRead(ctx context.Context, op proto.Op, path string, watch bool) Reading {
	r := Reading{c: c, ctx: ctx, op: op, path: path}
	var req jute.Record = &proto.PathWatchRequest{Path: c.real(path), Watch: watch}
	if op == proto.OpGetACL {
		req = &proto.PathRequest{Path: c.real(path)}
	}
	r.call = newCall(ctx, op, req)
	r.err = c.pass(r.call)
	return r
}

// Reading is a request of StartRead whose reply is to come.
type Reading struct {
	c    *Conn
	ctx  context.Context
	op   proto.Op
	path string
	call *call
	err  error    // it was not sent
	same *sameACL // may be nil
}

// sameACL is the last list that was read: znodes that have the same share it.
type sameACL struct {
	raw  []byte
	list []proto.ACL
}

// is reports whether the reply to a getACL has that list.
func (s *sameACL) is(k *call) bool {
	if s == nil || len(s.raw) == 0 || k.err != nil || k.code != proto.OK {
		return false
	}
	n := len(s.raw)
	return len(k.reply) == n+proto.StatSize && bytes.Equal(k.reply[:n], s.raw)
}

// Answer is what a server says of a znode: what its operation tells, or Err, an *OpError.
type Answer struct {
	Names []string // of the children, in no order
	Stat  proto.Stat
	Data  []byte // nil if null
	ACL   []proto.ACL
	Err   error
}

// Arrived reports whether Wait would return at once.
func (r *Reading) Arrived() bool { return r.err != nil || len(r.call.done) > 0 }

// Wait waits for the reply. It is called once. err says why there is no answer.
func (r *Reading) Wait() (a Answer, err error) {
	if r.err != nil {
		return a, r.err
	}
	if err := r.c.await(r.ctx, r.op, r.call); err != nil {
		return a, err
	}
	read := func(res jute.Record) { a.Err = r.c.named(r.path, r.op, r.call.result(res)) }
	switch r.op {
	case proto.OpGetChildren:
		var res proto.GetChildrenResponse
		read(&res)
		a.Names = res.Children
	case proto.OpGetChildren2:
		var res proto.GetChildren2Response
		read(&res)
		a.Names, a.Stat = res.Children, res.Stat
	case proto.OpGetData:
		var res proto.GetDataResponse
		read(&res)
		a.Data, a.Stat = res.Data, res.Stat
	case proto.OpExists:
		var res proto.StatResponse
		read(&res)
		a.Stat = res.Stat
	case proto.OpGetACL:
		if r.same.is(r.call) {
			a.ACL = r.same.list
			a.Stat.Visit(jute.NewDecoder(r.call.reply[len(r.same.raw):]))
			break
		}
		var res proto.GetACLResponse
		read(&res)
		a.ACL, a.Stat = res.ACL, res.Stat
		if reply := r.call.reply; r.same != nil && a.Err == nil && len(reply) > proto.StatSize {
			r.same.raw, r.same.list = reply[:len(reply)-proto.StatSize], res.ACL
		}
	}
	r.call.release()
	var refused *OpError
	if a.Err != nil && !errors.As(a.Err, &refused) {
		return Answer{}, a.Err
	}
	return a, nil
}
