package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
)

// readLog reads a log to its end and returns its zxids and what ended it.
func readLog(t testing.TB, path string) (zxids []int64, end error) {
	t.Helper()
	r, err := OpenLog(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var txn proto.TxnEntry
	for {
		e, err := r.Next()
		if err != nil {
			return zxids, err
		}
		if err := e.Decode(&txn); err != nil {
			t.Errorf("%s: zxid %#x does not decode: %v", path, e.Header.Zxid, err)
		}
		if txn.Header != e.Header {
			t.Errorf("%s: header %+v, decoded %+v", path, e.Header, txn.Header)
		}
		zxids = append(zxids, e.Header.Zxid)
	}
}

// The counts are TxnLogToolkit's.
func TestLogsToTheEnd(t *testing.T) {
	for path, want := range map[string]int{
		"standalone/log.1": 55, "standalone/log.38": 59, "standalone/log.73": 5,
		"standalone/log.78": 60, "standalone/log.f6": 53,
		"ensemble/server1/version-2/log.100000001": 104,
		"ensemble/server3/version-2/log.100000001": 99,
		"ensemble/server3/version-2/log.200000001": 5,
		"damaged/log.header-only":                  0,
	} {
		t.Run(path, func(t *testing.T) {
			path = filepath.Join("testdata", path)
			zxids, err := readLog(t, path)
			if err != io.EOF || len(zxids) != want {
				t.Errorf("%d entries and %v, want %d and EOF", len(zxids), err, want)
			}
			if _, first, ok := ZxidOfName(path); ok && zxids[0] != first {
				t.Errorf("first zxid %#x, name says %#x", zxids[0], first)
			}
		})
	}
}

func TestDamagedLogs(t *testing.T) {
	const whole = FaultKind(-1) // the log ends as it should
	for _, c := range []struct {
		name    string
		entries int
		bad     []int64 // zxids whose checksum is wrong
		kind    FaultKind
		offset  int64
		zxid    int64
		say     string
	}{
		{name: "log.crc", entries: 55, bad: []int64{6, 0x15, 0x16}, kind: whole},
		{name: "log.header-only", kind: whole},
		{name: "log.empty", kind: NotAFile, say: "the file is empty; it holds no transaction"},
		{name: "log.bad-magic", kind: BadMagic, say: `starts with "XXXX" instead of "ZKLG"`},
		{name: "log.huge-length", entries: 10, kind: BadLength, offset: 1156, zxid: 0xb,
			say: "record length 2147483647 is beyond the end of the file; the log is damaged from zxid 0xb on"},
		{name: "log.negative-length", entries: 10, kind: BadLength, offset: 1156, zxid: 0xb, say: "record length -5 is negative"},
		{name: "log.no-eor", entries: 55, kind: BadEnd, offset: 9700, zxid: 0x37, say: "the file ends before the record's last byte"},
		{name: "log.truncated", entries: 54, kind: CutOff, offset: 9700, zxid: 0x37, say: "the file ends 165 bytes before the end of a record of 328 bytes"},
		{name: "snapshot.bit-flip", kind: BadMagic, say: "this is a snapshot, not a transaction log"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join("testdata/damaged", c.name)
			entries := 0
			var bad []int64
			err := eachEntry(path, func(e *Entry) error {
				entries++
				if !e.Intact() {
					bad = append(bad, e.Header.Zxid)
				}
				return nil
			})
			if entries != c.entries || !slices.Equal(bad, c.bad) {
				t.Errorf("%d entries, wrong checksums at %v; want %d, %v", entries, bad, c.entries, c.bad)
			}
			if c.kind != whole {
				checkFault(t, err, path, c.kind, c.offset, c.zxid, c.say)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func checkFault(t *testing.T, err error, path string, kind FaultKind, offset, zxid int64, say string) {
	t.Helper()
	var f *Fault
	if !errors.As(err, &f) {
		t.Fatalf("%v is not a fault", err)
	}
	if f.File != path || f.Kind != kind || f.Offset != offset || f.Zxid != zxid {
		t.Errorf("%s: %v at byte %d, zxid %#x; want %v at byte %d, zxid %#x", f.File, f.Kind, f.Offset, f.Zxid, kind, offset, zxid)
	}
	if start := fmt.Sprintf("read %s at byte %d: ", path, offset); !strings.HasPrefix(f.Error(), start) || !strings.Contains(f.Error(), say) {
		t.Errorf("%q does not begin with %q or does not say %q", f, start, say)
	}
}

// A log cut at any byte yields the entries before the cut.
func TestLogCutAnywhere(t *testing.T) {
	whole, err := os.ReadFile("testdata/damaged/log.no-eor")
	if err != nil {
		t.Fatal(err)
	}
	whole = append(whole, endOfRecord)[:2200]
	var ends []int64
	path := filepath.Join(t.TempDir(), "log.1")
	write := func(n int) {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(len(whole))
	_ = eachEntry(path, func(e *Entry) error {
		ends = append(ends, e.Offset+entryHead+int64(len(e.Raw))+1)
		return nil
	})
	for n := range whole {
		write(n)
		got := 0
		err := eachEntry(path, func(e *Entry) error {
			if e.EOR == endOfRecord && e.Intact() {
				got++
			}
			return nil
		})
		want := 0
		for want < len(ends) && ends[want] <= int64(n) {
			want++
		}
		var f *Fault
		boundary := n == fileHeaderSize || want > 0 && ends[want-1] == int64(n)
		if got != want || boundary != (err == nil) && !(err == nil && n < fileHeaderSize+8) && !zerosAfter(whole[:n], ends, want) || err != nil && !errors.As(err, &f) {
			t.Fatalf("cut at %d: %d entries and %v, want %d", n, got, err, want)
		}
	}
}

// zerosAfter reports whether what follows the last whole entry is zeros, an end like any other.
func zerosAfter(b []byte, ends []int64, entries int) bool {
	start := int64(fileHeaderSize)
	if entries > 0 {
		start = ends[entries-1]
	}
	return int64(len(b)) > start && allZero(b[start:])
}

// A window that is smaller than the file is moved; entries longer than it make it grow.
func TestLongEntries(t *testing.T) {
	dir := t.TempDir()
	w := NewLogWriter(dir, LogOptions{Preallocate: -1})
	sizes := []int{10, logWindow - 30, 3 * logWindow, 1, suspiciousEntry + 5, 0, logWindow}
	for i, n := range sizes {
		if err := w.Append(setData(int64(i+1), "/a", bytes.Repeat([]byte{byte(i + 1)}, n))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "log.1")
	i := 0
	var txn proto.TxnEntry
	err := eachEntry(path, func(e *Entry) error {
		if err := e.View(&txn); err != nil {
			return err
		}
		if data := txn.Body.(*proto.SetDataTxn).Data; len(data) != sizes[i] || !e.Intact() {
			t.Errorf("entry %d has %d bytes, want %d; intact: %v", i, len(data), sizes[i], e.Intact())
		}
		i++
		return nil
	})
	if err != nil || i != len(sizes) {
		t.Fatalf("%d entries, %v", i, err)
	}

	// A wrong length does not get memory, even if it fits into the file.
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	binary.BigEndian.PutUint32(b[fileHeaderSize+8:], suspiciousEntry+100)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	checkFault(t, eachEntry(path, func(*Entry) error { return nil }), path, BadLength, fileHeaderSize, 1, "no record of length")
}

func TestTrailingGarbage(t *testing.T) {
	b, err := os.ReadFile("testdata/standalone/log.73")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "log.73")
	for _, at := range []int{0, 60000} {
		if at > 0 {
			b[at] = 1
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := OpenLog(path)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = r.Next()
		}
		offset, found, err := r.TrailingGarbage()
		if err != nil || found != (at > 0) || offset != int64(at) {
			t.Errorf("garbage at %d: %d, %v, %v", at, offset, found, err)
		}
		r.Close()
	}
}
