package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
)

// nextSound returns the next entry if it is intact, or else its fault; io.EOF where the entries
// end. If an entry follows an end, no crash can have left that end: it is a fault of kind
// BadRecord.
func nextSound(r *LogReader) (*Entry, error) {
	offset, last := r.Offset(), r.last
	e, err := nextWhole(r)
	if f := (*Fault)(nil); err == nil || !errors.Is(err, io.EOF) && !(errors.As(err, &f) && f.ofCrash()) {
		return e, err
	}
	end, before := offset, last
	if f := (*Fault)(nil); errors.As(err, &f) && f.Kind == BadEnd && r.next == nil { // only its last byte is wrong
		end, before = r.Offset()-1, r.last
	}
	at, zxid := r.soundAfter(end, before)
	if at == 0 {
		return nil, err
	}
	// If the server has written more since, there is no damage.
	r.retry(offset, last)
	if e, again := nextWhole(r); again == nil || again.Error() != err.Error() {
		return e, again
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("the record starts with zeros")
	} else {
		err = errors.Unwrap(err)
	}
	return nil, &Fault{File: r.name, Offset: offset, Kind: BadRecord, Zxid: last,
		Err:     fmt.Errorf("%w, but transaction %#x follows at byte %d", err, uint64(zxid), at),
		Meaning: "the bytes in between are damaged; Apache ZooKeeper drops the transactions from here to the end of the log", Remedy: RecoverLog}
}

// nextWhole returns the next entry if it is intact, or else its fault. It checks the end first,
// as FileTxnLog does: an entry cut short, with preallocated zeros in place of the rest, has a
// wrong checksum too.
func nextWhole(r *LogReader) (*Entry, error) {
	e, err := r.Next()
	if err != nil {
		return nil, err
	}
	f := &Fault{File: r.Name(), Offset: e.Offset, Zxid: e.Header.Zxid}
	switch {
	case e.EOR != endOfRecord:
		f.Kind = BadEnd
		f.Err = fmt.Errorf("the record's last byte is %#02x instead of 'B'", e.EOR)
		f.Meaning = "the server died while writing the transaction; ZooKeeper drops it"
		return nil, f
	case !e.Intact():
		f.Kind = BadChecksum
		f.Err = fmt.Errorf("wrong checksum: the file says %#x, the bytes give %#x", e.Stored, e.Computed)
		f.Meaning, f.Remedy = "the transaction cannot be trusted, and ZooKeeper refuses to start with it", RecoverLog
		return nil, f
	}
	return e, nil
}

const (
	diskBlock  = 512                           // what a disk writes completely or not at all
	leastEntry = entryHead + txnHeaderSize + 1 // the size of the smallest entry
)

// soundAfter looks for an entry after what ends the log at a byte: an intact one whose zxid can
// follow last. It returns 0 if there is none, or if a crash may have left the end before it. That
// requires a block which never reached the disk and is zeros, from the end on or entirely: blocks
// that wait for the same Sync are written in any order.
func (r *LogReader) soundAfter(end, last int64) (at, zxid int64) {
	const piece = 64 << 10 // a multiple of diskBlock
	buf, one := make([]byte, piece+entryHead+txnHeaderSize), make([]byte, 1)
	work := int64(2 * maxDamaged) // how many bytes to sum up
	for base := end - end%diskBlock; ; base += piece {
		n, err := r.f.ReadAt(buf, base)
		for block := int64(0); block < min(int64(n), piece); block += diskBlock {
			from := max(block, end-base)
			to := block + diskBlock
			if allZero(buf[from:min(to, int64(n))]) {
				return 0, 0
			}
			for i := from; i < to && i+entryHead+txnHeaderSize <= int64(n); i++ {
				length := int64(int32(binary.BigEndian.Uint32(buf[i+8:])))
				z := decodeHeader(buf[i+entryHead:]).Zxid
				if binary.BigEndian.Uint32(buf[i:]) != 0 || length < txnHeaderSize || length > maxDamaged || !mayFollow(last, z, (base+i-end)/leastEntry+2) {
					continue
				}
				if work -= length; work < 0 {
					return 0, 0
				}
				if n, _ := r.f.ReadAt(one, base+i+entryHead+length); n == 0 || one[0] != endOfRecord {
					continue
				}
				sum := adler32.New()
				_, err := io.Copy(sum, io.NewSectionReader(r.f, base+i+entryHead, length))
				if err == nil && sum.Sum32() == binary.BigEndian.Uint32(buf[i+4:]) {
					return base + i, z
				}
			}
		}
		if err != nil {
			return 0, 0
		}
	}
}

// mayFollow reports whether zxid can be one of the next n after last, or belongs to a later
// epoch.
func mayFollow(last, zxid, n int64) bool {
	if zxid <= last {
		return false
	}
	if epochOf(zxid) == epochOf(last) {
		return last == 0 || zxid-last <= n
	}
	return last == 0 || epochOf(zxid)-epochOf(last) < 1<<16 && counterOf(zxid) <= n
}
