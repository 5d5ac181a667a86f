package logformatter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

// What a transaction did to a znode.
const (
	changeCreated = "created"
	changeData    = "dataChanged"
	changeACL     = "aclChanged"
	changeDeleted = "deleted"
	changeChecked = "checked" // by a multi; it changes nothing
	changePresent = "present" // no transaction: the znode is in the snapshot from before the logs
	changeNone    = "none"    // the multi failed
)

// How a session ended. The cxid of its closeSession tells: it is the request's number if the
// client closed the session, and 0 if the server did (ZooKeeperServer.close).
const (
	endClosed  = "closed"
	endExpired = "expired"
	endOpen    = "open" // still open at the end of the logs
)

func sessionEnd(h *proto.TxnHeader) string {
	if h.Cxid == 0 {
		return endExpired
	}
	return endClosed
}

// change is what a single transaction did to a single znode.
type change struct {
	proto.TxnHeader
	op       proto.Op // that of the part within a multi
	multi    bool
	damaged  bool // its checksum is wrong
	what     string
	path     string
	snapshot string       // the file, with changePresent
	err      *proto.Error // of the multi that failed
	now      *znode       // nil after a deletion, and if nothing changes
	old      *znode       // nil before a creation, and if nothing is known
	version  int32        // that a check found, as logged
}

// znode is what the logs say about a znode. If it was created before the logs, only parts of it
// are known.
type znode struct {
	data, acl   bool // whether each is known, together with its version
	bytes       []byte
	list        []proto.ACL
	version     int32
	aversion    int32
	owner       int64 // the session of an ephemeral
	ttl         int64
	container   bool
	fromUnknown bool // created before the logs; owner and kind are unknown
}

// replay turns transactions into changes of the znodes that match pattern. It holds those znodes
// and their data.
type replay struct {
	pattern znodePattern
	emit    func(*change) error
	nodes   map[string]*znode
	owned   map[int64]map[string]bool // ephemerals by session
	last    int64                     // zxid; a transaction in several logs counts once
	codec   jute.Codec
}

func newReplay(pattern znodePattern, emit func(*change) error) *replay {
	return &replay{pattern: pattern, emit: emit, nodes: map[string]*znode{}, owned: map[int64]map[string]bool{}}
}

// snapshotBefore finds the snapshot that the first log continues from, in the directories among
// args. If there is a gap between the two, the snapshot is of no use.
func snapshotBefore(args []string, logs []storage.File) (best storage.File, found bool, err error) {
	if len(logs) == 0 {
		return best, false, nil
	}
	first := logs[0].Zxid
	for _, arg := range args {
		if !isDir(arg) {
			continue
		}
		dir, err := storage.ReadDir(arg)
		if err != nil {
			return best, false, err
		}
		f, ok := dir.SnapshotBefore(first - 1)
		if ok && (f.Zxid == first-1 || f.Zxid>>32 < first>>32) && (!found || f.Zxid > best.Zxid) {
			best, found = f, true
		}
	}
	return best, found, nil
}

// openBefore opens the snapshot that the first log continues from; it is nil if there is none.
func openBefore(args []string, logs []storage.File) (*storage.SnapshotReader, storage.File, error) {
	file, ok, err := snapshotBefore(args, logs)
	if err != nil || !ok {
		return nil, file, err
	}
	s, err := storage.OpenSnapshot(file.Path)
	return s, file, err
}

// begin loads the state before the first log from the snapshot before it, if there is one. A
// snapshot is written while transactions continue, so it does not say what a znode was before
// those that are in the logs as well.
func (r *replay) begin(args []string, logs []storage.File) error {
	s, file, err := openBefore(args, logs)
	if s == nil || err != nil {
		return err
	}
	defer s.Close()
	for {
		n, err := s.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		path := cmp.Or(n.Path, "/")
		if !r.pattern.match([]byte(path)) {
			continue
		}
		if n.Stat.Czxid <= file.Zxid {
			z := &znode{version: n.Stat.Version, aversion: n.Stat.Aversion}
			if n.Stat.Mzxid <= file.Zxid {
				z.data, z.bytes = true, slices.Clone(n.Data)
			}
			z.acl, z.list = true, proto.OpenACL
			if n.ACL != -1 {
				z.list, z.acl = s.ACLs()[n.ACL]
			}
			switch owner := n.Stat.EphemeralOwner; proto.EphemeralTypeOf(owner) {
			case proto.EphemeralContainer:
				z.container = true
			case proto.EphemeralTTL:
				z.ttl = proto.TTLOf(owner)
			case proto.EphemeralNormal:
				z.owner = owner
			}
			r.put(path, z)
			if !r.pattern.recursive {
				c := &change{what: changePresent, path: path, snapshot: filepath.Base(file.Path), now: z}
				c.Zxid, c.Time = file.Zxid, n.Stat.Mtime
				if err := r.emit(c); err != nil {
					return err
				}
			}
		}
		if !r.pattern.recursive && !r.pattern.glob {
			return nil // there is no other snapshot
		}
	}
}

// logs replays the logs and returns their faults.
func (r *replay) logs(ctx context.Context, logs []storage.File) (faults []error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	scans, wait := scanLogs(ctx, logs, r.pattern.wants)
	defer wait()
	defer cancel()
	for _, s := range scans {
		for open := true; open; {
			var batch []hit
			select {
			case batch, open = <-s.hits:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
			for _, h := range batch {
				if err := r.apply(h); err != nil {
					return nil, err
				}
			}
		}
		s.done()
		faults = append(faults, s.faults...)
	}
	return faults, ctx.Err()
}

func (r *replay) apply(h hit) error {
	var txn proto.TxnEntry
	r.codec.Reset(h.raw)
	txn.Visit(&r.codec)
	if txn.Header.Zxid <= r.last {
		return nil
	}
	if h.intact { // a wrong zxid must not hide what follows
		r.last = txn.Header.Zxid
	}
	if err := r.codec.Err(); err != nil {
		if !h.intact {
			return nil // the checksum was already reported
		}
		return fmt.Errorf("decode the transaction %#x: %w", uint64(txn.Header.Zxid), err)
	}
	c := change{TxnHeader: txn.Header, damaged: !h.intact}
	switch body := txn.Body.(type) {
	case *proto.MultiTxn:
		return r.multi(c, body)
	case *proto.CloseSessionTxn:
		return r.closeSession(c, body.Paths2Delete)
	case nil:
		return r.closeSession(c, nil)
	default:
		return r.part(c, txn.Header.Type, body)
	}
}

// multi replays the parts of a multi. An error among them means that none took effect
// (DataTree.processTxn).
func (r *replay) multi(c change, m *proto.MultiTxn) error {
	c.multi = true
	for _, t := range m.Txns {
		if t.Type != proto.OpError {
			continue
		}
		var e proto.ErrorTxn
		if jute.Unmarshal(t.Data, &e) == nil && (c.err == nil || *c.err == proto.OK || *c.err == proto.ErrRuntimeInconsistency) {
			c.err = &e.Err // the parts after the failed one have ErrRuntimeInconsistency
		}
	}
	for _, t := range m.Txns {
		if !t.Type.HasPath() {
			continue
		}
		body, err := t.Decode()
		if err != nil {
			return fmt.Errorf("decode the multi %#x: %w", uint64(c.Zxid), err)
		}
		if err := r.part(c, t.Type, body); err != nil {
			return err
		}
	}
	return nil
}

// part replays a transaction about one znode.
func (r *replay) part(c change, op proto.Op, body jute.Record) error {
	c.op = op
	var now *znode
	switch t := body.(type) {
	case *proto.CreateTxn:
		now = created(t.Data, t.ACL)
		if t.Ephemeral {
			now.owner = c.ClientID
		}
		c.what, c.path = changeCreated, t.Path
	case *proto.CreateTTLTxn:
		now = created(t.Data, t.ACL)
		now.ttl = t.TTL
		c.what, c.path = changeCreated, t.Path
	case *proto.CreateContainerTxn:
		now = created(t.Data, t.ACL)
		now.container = true
		c.what, c.path = changeCreated, t.Path
	case *proto.DeleteTxn:
		c.what, c.path = changeDeleted, t.Path
	case *proto.SetDataTxn:
		now = r.copyOf(t.Path)
		now.data, now.bytes, now.version = true, slices.Clone(t.Data), t.Version
		c.what, c.path = changeData, t.Path
	case *proto.SetACLTxn:
		now = r.copyOf(t.Path)
		now.acl, now.list, now.aversion = true, t.ACL, t.Version
		c.what, c.path = changeACL, t.Path
	case *proto.CheckVersionTxn:
		c.what, c.path, c.version = changeChecked, t.Path, t.Version
	default:
		return nil
	}
	if !r.pattern.match([]byte(c.path)) {
		return nil
	}
	c.now = now
	if c.what != changeCreated {
		c.old = r.nodes[c.path]
	}
	if c.err != nil {
		c.what = changeNone
		return r.emit(&c)
	}
	switch {
	case c.what == changeDeleted:
		r.remove(c.path)
	case now != nil:
		r.put(c.path, now)
	}
	return r.emit(&c)
}

func created(data []byte, acl []proto.ACL) *znode {
	return &znode{data: true, acl: true, bytes: slices.Clone(data), list: acl}
}

// copyOf returns a copy of the znode, as far as it is known, to be changed.
func (r *replay) copyOf(path string) *znode {
	if z := r.nodes[path]; z != nil {
		next := *z
		return &next
	}
	return &znode{fromUnknown: true}
}

// closeSession deletes the ephemerals named in the transaction, and all others of the session,
// because before 3.6 a closeSession named none (DataTree.killSession).
func (r *replay) closeSession(c change, named []string) error {
	c.op, c.what = proto.OpCloseSession, changeDeleted
	for _, path := range named {
		if !r.pattern.match([]byte(path)) {
			continue
		}
		if err := r.wentWithSession(c, path); err != nil {
			return err
		}
	}
	for _, path := range slices.Sorted(maps.Keys(r.owned[c.ClientID])) {
		if err := r.wentWithSession(c, path); err != nil {
			return err
		}
	}
	return nil
}

func (r *replay) wentWithSession(c change, path string) error {
	c.path, c.old = path, r.nodes[path]
	r.remove(path)
	return r.emit(&c)
}

func (r *replay) put(path string, z *znode) {
	r.remove(path)
	r.nodes[path] = z
	if z.owner == 0 {
		return
	}
	if r.owned[z.owner] == nil {
		r.owned[z.owner] = map[string]bool{}
	}
	r.owned[z.owner][path] = true
}

func (r *replay) remove(path string) {
	z := r.nodes[path]
	if z == nil {
		return
	}
	delete(r.nodes, path)
	if z.owner != 0 {
		delete(r.owned[z.owner], path)
		if len(r.owned[z.owner]) == 0 {
			delete(r.owned, z.owner)
		}
	}
}
