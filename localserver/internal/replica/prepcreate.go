package replica

import (
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

func (p *prep) create(op proto.Op, q *proto.CreateRequest) (jute.Record, proto.Error) {
	return p.createAny(op, q, -1)
}

func (p *prep) createTTL(op proto.Op, q *proto.CreateTTLRequest) (jute.Record, proto.Error) {
	return p.createAny(op, &proto.CreateRequest{Path: q.Path, Data: q.Data, ACL: q.ACL, Flags: q.Flags}, q.TTL)
}

// createAny makes the transaction of any kind of create. ttl is in milliseconds, -1 for none.
func (p *prep) createAny(op proto.Op, q *proto.CreateRequest, ttl int64) (jute.Record, proto.Error) {
	mode := q.Flags
	if !mode.Valid() {
		return nil, proto.ErrBadArguments
	}
	if mode.IsTTL() && !p.s.opt.ExtendedTypes {
		return nil, proto.ErrUnimplemented
	}
	if mode.IsTTL() != (ttl >= 0) || mode.IsTTL() && (ttl == 0 || ttl > proto.MaxTTL) {
		return nil, proto.ErrBadArguments
	}
	if op == proto.OpCreateTTL && ttl < 0 {
		return nil, proto.ErrBadArguments // Apache ZooKeeper accepts it, and crashes
	}
	check := p.session
	if mode.IsEphemeral() {
		check = p.owner
	}
	if err := check(); err != 0 {
		return nil, err
	}
	if p.mark == nil && nullPath(p.r) {
		return nil, proto.ErrMarshallingError
	}
	i := strings.LastIndexByte(q.Path, '/')
	if i < 0 || strings.IndexByte(q.Path, 0) >= 0 {
		return nil, proto.ErrBadArguments
	}
	list, err := p.s.auth.fixupACL(javaACL(q.ACL), p.r.Auth)
	if err != 0 {
		return nil, err
	}
	parent := p.look(q.Path[:i])
	if parent == nil {
		return nil, proto.ErrNoNode
	}
	if err := p.s.checkList(parent.acl, proto.PermCreate, p.r.Auth); err != 0 {
		return nil, err
	}
	path := q.Path
	if mode.IsSequential() {
		path += fmt.Sprintf("%010d", parent.stat.Cversion)
	}
	switch {
	case !validPath(path):
		return nil, proto.ErrBadArguments
	case p.look(path) != nil:
		return nil, proto.ErrNodeExists
	case proto.EphemeralTypeOf(parent.stat.EphemeralOwner) == proto.EphemeralNormal:
		return nil, proto.ErrNoChildrenForEphemeral
	}
	if err := p.s.quota.check(p.s.tree, path, int64(len(q.Data)), 1); err != 0 {
		return nil, err
	}
	cversion := parent.stat.Cversion + 1
	owner := int64(0)
	var body jute.Record
	switch {
	case op == proto.OpCreateContainer:
		body = &proto.CreateContainerTxn{Path: path, Data: q.Data, ACL: list, ParentCVersion: cversion}
	case op == proto.OpCreateTTL:
		body = &proto.CreateTTLTxn{Path: path, Data: q.Data, ACL: list, ParentCVersion: cversion, TTL: ttl}
	default:
		body = &proto.CreateTxn{Path: path, Data: q.Data, ACL: list, Ephemeral: mode.IsEphemeral(), ParentCVersion: cversion}
	}
	// By what the transaction will do: an operation may carry another's mode.
	switch {
	case op == proto.OpCreateContainer:
		owner = proto.ContainerOwner
	case op == proto.OpCreateTTL:
		owner = proto.TTLOwner(ttl)
	case mode.IsEphemeral():
		owner = p.r.Session
	}
	p.alter(parent, func(c *change) {
		c.children++
		c.stat.Cversion, c.stat.Pzxid = cversion, p.header.Zxid
	})
	z, t := p.header.Zxid, p.header.Time
	p.enter(&change{path: path, acl: &ztree.ACL{List: list}, data: q.Data,
		stat: proto.StatPersisted{Czxid: z, Mzxid: z, Pzxid: z, Ctime: t, Mtime: t, EphemeralOwner: owner}}, 0)
	return body, 0
}

func (p *prep) reconfig(_ proto.Op, q *proto.ReconfigRequest) (jute.Record, proto.Error) {
	if !p.s.opt.ReconfigEnabled {
		return nil, proto.ErrReconfigDisabled
	}
	if err := p.session(); err != 0 {
		return nil, err
	}
	config, err := p.s.leader.Reconfig(q, p.header.Zxid)
	if err != nil {
		if code, ok := err.(proto.Error); ok {
			return nil, code
		}
		return nil, proto.ErrSystemError
	}
	n := p.look(proto.ConfigPath)
	if n == nil {
		return nil, proto.ErrNoNode
	}
	if err := p.s.checkList(n.acl, proto.PermWrite, p.r.Auth); err != 0 {
		return nil, err
	}
	p.alter(n, func(c *change) {
		c.fill(config)
		c.stat.Version, c.stat.Mtime, c.stat.Mzxid = -1, p.header.Time, p.header.Zxid
	})
	p.config = config
	return &proto.SetDataTxn{Path: proto.ConfigPath, Data: config, Version: -1}, 0
}

// validPath is PathUtils.validatePath, which checks UTF-16.
func validPath(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	if path == "/" {
		return true
	}
	if path[len(path)-1] == '/' {
		return false
	}
	for name := range strings.SplitSeq(path[1:], "/") {
		if name == "" || name == "." || name == ".." {
			return false
		}
	}
	for _, r := range path {
		switch {
		case r == 0, r >= 0x01 && r <= 0x1f, r >= 0x7f && r <= 0x9f,
			r >= 0xd800 && r <= 0xf8ff, r >= 0xfff0 && r <= 0xffff,
			utf16.IsSurrogate(r), r > 0xffff:
			return false
		}
	}
	return true
}
