package storage

import (
	"fmt"
	"slices"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// Follows reports whether zxid can come right after last: the next in the same epoch, or the
// first in a later one. The end of an epoch is not recorded anywhere, so transactions missing
// there go unnoticed.
func Follows(last, zxid int64) bool {
	if epochOf(last) == epochOf(zxid) {
		return zxid == last+1
	}
	return epochOf(zxid) > epochOf(last) && counterOf(zxid) == 1
}

// first reports whether nothing is missing before a log that starts with zxid: an ensemble's
// first epoch is 1, a standalone server's is 0.
func first(zxid int64) bool { return counterOf(zxid) == 1 && epochOf(zxid) <= 1 }

func epochOf(zxid int64) int64   { return zxid >> 32 }
func counterOf(zxid int64) int64 { return zxid & 0xffffffff }

// AreMissing names the transactions between last and zxid, if Follows does not hold, including
// the verb: "transaction 0x6 is", "transactions 0x6..0x9 are".
func AreMissing(last, zxid int64) string {
	from, to, after := last+1, zxid-1, ""
	if epochOf(last) != epochOf(zxid) {
		from = epochOf(zxid)<<32 | 1
		after = fmt.Sprintf(", and perhaps some after %#x,", last)
	}
	if from >= to {
		return "transaction " + proto.Hex(from) + " is"
	}
	return fmt.Sprintf("transactions %#x..%#x%s are", from, to, after)
}

// DigestCheck compares a tree during replay with the digests that a server logged.
type DigestCheck struct {
	Compared int      // transactions with a digest of our version, compared
	Failed   int      // how many of these did not agree
	Faults   []*Fault // the first that did not agree, and a snapshot's digest that did not

	fuzzyUntil int64
	snapshot   *Trailer // its digest is still to be compared
	ahead      *Fault   // that digest did not agree; the next transaction may explain why
	file       string
	off        uint64 // by how much the tree is known to be off
	root       rootChanges
	fault      *Fault // of the first failure
	excused    bool   // every failure may be due to the log alone, or to a fuzzy tree
	vague      bool   // how far the snapshot is fuzzy is unknown, because it has no digest
}

// begin says where the replay starts. Up to the end of its fuzzy range, a snapshot's tree has no
// digest that a log could know (DataTree.compareDigest). A server without a digest of its tree
// records one at zxid 0.
func (c *DigestCheck) begin(s *loaded) {
	c.fuzzyUntil, c.snapshot, c.ahead, c.off, c.root = s.fuzzyUntil(), nil, nil, 0, rootChanges{}
	c.vague = s.tree != nil && s.trailer.DigestZxid == 0
	if s.trailer.DigestZxid > s.zxid && s.trailer.DigestZxid == c.fuzzyUntil {
		c.snapshot, c.file = &s.trailer, s.file
	}
}

// Compare must be called after each transaction is applied. It reports whether the digests agree
// or there was nothing to compare.
func (c *DigestCheck) Compare(file string, offset int64, txn *proto.TxnEntry, t *ztree.Tree) bool {
	zxid := txn.Header.Zxid
	c.root.see(t)
	if c.snapshot != nil && zxid >= c.snapshot.DigestZxid {
		if zxid == c.snapshot.DigestZxid && !digestAgrees(t, c.snapshot.Digest) {
			c.ahead = &Fault{File: c.file, Kind: BadDigest, Zxid: zxid,
				Err:     fmt.Errorf("replayed to zxid %#x the tree has digest %d, but the snapshot recorded %d", zxid, t.Digest(), c.snapshot.Digest.TreeDigest),
				Meaning: "the snapshot or the log after it is not what the server had"}
			c.Faults = append(c.Faults, c.ahead)
		}
		c.snapshot = nil
	}
	d := txn.Digest
	if d == nil || d.Version != proto.DigestVersion || zxid < c.fuzzyUntil {
		return true
	}
	c.Compared++
	want := uint64(d.TreeDigest)
	is := func(off uint64) bool { return uint64(t.Digest())+off == want || uint64(t.AltDigest())+off == want }
	if is(0) { // what was off has changed since, or was always right
		c.off, c.vague = 0, false
		if c.excused {
			c.Compared -= c.Failed
			c.Failed = 0
			c.retract(c.fault)
		}
		if c.ahead != nil && zxid > c.ahead.Zxid {
			c.retract(c.ahead)
		}
		c.ahead = nil
		return true
	}
	ahead := c.ahead != nil && zxid == c.ahead.Zxid // see Dir.settle
	if !ahead {
		c.ahead = nil // the next transaction did not explain it
	}
	if is(c.off) {
		return true
	}
	c.excused = (c.root.excuse() || c.vague || ahead) && (c.Failed == 0 || c.excused)
	c.Failed++
	if c.Failed == 1 {
		c.fault = &Fault{File: file, Offset: offset, Kind: BadDigest, Zxid: zxid,
			Err:     fmt.Errorf("after %v with zxid %#x the tree has digest %d, but the server logged %d", txn.Header.Type, uint64(zxid), t.Digest(), d.TreeDigest),
			Meaning: "from here on the replayed tree is not the one the server had: an earlier transaction is missing or was changed, or the server's own tree was wrong; compare with another member of the ensemble"}
		c.Faults = append(c.Faults, c.fault)
	}
	c.off = want - uint64(t.Digest())
	return false
}

func (c *DigestCheck) retract(fault *Fault) {
	c.Faults = slices.DeleteFunc(c.Faults, func(f *Fault) bool { return f == fault })
}
