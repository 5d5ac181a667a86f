package client

import (
	"context"

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
}

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
