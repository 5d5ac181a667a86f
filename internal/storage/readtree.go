package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// maxStructureFaults limits how many structure faults are reported per snapshot.
const maxStructureFaults = 20

// ReadTree loads a snapshot into a tree and checks its structure: every znode has a parent and
// occurs once, ACL keys are known, and the digest agrees if the snapshot recorded one. An error
// that wraps a *Fault, or several joined, is about the file's content; the tree then holds what
// could be read, and may be nil.
//
// A snapshot is fuzzy if the server continued while writing it: it may hold parts of transactions
// after the zxid in its name, up to the one after that of its digest. Such a snapshot has the
// recorded digest only after these have been replayed, and may use ACL keys that only the replay
// introduces; neither is a fault here. [Dir.Load] checks them afterwards.
//
// The zxid of the tree is that in the file's name, else LastProcessedZxid, else 0.
//
// The logs of the directory show whether a digest that does not agree is a fault; see settle.
func (d *Dir) ReadTree(file File) (*ztree.Tree, Trailer, error) {
	s, err := readTree(file.Path)
	if s != nil {
		d.settle(s)
	}
	return s.result(err)
}

// ReadTreeOf is [Dir.ReadTree] for an open file without logs, which it closes. name is the name that the file
// would have.
func ReadTreeOf(f fs.File, name string) (*ztree.Tree, Trailer, error) {
	s, err := readTreeOf(newSnapshotReader(f, name))
	return s.result(err)
}

// settle finds out from the logs whether a digest that differs from the recorded one is a fault.
//
// Apache's server records a digest once the changes of a transaction are done. By the time it
// writes the digest after the znodes, the changes of the next transaction may have started
// (DataTree.processTxn, serializeZxidDigest). The snapshot then also has the next transaction, or
// a part of it: once that is applied, the znodes have the digest that was logged with it.
func (d *Dir) settle(s *loaded) {
	if s.odd == nil {
		return
	}
	txn := d.next(s.zxid)
	if txn == nil || txn.Digest == nil || txn.Digest.Version != proto.DigestVersion {
		return
	}
	s.tree.Apply(&txn.Header, txn.Body)
	if digestAgrees(s.tree, txn.Digest) {
		s.odd, s.highest = nil, txn.Header.Zxid
	}
	s.tree.SetLastZxid(s.zxid) // a replay applies it again
}

// Next returns the zxid of the transaction after zxid in the logs.
func (d *Dir) Next(zxid int64) (next int64, ok bool) {
	if txn := d.next(zxid); txn != nil {
		return txn.Header.Zxid, true
	}
	return 0, false
}

// next returns the transaction after zxid in the logs, or nil if there is none.
func (d *Dir) next(zxid int64) *proto.TxnEntry {
	for _, file := range d.LogsFrom(zxid) {
		txn, err := nextIn(file.Path, zxid)
		if txn != nil || err != nil {
			return txn
		}
	}
	return nil
}

func nextIn(path string, zxid int64) (*proto.TxnEntry, error) {
	r, err := OpenLog(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		e, err := nextSound(r)
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil
		case err != nil:
			return nil, err
		case e.Header.Zxid <= zxid:
			continue
		case !Follows(zxid, e.Header.Zxid):
			return nil, ErrMissing
		}
		var txn proto.TxnEntry
		if err := e.Decode(&txn); err != nil {
			return nil, err
		}
		return &txn, nil
	}
}

func (s *loaded) result(err error) (*ztree.Tree, Trailer, error) {
	if s == nil {
		return nil, Trailer{LastProcessedZxid: -1}, err
	}
	if s.odd != nil {
		err = errors.Join(err, s.odd)
	}
	return s.tree, s.trailer, err
}

// loaded is a snapshot in memory.
type loaded struct {
	tree    *ztree.Tree
	trailer Trailer
	file    string
	zxid    int64
	highest int64    // of the zxids in its znodes' stats
	unknown []string // znodes whose ACL key is not in the table
	odd     *Fault   // the znodes do not have the recorded digest; see settle
}

// fuzzyUntil returns the last zxid of which the snapshot may hold a part, as far as is known:
// deleting a znode or setting an ACL leaves no zxid behind.
func (s *loaded) fuzzyUntil() int64 {
	return max(s.zxid, s.highest, s.trailer.DigestZxid, s.trailer.LastProcessedZxid)
}

func readTree(path string) (*loaded, error) { return readTreeOf(OpenSnapshot(path)) }

func readTreeOf(r *SnapshotReader, err error) (*loaded, error) {
	if err != nil {
		return nil, err
	}
	defer r.Close()
	path := r.Name()
	s := &loaded{tree: ztree.NewEmpty(), file: path}
	s.restoreHead(r)
	faults, err := s.readNodes(r)
	s.trailer = r.Trailer()
	s.zxid = s.trailer.zxidOf(path)
	s.tree.SetLastZxid(s.zxid)
	if err != nil {
		return s, errors.Join(append(faults, err)...)
	}
	if s.tree.Len() == 0 {
		faults = append(faults, &Fault{File: path, Kind: BadStructure, Zxid: s.zxid, Err: errors.New("the snapshot has no root znode"),
			Meaning: "a server that loads it has an empty tree"})
	}
	s.tree.Restored()
	if len(s.unknown) > 0 && s.fuzzyUntil() == s.zxid {
		faults = append(faults, s.unknownACLs())
	}
	if d := s.trailer.Digest; d != nil && s.zxid != 0 && s.trailer.DigestZxid == s.zxid && s.fuzzyUntil() == s.zxid && !digestAgrees(s.tree, d) {
		s.odd = &Fault{File: path, Offset: r.Offset(), Kind: BadDigest, Zxid: s.zxid,
			Err:     fmt.Errorf("the znodes have digest %d, but the server recorded %d", s.tree.Digest(), d.TreeDigest),
			Meaning: "the znodes are not those the server had at zxid " + proto.Hex(s.zxid)}
	}
	return s, errors.Join(faults...)
}

// zxidOf returns the zxid of a snapshot with this trailer and name.
func (t *Trailer) zxidOf(name string) int64 {
	if _, zxid, ok := ZxidOfName(name); ok {
		return zxid
	}
	return max(0, t.LastProcessedZxid)
}

// restoreHead copies what precedes the znodes into the tree.
func (s *loaded) restoreHead(r *SnapshotReader) {
	for _, session := range r.Sessions() {
		s.tree.RestoreSession(session.ID, session.Timeout)
	}
	for key, list := range r.ACLs() {
		s.tree.RestoreACL(key, list)
	}
}

// readNodes fills the tree. faults are those of the structure; err ended the reading.
func (s *loaded) readNodes(r *SnapshotReader) (faults []error, err error) {
	for {
		n, err := r.Next()
		if errors.Is(err, io.EOF) {
			return faults, nil
		}
		if err != nil {
			return faults, err
		}
		s.highest = max(s.highest, n.Stat.Czxid, n.Stat.Mzxid, n.Stat.Pzxid)
		err = s.tree.Restore(n.Path, n.Data, n.ACL, n.Stat)
		switch {
		case errors.Is(err, ztree.ErrACL):
			s.unknown = append(s.unknown, n.Path)
		case err != nil && len(faults) < maxStructureFaults:
			faults = append(faults, &Fault{File: r.Name(), Offset: n.Offset, Kind: BadStructure, Zxid: n.Stat.Mzxid,
				Err: fmt.Errorf("znode %q: %w", n.Path, err), Meaning: "ZooKeeper does not load such a snapshot; use an earlier one"})
		}
	}
}

// unknownACLs returns a fault about the znodes whose ACL is still unknown, or nil.
func (s *loaded) unknownACLs() error {
	still := slices.DeleteFunc(s.unknown, func(path string) bool {
		n := s.tree.Get(path)
		return n == nil || s.tree.ACL(n.ACL) != nil
	})
	if len(still) == 0 {
		return nil
	}
	return &Fault{File: s.file, Kind: BadStructure, Zxid: s.zxid,
		Err:     fmt.Errorf("the ACLs of %d znodes are not in the snapshot's table; the first is %s", len(still), still[0]),
		Meaning: "a server fails every access to them"}
}

// digestAgrees compares a tree with a digest recorded by a server. A digest of a version other
// than ours always agrees.
func digestAgrees(t *ztree.Tree, d *proto.TxnDigest) bool {
	return d.Version != proto.DigestVersion || t.Digest() == d.TreeDigest || t.AltDigest() == d.TreeDigest
}
