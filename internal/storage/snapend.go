package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/zkctl/zkctl/internal/proto"
)

// Trailer is what follows the znodes; valid after Next has returned io.EOF.
type Trailer struct {
	Digest            *proto.TxnDigest // 3.6; nil when absent
	DigestZxid        int64            // the zxid at which the tree had the digest; 0 if the server had none
	LastProcessedZxid int64            // 3.9; -1 when absent
	Checksum          int64            // Adler-32 of everything before it: the last checksum in the file
	Seals             int              // number of checksums in the file: 1 to 3, or 0 if the server died while writing it
	Extra             int64            // bytes after the last checksum; no ZooKeeper writes any
}

// Trailer returns what follows the znodes.
func (r *SnapshotReader) Trailer() Trailer { return r.trailer }

var (
	errChecksum = errors.New("wrong checksum")
	errSeal     = errors.New(`the checksum is not followed by "/"`)
)

const (
	sealSize   = 8 + 4 + 1     // checksum, "/"
	digestSize = 8 + 4 + 8     // zxid, version, digest
	lastZxid   = 8             // 3.9
	maxTrailer = 2 * (1 << 10) // more than any trailer
)

// readTrailer reads what follows the znodes (FileSnap.deserialize): a checksum; since 3.6, unless
// the server had digests turned off, a digest and another checksum; since 3.9, if turned on, the
// last zxid and another checksum. It returns io.EOF if everything is in order.
func (r *SnapshotReader) readTrailer() error {
	rest, err := r.w.upTo(maxTrailer)
	if err != nil {
		return err
	}
	if rest == 0 {
		return io.EOF
	}
	if err := r.readSeal(); err != nil {
		return err
	}
	rest -= sealSize
	if rest >= digestSize && rest != lastZxid+sealSize {
		if err := r.readDigest(); err != nil {
			return err
		}
		if err := r.readSeal(); err != nil {
			return err
		}
		if rest, err = r.w.upTo(maxTrailer); err != nil {
			return err
		}
	}
	if rest >= lastZxid+sealSize {
		if r.trailer.LastProcessedZxid, err = r.w.long(); err != nil {
			return err
		}
		if err := r.readSeal(); err != nil {
			return err
		}
	} else if rest > 0 && r.trailer.Seals == 1 {
		return io.ErrUnexpectedEOF // inside the digest
	}
	r.trailer.Extra, err = r.w.drain()
	if err != nil {
		return err
	}
	return io.EOF
}

func (r *SnapshotReader) readSeal() error {
	computed := int64(r.w.sum())
	r.node.Offset = r.w.offset()
	b, err := r.w.need(sealSize)
	if err != nil {
		return err
	}
	stored := int64(binary.BigEndian.Uint64(b))
	if stored != computed {
		return fmt.Errorf("%w: the file says %#x, its bytes give %#x", errChecksum, stored, computed)
	}
	if string(b[8:]) != "\x00\x00\x00\x01/" {
		return errSeal
	}
	r.trailer.Checksum = stored
	r.trailer.Seals++
	r.w.consume(sealSize)
	return nil
}

// readDigest reads a ZxidDigest; before version 2 the digest was a hexadecimal string.
func (r *SnapshotReader) readDigest() (err error) {
	r.node.Offset = r.w.offset()
	digest := new(proto.TxnDigest)
	if r.trailer.DigestZxid, err = r.w.long(); err != nil {
		return err
	}
	if digest.Version, err = r.w.int(); err != nil {
		return err
	}
	if digest.Version >= proto.DigestVersion {
		digest.TreeDigest, err = r.w.long()
	} else {
		var s string
		if s, err = r.w.string(); err == nil && s != "" {
			digest.TreeDigest, _ = strconv.ParseInt(s, 16, 64)
		}
	}
	r.trailer.Digest = digest
	return err
}
