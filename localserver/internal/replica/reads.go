package replica

import (
	"strings"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

func (s *Replica) ping(*request, jute.Record) (jute.Record, proto.Error) { return nil, 0 }

func (s *Replica) sync(r *request, q *proto.PathRequest) (jute.Record, proto.Error) {
	if nullPath(r) {
		return nullString{}, 0
	}
	return &proto.PathResponse{Path: javaText(q.Path)}, 0
}

func (s *Replica) whoAmI(r *request, _ jute.Record) (jute.Record, proto.Error) {
	return &proto.WhoAmIResponse{ClientInfo: s.auth.clientInfos(r.Auth)}, 0
}

func (s *Replica) addWatch(r *request, q *proto.AddWatchRequest) (jute.Record, proto.Error) {
	if q.Mode != proto.WatchPersistent && q.Mode != proto.WatchPersistentRecursive {
		return nil, proto.ErrMarshallingError
	}
	s.watches.addWatch(q.Path, r.conn, q.Mode)
	return &proto.ErrorResponse{}, 0
}

func (s *Replica) removeWatches(r *request, q *proto.WatchesRequest) (jute.Record, proto.Error) {
	if !s.watcherType(q.Type) {
		return nil, proto.ErrMarshallingError
	}
	if !s.watches.remove(q.Path, r.conn, q.Type) {
		return nil, proto.ErrNoWatcher
	}
	return nil, 0
}

func (s *Replica) checkWatches(r *request, q *proto.WatchesRequest) (jute.Record, proto.Error) {
	var found bool
	switch {
	case !s.watcherType(q.Type):
		return nil, proto.ErrMarshallingError
	case s.emulated().WatchModes():
		found = !nullPath(r) && s.watches.contains(q.Path, r.conn, q.Type)
	case nullPath(r), s.watches.lost(q.Path, q.Type):
		return nil, proto.ErrMarshallingError
	default:
		found = q.Path != "" && s.watches.contains(q.Path, r.conn, q.Type)
	}
	if !found {
		return nil, proto.ErrNoWatcher
	}
	return nil, 0
}

// watcherType reports whether the release knows the kind of watches.
func (s *Replica) watcherType(kind proto.WatcherType) bool {
	last := proto.WatcherAny
	if s.emulated().WatchModes() {
		last = proto.WatcherPersistentRecursive
	}
	return kind >= proto.WatcherChildren && kind <= last
}

// nullString is a string that is null.
type nullString struct{}

// Visit writes it.
func (nullString) Visit(c *jute.Codec) {
	null := ""
	c.NullString(&null)
}

// readable returns a znode if the client may read it.
func (s *Replica) readable(r *request, path string) (*ztree.Node, proto.Error) {
	if path == "" && r.Type != proto.OpMultiRead && nullPath(r) {
		return nil, proto.ErrMarshallingError
	}
	n := s.tree.Get(path)
	if n == nil {
		return nil, proto.ErrNoNode
	}
	return n, s.allowed(n.ACL, proto.PermRead, r.Auth)
}

// allowed reports whether a list, by its key in the tree, grants one of the permissions.
func (s *Replica) allowed(key int64, perms proto.Perms, ids []proto.ID) proto.Error {
	return s.checkList(s.tree.ACLList(key), perms, ids)
}

func (s *Replica) checkList(list *ztree.ACL, perms proto.Perms, ids []proto.ID) proto.Error {
	return s.auth.checkACL(list, perms, ids)
}

func (s *Replica) exists(r *request, q *proto.PathWatchRequest) (jute.Record, proto.Error) {
	if nullPath(r) {
		return nil, proto.ErrMarshallingError
	}
	if strings.IndexByte(q.Path, 0) >= 0 {
		return nil, proto.ErrBadArguments
	}
	n := s.tree.Get(q.Path)
	if n != nil && s.emulated().ExistsNeedsRead() {
		if err := s.allowed(n.ACL, proto.PermRead, r.Auth); err != 0 {
			return nil, err
		}
	}
	if q.Watch {
		s.watches.add(q.Path, r.conn, dataWatches, oneShot)
	}
	if n == nil {
		return nil, proto.ErrNoNode
	}
	return &proto.StatResponse{Stat: n.ClientStat()}, 0
}

func (s *Replica) getData(r *request, q *proto.PathWatchRequest) (jute.Record, proto.Error) {
	n, err := s.readable(r, q.Path)
	if err != 0 {
		return nil, err
	}
	if q.Watch {
		s.watches.add(q.Path, r.conn, dataWatches, oneShot)
	}
	return &proto.GetDataResponse{Data: n.Data(), Stat: n.ClientStat()}, 0
}

func (s *Replica) getChildren(r *request, q *proto.PathWatchRequest) (jute.Record, proto.Error) {
	n, err := s.children(r, q)
	if err != 0 {
		return nil, err
	}
	return &proto.GetChildrenResponse{Children: n.ChildNames()}, 0
}

func (s *Replica) getChildren2(r *request, q *proto.PathWatchRequest) (jute.Record, proto.Error) {
	n, err := s.children(r, q)
	if err != 0 {
		return nil, err
	}
	return &proto.GetChildren2Response{Children: n.ChildNames(), Stat: n.ClientStat()}, 0
}

func (s *Replica) getAllChildrenNumber(r *request, q *proto.PathRequest) (jute.Record, proto.Error) {
	n, err := s.readable(r, q.Path)
	if err != 0 {
		return nil, err
	}
	total := n.Descendants()
	if q.Path == "" {
		total++ // the root, which counts as a child of its other name
	}
	return &proto.GetAllChildrenNumberResponse{TotalNumber: int32(total)}, 0
}

func (s *Replica) getEphemerals(r *request, q *proto.PathRequest) (jute.Record, proto.Error) {
	list := s.tree.Ephemerals(r.Session)
	if prefix := strings.TrimFunc(q.Path, func(r rune) bool { return r <= ' ' }); prefix != "" && prefix != "/" {
		kept := list[:0]
		for _, path := range list {
			if strings.HasPrefix(path, q.Path) {
				kept = append(kept, path)
			}
		}
		list = kept
	}
	return &proto.GetEphemeralsResponse{Ephemerals: list}, 0
}

func (s *Replica) children(r *request, q *proto.PathWatchRequest) (*ztree.Node, proto.Error) {
	n, err := s.readable(r, q.Path)
	if err == 0 && q.Watch {
		s.watches.add(q.Path, r.conn, childWatches, oneShot)
	}
	return n, err
}

func (s *Replica) getACL(r *request, q *proto.PathRequest) (jute.Record, proto.Error) {
	if nullPath(r) {
		return nil, proto.ErrMarshallingError
	}
	n := s.tree.Get(q.Path)
	if n == nil {
		return nil, proto.ErrNoNode
	}
	if err := s.allowed(n.ACL, proto.PermRead|proto.PermAdmin, r.Auth); err != 0 {
		return nil, err
	}
	list := s.tree.ACL(n.ACL)
	if s.allowed(n.ACL, proto.PermAdmin, r.Auth) != 0 {
		for i := range list { // hide password hashes from clients that may not change the list
			if id := &list[i].ID; id.Scheme == "digest" {
				user, _, found := strings.Cut(id.ID, ":")
				if found {
					id.ID = user + ":x"
				}
			}
		}
	}
	return &proto.GetACLResponse{ACL: list, Stat: n.ClientStat()}, 0
}

func (s *Replica) multiRead(r *request, q *proto.MultiRequest) (jute.Record, proto.Error) {
	response := &proto.MultiResponse{}
	writes := 0
	for _, op := range q.Ops {
		if _, ok := op.Request.(*proto.PathWatchRequest); !ok {
			writes++
		}
	}
	switch {
	case writes > 0 && writes == len(q.Ops):
		return response, proto.ErrMarshallingError
	case writes > 0:
		return nil, proto.ErrMarshallingError // it cannot even be read
	}
	size := 0
	for _, op := range q.Ops {
		if size > outTotal/2 {
			s.log.Warnf("Closing the connection of %s, session = 0x%x: a multiRead asks for more than %d bytes", r.conn.remote, uint64(r.Session), outTotal/2)
			r.conn.close()
			return nil, proto.ErrMarshallingError
		}
		path := op.Request.(*proto.PathWatchRequest)
		path.Watch = false // Op.GetData and Op.GetChildren have none
		result := proto.MultiResult{Type: op.Type}
		switch op.Type {
		case proto.OpGetData:
			body, err := s.getData(r, path)
			if err != 0 {
				result = proto.MultiResult{Type: proto.OpError, Err: err}
				break
			}
			data := body.(*proto.GetDataResponse)
			result.Data, result.Stat = data.Data, &data.Stat
			size += len(data.Data)
		default:
			n, err := s.children(r, path)
			if err != 0 {
				result = proto.MultiResult{Type: proto.OpError, Err: err}
				break
			}
			result.Children = n.ChildNames()
			for _, name := range result.Children {
				size += 16 + len(name)
			}
		}
		response.Results = append(response.Results, result)
	}
	return response, 0
}

func (s *Replica) setWatches(r *request, q *proto.SetWatches) (jute.Record, proto.Error) {
	return s.setWatches2(r, &proto.SetWatches2{RelativeZxid: q.RelativeZxid, DataWatches: q.DataWatches,
		ExistWatches: q.ExistWatches, ChildWatches: q.ChildWatches})
}

// setWatches2 restores the watches that a client had before it reconnected. Events for what has
// changed since are sent at once, before the reply.
func (s *Replica) setWatches2(r *request, q *proto.SetWatches2) (jute.Record, proto.Error) {
	for _, list := range [][]string{q.DataWatches, q.ExistWatches, q.ChildWatches} {
		for i := range list {
			list[i] = javaText(list[i])
		}
	}
	s.watches.resetWatches(r.conn, q, func(path string) (mzxid, pzxid int64, found bool) {
		n := s.tree.Get(path)
		if n == nil {
			return 0, 0, false
		}
		stat := n.Stat()
		return stat.Mzxid, stat.Pzxid, true
	}, func(c *conn, path string, event proto.EventType) { s.tellAsked(c, path, event, noZxid) })
	return nil, 0
}
