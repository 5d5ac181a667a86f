package client

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// Each operation takes paths as the caller sees them, below the chroot. It fails with an *OpError
// if the server returned an error, a *LossError if the connection broke, or the context's error.
// Version -1 matches any version.

// Create creates a znode and returns its path, including the counter that the server appended to
// a sequential one. The znode's stat requires create2 (3.5); on older servers Stat is zero. ttl,
// in milliseconds, only applies to the TTL modes.
func (c *Conn) Create(ctx context.Context, path string, data []byte, acl []proto.ACL, mode proto.CreateMode, ttl int64) (string, proto.Stat, error) {
	if err := ValidateCreatePath(path, mode.IsSequential()); err != nil {
		return "", proto.Stat{}, err
	}
	op := CreateOp(c.real(path), data, acl, mode, ttl)
	var res proto.Create2Response
	err := c.op(ctx, path, op.Type, op.Request, &res)
	if errors.Is(err, proto.ErrUnimplemented) && op.Type == proto.OpCreate2 {
		var old proto.PathResponse
		err = c.op(ctx, path, proto.OpCreate, op.Request, &old)
		res.Path = old.Path
	}
	return c.shown(res.Path), res.Stat, err
}

// CreateOp returns the create as part of a multi.
func CreateOp(path string, data []byte, acl []proto.ACL, mode proto.CreateMode, ttl int64) proto.MultiOp {
	switch {
	case mode.IsTTL():
		return proto.MultiOp{Type: proto.OpCreateTTL, Request: &proto.CreateTTLRequest{Path: path, Data: data, ACL: acl, Flags: mode, TTL: ttl}}
	case mode == proto.Container:
		return proto.MultiOp{Type: proto.OpCreateContainer, Request: &proto.CreateRequest{Path: path, Data: data, ACL: acl, Flags: mode}}
	}
	return proto.MultiOp{Type: proto.OpCreate2, Request: &proto.CreateRequest{Path: path, Data: data, ACL: acl, Flags: mode}}
}

// Delete removes a znode that has no children.
func (c *Conn) Delete(ctx context.Context, path string, version int32) error {
	return c.pathOp(ctx, path, proto.OpDelete, &proto.PathVersionRequest{Path: c.real(path), Version: version}, nil)
}

// Exists returns the znode's stat, or proto.ErrNoNode. It sets the watch in both cases.
func (c *Conn) Exists(ctx context.Context, path string, watch bool) (proto.Stat, error) {
	var res proto.StatResponse
	err := c.pathOp(ctx, path, proto.OpExists, &proto.PathWatchRequest{Path: c.real(path), Watch: watch}, &res)
	return res.Stat, err
}

// Get returns the znode's data (nil if null) and its stat.
func (c *Conn) Get(ctx context.Context, path string, watch bool) ([]byte, proto.Stat, error) {
	var res proto.GetDataResponse
	err := c.pathOp(ctx, path, proto.OpGetData, &proto.PathWatchRequest{Path: c.real(path), Watch: watch}, &res)
	return res.Data, res.Stat, err
}

// Set replaces the znode's data.
func (c *Conn) Set(ctx context.Context, path string, data []byte, version int32) (proto.Stat, error) {
	var res proto.StatResponse
	err := c.pathOp(ctx, path, proto.OpSetData, &proto.SetDataRequest{Path: c.real(path), Data: data, Version: version}, &res)
	return res.Stat, err
}

// GetACL returns the znode's ACL and its stat.
func (c *Conn) GetACL(ctx context.Context, path string) ([]proto.ACL, proto.Stat, error) {
	var res proto.GetACLResponse
	err := c.pathOp(ctx, path, proto.OpGetACL, &proto.PathRequest{Path: c.real(path)}, &res)
	return res.ACL, res.Stat, err
}

// SetACL replaces the znode's ACL; version is the ACL's version.
func (c *Conn) SetACL(ctx context.Context, path string, acl []proto.ACL, version int32) (proto.Stat, error) {
	var res proto.StatResponse
	err := c.pathOp(ctx, path, proto.OpSetACL, &proto.SetACLRequest{Path: c.real(path), ACL: acl, Version: version}, &res)
	return res.Stat, err
}

// Children returns the names of the znode's children, in no order, and its stat.
func (c *Conn) Children(ctx context.Context, path string, watch bool) ([]string, proto.Stat, error) {
	var res proto.GetChildren2Response
	err := c.pathOp(ctx, path, proto.OpGetChildren2, &proto.PathWatchRequest{Path: c.real(path), Watch: watch}, &res)
	return res.Children, res.Stat, err
}

// Sync makes the server catch up with the leader.
func (c *Conn) Sync(ctx context.Context, path string) error {
	return c.pathOp(ctx, path, proto.OpSync, &proto.PathRequest{Path: c.real(path)}, &proto.PathResponse{})
}

// Check fails unless the znode exists and has the version. It is a multi with one part, the only
// form that servers answer.
func (c *Conn) Check(ctx context.Context, path string, version int32) error {
	results, err := c.Multi(ctx, []proto.MultiOp{{Type: proto.OpCheck, Request: &proto.PathVersionRequest{Path: path, Version: version}}})
	if err == nil && len(results) == 1 && results[0].Err != 0 {
		err = &OpError{Op: proto.OpCheck, Path: path, Code: results[0].Err}
	}
	return err
}

// Multi runs all parts or none. The parts' paths are below the chroot. The results report the
// outcome of each part even if the error is an *OpError for the part that failed.
func (c *Conn) Multi(ctx context.Context, ops []proto.MultiOp) ([]proto.MultiResult, error) {
	return c.multi(ctx, proto.OpMulti, ops)
}

// MultiRead runs getData and getChildren parts in one request (3.6). Each result has its own Err.
func (c *Conn) MultiRead(ctx context.Context, ops []proto.MultiOp) ([]proto.MultiResult, error) {
	return c.multi(ctx, proto.OpMultiRead, ops)
}

func (c *Conn) multi(ctx context.Context, op proto.Op, ops []proto.MultiOp) ([]proto.MultiResult, error) {
	return c.startMulti(ctx, op, ops).Wait()
}

// chrooted returns a copy of a part's request with its path prefixed with the chroot.
func (c *Conn) chrooted(req jute.Record) jute.Record {
	pathed, ok := req.(proto.Pathed)
	if !ok {
		return req
	}
	v := reflect.New(reflect.TypeOf(req).Elem())
	v.Elem().Set(reflect.ValueOf(req).Elem())
	below := v.Interface().(proto.Pathed)
	*below.ZnodePath() = c.real(*pathed.ZnodePath())
	return below
}

func requestPath(req jute.Record) string {
	if r, ok := req.(proto.Pathed); ok {
		return *r.ZnodePath()
	}
	return ""
}

// GetConfig returns the ensemble's dynamic configuration and the stat of its znode.
// The znode lies outside any chroot.
func (c *Conn) GetConfig(ctx context.Context, watch bool) ([]byte, proto.Stat, error) {
	var res proto.GetDataResponse
	err := c.op(ctx, proto.ConfigPath, proto.OpGetData, &proto.PathWatchRequest{Path: proto.ConfigPath, Watch: watch}, &res)
	return res.Data, res.Stat, err
}

// Reconfig changes the members, incrementally (joining, leaving) or as a whole (members),
// and returns the new configuration. version -1 matches any configuration.
func (c *Conn) Reconfig(ctx context.Context, joining, leaving, members string, version int64) ([]byte, proto.Stat, error) {
	req := proto.ReconfigRequest{JoiningServers: joining, LeavingServers: leaving, NewMembers: members, CurConfigID: version}
	var res proto.GetDataResponse
	err := c.op(ctx, "", proto.OpReconfig, &req, &res)
	return res.Data, res.Stat, err
}

// AddWatch sets a watch that stays after it fires (3.6).
func (c *Conn) AddWatch(ctx context.Context, path string, mode proto.AddWatchMode) error {
	return c.pathOp(ctx, path, proto.OpAddWatch, &proto.AddWatchRequest{Path: c.real(path), Mode: mode}, &proto.ErrorResponse{})
}

// RemoveWatches removes this session's watches of the kind (3.5), or returns proto.ErrNoWatcher.
// With local they are forgotten even if the server cannot be reached.
func (c *Conn) RemoveWatches(ctx context.Context, path string, kind proto.WatcherType, local bool) error {
	if err := ValidatePath(path); err != nil {
		return err
	}
	if !c.watches.has(c.real(path), kind) {
		return &OpError{Op: proto.OpRemoveWatches, Path: path, Code: proto.ErrNoWatcher}
	}
	err := c.removeWatches(ctx, path, kind, local)
	if errors.Is(err, proto.ErrMarshallingError) && (kind == proto.WatcherPersistent || kind == proto.WatcherPersistentRecursive) {
		// A server before 3.9 can only remove watches of any kind; that is fine if there are no
		// others.
		if !c.watches.only(c.real(path), kind) {
			return fmt.Errorf("%w; this server cannot remove one kind of persistent watch and keep the others on "+
				"the path; that needs ZooKeeper 3.9 or later", err)
		}
		err = c.removeWatches(ctx, path, proto.WatcherAny, local)
	}
	if err != nil || kind != proto.WatcherChildren && kind != proto.WatcherData || c.State() == Connecting {
		return err // a reconnect sets the remaining watches
	}
	// A server before 3.9 drops the path's persistent watches along with the others.
	for _, mode := range c.watches.lasting(c.real(path)) {
		if err := c.AddWatch(ctx, path, mode); err != nil {
			return fmt.Errorf("set the %v watch again, because the server may have removed it too: %w", mode, err)
		}
	}
	return nil
}

func (c *Conn) removeWatches(ctx context.Context, path string, kind proto.WatcherType, local bool) error {
	k := newCall(ctx, proto.OpRemoveWatches, &proto.WatchesRequest{Path: c.real(path), Type: kind})
	k.watch.local = local
	return c.named(path, proto.OpRemoveWatches, c.run(k, nil))
}

// Ephemerals returns this session's ephemeral znodes whose paths start with prefix (3.6).
func (c *Conn) Ephemerals(ctx context.Context, prefix string) ([]string, error) {
	var res proto.GetEphemeralsResponse
	err := c.pathOp(ctx, prefix, proto.OpGetEphemerals, &proto.PathRequest{Path: c.real(prefix)}, &res)
	for i, p := range res.Ephemerals {
		res.Ephemerals[i] = c.shown(p)
	}
	return res.Ephemerals, err
}

// AllChildrenNumber returns the number of znodes below path, at any depth (3.6).
func (c *Conn) AllChildrenNumber(ctx context.Context, path string) (int32, error) {
	var res proto.GetAllChildrenNumberResponse
	err := c.pathOp(ctx, path, proto.OpGetAllChildrenNumber, &proto.PathRequest{Path: c.real(path)}, &res)
	return res.TotalNumber, err
}

// WhoAmI returns the identities of this session (3.7).
func (c *Conn) WhoAmI(ctx context.Context) ([]proto.ClientInfo, error) {
	var res proto.WhoAmIResponse
	err := c.op(ctx, "", proto.OpWhoAmI, nil, &res)
	return res.ClientInfo, err
}

func (c *Conn) pathOp(ctx context.Context, path string, op proto.Op, req, res jute.Record) error {
	if err := ValidatePath(path); err != nil {
		return err
	}
	return c.op(ctx, path, op, req, res)
}

// op runs a request; path, as the caller sees it, is for the error.
func (c *Conn) op(ctx context.Context, path string, op proto.Op, req, res jute.Record) error {
	return c.named(path, op, c.Do(ctx, op, req, res))
}

// named turns a server's error into an *OpError.
func (c *Conn) named(path string, op proto.Op, err error) error {
	if code, ok := err.(proto.Error); ok {
		return &OpError{Op: op, Path: path, Code: code}
	}
	return err
}
