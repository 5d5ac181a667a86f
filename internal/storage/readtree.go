package storage

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// maxStructureFaults bounds what is told about one snapshot's structure.
const maxStructureFaults = 20

// ReadTree loads one snapshot into a tree and checks its structure: every znode has its
// parent and is there once, ACL keys are known, and the digest agrees where the snapshot
// recorded one. An error that wraps *Fault, or several joined, is about the file's content;
// the tree then holds what could be read, and may be nil.
//
// A snapshot is fuzzy when the server went on while it wrote it: it then may hold parts of
// transactions after the zxid in its name, up to the one of its digest. Such a snapshot has
// the recorded digest only after these have been replayed, and may use ACL keys that only
// the replay makes known; neither is a fault here. [Dir.Load] checks them afterwards.
//
// The zxid of the tree is that in the file's name, else LastProcessedZxid, else 0.
func ReadTree(path string) (*ztree.Tree, Trailer, error) {
	s, err := readTree(path)
	if s == nil {
		return nil, Trailer{LastProcessedZxid: -1}, err
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
}

// fuzzyUntil is the last zxid whose transaction the snapshot may hold a part of. It is known
// for certain only with a digest.
func (s *loaded) fuzzyUntil() int64 {
	if s.trailer.Digest != nil && s.trailer.DigestZxid != 0 {
		return max(s.zxid, s.trailer.DigestZxid)
	}
	return max(s.zxid, s.highest, s.trailer.LastProcessedZxid)
}

func readTree(path string) (*loaded, error) {
	r, err := OpenSnapshot(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	s := &loaded{tree: ztree.NewEmpty(), file: path}
	s.restoreHead(r)
	faults, err := s.readNodes(r)
	s.trailer = r.Trailer()
	if _, zxid, ok := ZxidOfName(path); ok {
		s.zxid = zxid
	} else {
		s.zxid = max(0, s.trailer.LastProcessedZxid)
	}
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
	if d := s.trailer.Digest; d != nil && s.zxid != 0 && s.trailer.DigestZxid == s.zxid && !digestAgrees(s.tree, d) {
		faults = append(faults, &Fault{File: path, Offset: r.Offset(), Kind: BadDigest, Zxid: s.zxid,
			Err:     fmt.Errorf("the znodes have digest %d, the server recorded %d", s.tree.Digest(), d.TreeDigest),
			Meaning: "the znodes are not those that the server had at zxid " + hex(s.zxid)})
	}
	return s, errors.Join(faults...)
}

// restoreHead puts what comes before the znodes into the tree.
func (s *loaded) restoreHead(r *SnapshotReader) {
	for _, session := range r.Sessions() {
		s.tree.RestoreSession(session.ID, session.Timeout)
	}
	for key, list := range r.ACLs() {
		s.tree.RestoreACL(key, list)
	}
}

// readNodes fills the tree. faults are those of the structure, err ended the reading.
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

// unknownACLs is a fault, or nil, about the znodes that still have an ACL nobody knows.
func (s *loaded) unknownACLs() error {
	still := slices.DeleteFunc(s.unknown, func(path string) bool {
		n := s.tree.Get(path)
		return n == nil || s.tree.ACL(n.ACL) != nil
	})
	if len(still) == 0 {
		return nil
	}
	return &Fault{File: s.file, Kind: BadStructure, Zxid: s.zxid,
		Err:     fmt.Errorf("the ACL of %d znodes is not in the snapshot's table, the first is %s", len(still), still[0]),
		Meaning: "a server fails every access to them"}
}

// digestAgrees compares a tree with a digest that a server recorded. A digest of another
// version than ours says nothing.
func digestAgrees(t *ztree.Tree, d *proto.TxnDigest) bool {
	return d.Version != proto.DigestVersion || t.Digest() == d.TreeDigest || t.AltDigest() == d.TreeDigest
}

func hex(zxid int64) string { return fmt.Sprintf("%#x", uint64(zxid)) }
