package source

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sorted"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/zpath"
	"github.com/zkctl/zkctl/internal/ztree"
)

// replay is the state of a data directory at a moment, without a tree in memory. What a snapshot and the transactions after it
// say about each znode is sorted by path outside memory. Then each znode's history is read on its own, parents first, in two
// passes: what happens to children changes their parent's stat, but is only known after the parent.
//
// The result is that of internal/ztree, which tests hold it to. In memory are the znodes above the current one, each with the
// moments when it was created and deleted; which sessions were closed; and the ACLs that differ. storage.ErrTree means that only a
// tree can tell.
type replay struct {
	path      string // of the location
	opt       *Options
	stat      bool
	quota     bool // whether the usage of quotas is visited
	sorted    *sorted.Sorter
	sums      *sorted.Sorter // of parents, from the first pass for the second
	lists     aclLists
	now       uint64 // the number of the change, from 1; transactions have one or more
	closings  []closing
	exist     int             // znodes in the end; after the first pass
	parts     proto.TxnBodies // of multis
	codec     jute.Codec
	key       []byte
	value     []byte
	snapshots map[int64]uint32 // ids of the ACLs in the snapshot's table
	table     map[int64][]proto.ACL
}

// closing is the end of a session, which deletes its ephemeral znodes.
type closing struct {
	session int64
	at      uint64
	zxid    int64
}

// What a record says about a znode.
const (
	beyond  = iota // it is in the snapshot, but not visited
	saved          // it is in the snapshot
	created        // or, if it exists, got this ACL
	deleted
	dataSet
	aclSet
)

var justBeyond = []byte{beyond}

const sumsRoom = 4 << 20 // bytes of parents that are sorted in memory

func newReplay(path string, opt *Options) *replay {
	s := &replay{path: path, opt: opt, stat: opt.Stat || opt.Data, sums: sorted.NewSorter(sumsRoom)}
	_, above := within(path, proto.QuotaPath)
	_, below := within(proto.QuotaPath, path)
	s.quota = s.stat && (above || below)
	return s
}

func (s *replay) close() error {
	var err error
	if s.sorted != nil {
		err = s.sorted.Close()
	}
	return errors.Join(err, s.sums.Close())
}

// Begin implements storage.Parts.
func (s *replay) Begin(table map[int64][]proto.ACL) {
	if s.sorted != nil {
		_ = s.sorted.Close() // its folder is temporary
	}
	s.sorted = sorted.NewSorter(sorted.Room)

	s.lists, s.snapshots, s.table = aclLists{}, map[int64]uint32{}, table
}

// reads reports whether the history of a znode matters.
func (s *replay) reads(path string) bool {
	level, ok := within(s.path, path)
	if !ok { // its existence matters to what is below
		_, above := within(path, s.path)
		return above
	}
	return s.opt.covers(level) || s.stat && s.opt.covers(level-1) // its parent's stat counts it
}

// Znode implements storage.Parts.
func (s *replay) Znode(n *storage.Node) error {
	path := cmp.Or(n.Path, "/")
	if s.usage(path) {
		return storage.ErrTree
	}
	s.key = AppendKey(s.key[:0], path)
	if !s.reads(path) {
		return s.sorted.Add(s.key, justBeyond)
	}
	v := append(s.value[:0], saved)
	if s.stat {
		v = appendStat(v, &n.Stat, len(n.Data))
	} else {
		v = binary.BigEndian.AppendUint64(v, uint64(n.Stat.EphemeralOwner))
	}
	if s.opt.ACL {
		v = binary.BigEndian.AppendUint32(v, s.ofTable(n.ACL))
	}
	return s.add(s.appendData(v, n.Data))
}

func (s *replay) add(v []byte) error {
	s.value = v
	return s.sorted.Add(s.key, v)
}

func (s *replay) appendACL(v []byte, list []proto.ACL) []byte {
	if !s.opt.ACL {
		return v
	}
	return binary.BigEndian.AppendUint32(v, s.lists.of(list))
}

func (s *replay) appendData(v, data []byte) []byte {
	if !s.opt.Data || data == nil {
		return v
	}
	return append(append(v, 1), data...)
}

// usage reports whether a znode makes a quota, whose usage the tree counts, and the walk may visit that.
func (s *replay) usage(path string) bool {
	return s.quota && len(path) > len(proto.QuotaPath) && path[:len(proto.QuotaPath)] == proto.QuotaPath &&
		(zpath.Name(path) == proto.LimitsNode || zpath.Name(path) == proto.StatsNode)
}

// Txn implements storage.Parts. It does what ztree.Tree.Apply does.
func (s *replay) Txn(txn *proto.TxnEntry) error { return s.apply(&txn.Header, txn.Body) }

func (s *replay) apply(h *proto.TxnHeader, body jute.Record) error {
	switch b := body.(type) {
	case nil:
		if h.Type == proto.OpCloseSession {
			s.closeSession(h)
		}
	case *proto.CreateTxn:
		owner := int64(0)
		if b.Ephemeral {
			owner = h.ClientID
		}
		return s.create(h, b.Path, b.Data, b.ACL, owner, b.ParentCVersion)
	case *proto.CreateTTLTxn:
		if b.TTL > 0 && b.TTL <= proto.MaxTTL {
			return s.create(h, b.Path, b.Data, b.ACL, proto.TTLOwner(b.TTL), b.ParentCVersion)
		}
	case *proto.CreateContainerTxn:
		return s.create(h, b.Path, b.Data, b.ACL, proto.ContainerOwner, b.ParentCVersion)
	case *proto.DeleteTxn:
		return s.delete(b.Path, h.Zxid)
	case *proto.SetDataTxn:
		v, ok := s.record(dataSet, b.Path)
		if !ok || !s.stat {
			return nil
		}
		v = appendLongs(v, h.Zxid, h.Time)
		v = appendInts(v, b.Version, int32(len(b.Data)))
		return s.add(s.appendData(v, b.Data))
	case *proto.SetACLTxn:
		v, ok := s.record(aclSet, b.Path)
		if !ok || !s.stat && !s.opt.ACL {
			return nil
		}
		return s.add(s.appendACL(appendInts(v, b.Version), b.ACL))
	case *proto.CloseSessionTxn:
		for _, path := range b.Paths2Delete {
			if err := s.delete(path, h.Zxid); err != nil {
				return err
			}
		}
		s.closeSession(h)
	case *proto.MultiTxn:
		return s.multi(h, b)
	}
	return nil
}

func (s *replay) closeSession(h *proto.TxnHeader) {
	s.now++
	s.closings = append(s.closings, closing{h.ClientID, s.now, h.Zxid})
}

// multi applies the parts. If one is an error, none takes effect.
func (s *replay) multi(h *proto.TxnHeader, b *proto.MultiTxn) error {
	if slices.ContainsFunc(b.Txns, func(p proto.Txn) bool { return p.Type == proto.OpError }) {
		return nil
	}
	for i := range b.Txns {
		p := &b.Txns[i]
		if !p.Type.PartOfTxn() {
			return nil
		}
		body, err := p.View(&s.codec, &s.parts)
		if err != nil {
			return nil // as the tree does, which keeps what precedes it
		}
		part := *h
		part.Type = p.Type
		if err := s.apply(&part, body); err != nil {
			return err
		}
	}
	return nil
}

// record begins the record of a change; ok is false if it does not matter.
func (s *replay) record(kind byte, path string) (v []byte, ok bool) {
	s.now++
	if path == "" {
		path = "/"
	}
	if path[0] != '/' || !s.reads(path) {
		return nil, false
	}
	s.key = AppendKey(s.key[:0], path)
	return binary.BigEndian.AppendUint64(append(s.value[:0], kind), s.now), true
}

func (s *replay) create(h *proto.TxnHeader, path string, data []byte, acl []proto.ACL, owner int64, cversion int32) error {
	if _, _, ok := ztree.Split(path); !ok {
		return nil
	}
	if s.usage(path) || s.stat && cversion == -1 { // which before 3.4 meant the next one
		return storage.ErrTree
	}
	v, ok := s.record(created, path)
	if !ok {
		return nil
	}
	plain := byte(0)
	if h.Type == proto.OpCreate {
		plain = 1
	}
	v = appendLongs(append(v, plain), owner)
	if s.stat {
		v = appendInts(appendLongs(v, h.Zxid, h.Time), cversion, int32(len(data)))
	}
	v = s.appendACL(v, acl)
	return s.add(s.appendData(v, data))
}

func (s *replay) delete(path string, zxid int64) error {
	if _, _, ok := ztree.Split(path); !ok {
		return nil
	}
	v, ok := s.record(deleted, path)
	if !ok {
		return nil
	}
	return s.add(appendLongs(v, zxid))
}

func appendLongs(b []byte, list ...int64) []byte {
	for _, v := range list {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	return b
}

func appendInts(b []byte, list ...int32) []byte {
	for _, v := range list {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	return b
}

// ofTable returns the id of an ACL of the snapshot's table.
func (s *replay) ofTable(key int64) uint32 {
	id, ok := s.snapshots[key]
	if !ok {
		if key == openUnsafe {
			id = s.lists.of(nil)
		} else {
			id = s.lists.own(s.table[key])
		}
		s.snapshots[key] = id
	}
	return id
}

// aclLists numbers ACLs.
type aclLists struct {
	lists [][]proto.ACL
	ids   map[string]uint32 // by their encoding
	code  []byte
}

// of returns the id of a list from a log, where nil means world:anyone with all permissions.
func (a *aclLists) of(list []proto.ACL) uint32 {
	if list == nil {
		list = proto.OpenACL
	}
	return a.own(list)
}

func (a *aclLists) own(list []proto.ACL) uint32 {
	c := jute.NewEncoder(a.code[:0])
	for i := range list {
		list[i].Visit(c)
	}
	a.code = c.Bytes()
	id, ok := a.ids[string(a.code)]
	if !ok {
		if a.ids == nil {
			a.ids = map[string]uint32{}
		}
		id = uint32(len(a.lists))
		a.ids[string(a.code)] = id
		a.lists = append(a.lists, ztree.CopyACL(list))
	}
	return id
}
