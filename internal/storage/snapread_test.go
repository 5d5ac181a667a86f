package storage

import (
	"encoding/binary"
	"errors"
	"hash/adler32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
)

func readSnapshot(path string) (nodes int, tr Trailer, end error) {
	r, err := OpenSnapshot(path)
	if err != nil {
		return 0, tr, err
	}
	defer r.Close()
	for {
		if _, err := r.Next(); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return nodes, r.Trailer(), err
		}
		nodes++
	}
}

// The counts are SnapshotFormatter's minus one: its table has the root under two names.
func TestSnapshotsToTheEnd(t *testing.T) {
	for path, want := range map[string]int{
		"standalone/snapshot.0": 4, "standalone/snapshot.36": 51, "standalone/snapshot.71": 53,
		"standalone/snapshot.77.gz": 42, "standalone/snapshot.95.gz": 70,
		"standalone/snapshot.f5.snappy": 164, "standalone/snapshot.102.snappy": 164,
		"ensemble/server1/version-2/snapshot.0": 4, "ensemble/server3/version-2/snapshot.0": 4,
	} {
		t.Run(path, func(t *testing.T) {
			nodes, tr, err := readSnapshot(filepath.Join("testdata", path))
			if err != nil || nodes != want {
				t.Errorf("%d znodes and %v, want %d", nodes, err, want)
			}
			if tr.Digest == nil || tr.Digest.Version != proto.DigestVersion || tr.LastProcessedZxid != -1 || tr.Seals != 2 || tr.Extra != 0 {
				t.Errorf("trailer %+v", tr)
			}
		})
	}
}

func TestSnapshotContent(t *testing.T) {
	r, err := OpenSnapshot("testdata/standalone/snapshot.71")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if h := r.Header(); h.Magic != proto.SnapMagic || h.DBID != snapshotDBID {
		t.Errorf("header %+v", h)
	}
	if s := r.Sessions(); len(s) == 0 || s[0].ID>>56 != 1 || s[0].Timeout < 1000 {
		t.Errorf("sessions %+v", s)
	}
	if len(r.ACLs()) < 2 {
		t.Errorf("ACLs %+v", r.ACLs())
	}
	root, err := r.Next()
	if err != nil || root.Path != "" || root.ACL != -1 {
		t.Errorf("root %+v, %v", root, err)
	}
}

func TestDamagedSnapshots(t *testing.T) {
	for _, c := range []struct {
		name   string
		nodes  int
		kind   FaultKind
		offset int64
		say    string
	}{
		{"snapshot.bit-flip", 53, BadChecksum, 8226, "all 53 znodes were read, but one may be wrong"},
		{"snapshot.empty", 0, NotAFile, 0, "the file is empty"},
		{"snapshot.truncated", 29, CutOff, 5275, "the file ends inside a record; 29 znodes before it were read"},
		{"log.crc", 0, BadMagic, 0, "this is a transaction log, not a snapshot"},
		{"log.bad-magic", 0, BadMagic, 0, `starts with "XXXX" instead of "ZKSN"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join("testdata/damaged", c.name)
			nodes, _, err := readSnapshot(path)
			if nodes != c.nodes {
				t.Errorf("%d znodes, want %d", nodes, c.nodes)
			}
			checkFault(t, err, path, c.kind, c.offset, 0, c.say)
		})
	}
}

// A snapshot cut at any byte yields the znodes before the cut, and never counts as complete unless
// an older ZooKeeper would have ended there.
func TestSnapshotCutAnywhere(t *testing.T) {
	for _, name := range []string{"standalone/snapshot.36", "standalone/snapshot.77.gz", "standalone/snapshot.f5.snappy"} {
		t.Run(name, func(t *testing.T) {
			whole, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), filepath.Base(name))
			last := 0
			for n := range whole {
				if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
					t.Fatal(err)
				}
				nodes, tr, err := readSnapshot(path)
				var f *Fault
				if err != nil && !errors.As(err, &f) {
					t.Fatalf("cut at %d: %v is no fault", n, err)
				}
				if err == nil && (n < len(whole)-46 || tr.Digest != nil) {
					t.Errorf("cut at %d of %d: whole", n, len(whole))
				}
				if nodes < last {
					t.Errorf("cut at %d: %d znodes, one byte less gives %d", n, nodes, last)
				}
				last = nodes
			}
		})
	}
}

// Before 3.6 a snapshot ended with its first checksum; a server that died left none; one
// with digests turned off writes the last zxid after the first checksum.
func TestSnapshotsOfOtherVersions(t *testing.T) {
	b, err := os.ReadFile("testdata/standalone/snapshot.36")
	if err != nil {
		t.Fatal(err)
	}
	seal := func(b []byte) []byte {
		return append(binary.BigEndian.AppendUint64(b, uint64(adler32.Checksum(b))), "\x00\x00\x00\x01/"...)
	}
	long := func(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(slices.Clip(b), v) }
	first := len(b) - sealSize - digestSize
	old := b[:first]
	hex := append(long(old, 0x36), "\x00\x00\x00\x01\x00\x00\x00\x02ff"...)
	for name, c := range map[string]struct {
		content []byte
		want    Trailer
		digest  int64
	}{
		"none":          {old[:first-sealSize], Trailer{LastProcessedZxid: -1}, 0},
		"3.4":           {old, Trailer{LastProcessedZxid: -1, Seals: 1}, 0},
		"old digest":    {seal(hex), Trailer{LastProcessedZxid: -1, Seals: 2, DigestZxid: 0x36}, 0xff},
		"3.9":           {seal(long(b, 77)), Trailer{LastProcessedZxid: 77, Seals: 3, DigestZxid: 0x37}, -1},
		"3.9 no digest": {seal(long(old, 77)), Trailer{LastProcessedZxid: 77, Seals: 2}, 0},
		"more":          {append(slices.Clip(b), 1, 2, 3), Trailer{LastProcessedZxid: -1, Seals: 2, DigestZxid: 0x37, Extra: 3}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "snapshot.36")
			if err := os.WriteFile(path, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			nodes, tr, err := readSnapshot(path)
			if err != nil || nodes != 51 {
				t.Fatalf("%d znodes, %v", nodes, err)
			}
			if (tr.Digest != nil) != (c.digest != 0) || c.digest > 0 && tr.Digest.TreeDigest != c.digest {
				t.Errorf("digest %+v", tr.Digest)
			}
			tr.Digest, tr.Checksum = nil, 0
			if tr != c.want {
				t.Errorf("trailer %+v, want %+v", tr, c.want)
			}
		})
	}
}
