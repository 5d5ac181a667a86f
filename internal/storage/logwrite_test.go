package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
)

// written returns the length of the current log without preallocated zeros.
func (w *LogWriter) written() int64 { return w.at + int64(len(w.buf)) }

func setData(zxid int64, path string, data []byte) *proto.TxnEntry {
	return &proto.TxnEntry{
		Header: proto.TxnHeader{ClientID: 1, Cxid: int32(zxid), Zxid: zxid, Time: 1700000000000 + zxid, Type: proto.OpSetData},
		Body:   &proto.SetDataTxn{Path: path, Data: data, Version: int32(zxid)},
	}
}

// Whatever remains of the bytes after the last Sync, everything that was synced is read.
func TestSyncedEntriesSurviveEveryCut(t *testing.T) {
	for _, prealloc := range []int64{-1, 8 << 10} {
		t.Run(fmt.Sprint(prealloc), func(t *testing.T) {
			dir := t.TempDir()
			w := NewLogWriter(dir, LogOptions{Preallocate: prealloc})
			path := filepath.Join(dir, "log.1")
			const synced, more = 20, 5
			var safe, end int64
			for i := int64(1); i <= synced+more; i++ {
				if err := w.Append(setData(i, "/a", []byte("value"))); err != nil {
					t.Fatal(err)
				}
				if i == synced {
					if err := w.Sync(); err != nil {
						t.Fatal(err)
					}
					safe = w.written()
				}
			}
			end = w.written()
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			survivor := filepath.Join(t.TempDir(), "log.1")
			check := func(content []byte, what string, at int64) {
				if err := os.WriteFile(survivor, content, 0o600); err != nil {
					t.Fatal(err)
				}
				n := 0
				_ = eachEntry(survivor, func(e *Entry) error {
					if e.Intact() && e.EOR == endOfRecord {
						n++
					}
					return nil
				})
				if n < synced {
					t.Fatalf("%s at %d: %d entries are left of %d", what, at, n, synced)
				}
			}
			for at := safe; at <= end; at++ {
				check(whole[:at], "cut", at)
				lost := bytes.Clone(whole)
				clear(lost[at:])
				check(lost, "lost", at)
				lost = bytes.Clone(whole)
				clear(lost[safe:at])
				check(lost, "written out of order", at)
			}
		})
	}
}

func TestLogWriterFiles(t *testing.T) {
	dir := t.TempDir()
	w := NewLogWriter(dir, LogOptions{Preallocate: 64 << 10, MaxSize: 2000})
	for i := int64(1); i <= 60; i++ {
		if err := w.Append(setData(i, "/a", make([]byte, 100))); err != nil {
			t.Fatal(err)
		}
		if err := w.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Append(setData(60, "/a", nil)); err == nil {
		t.Error("a zxid was appended twice")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Append(setData(61, "/a", nil)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	d, err := ReadDir(dir)
	if err != nil || len(d.Logs) < 4 {
		t.Fatalf("%+v, %v", d, err)
	}
	next := int64(1)
	for _, f := range d.Logs {
		info, err := os.Stat(f.Path)
		if err != nil || info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
			t.Errorf("%s: mode %v, %v", f.Path, info.Mode(), err)
		}
		if f.Size != fileHeaderSize+64<<10 {
			t.Errorf("%s has %d bytes", f.Path, f.Size)
		}
		if f.Zxid != next {
			t.Errorf("%s should begin with %#x", f.Path, next)
		}
		if err := eachEntry(f.Path, func(e *Entry) error {
			if e.Header.Zxid != next || !e.Intact() {
				t.Errorf("%s: zxid %#x, want %#x; intact: %v", f.Path, e.Header.Zxid, next, e.Intact())
			}
			next++
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	if next != 61 {
		t.Errorf("%d entries", next-1)
	}
}

// A log left by a crash before anything was acknowledged is overwritten; a log with transactions
// never is.
func TestLogWriterExistingFile(t *testing.T) {
	log, err := os.ReadFile("testdata/standalone/log.1")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content []byte
		taken   bool
	}{
		"empty": {nil, true}, "half a header": {log[:7], true}, "header": {log[:16], true},
		"half an entry": {log[:40], true}, "an entry": {log[:200], false}, "no log": {[]byte("something else here"), false},
		"zeros": {make([]byte, 1000), true}, "few zeros": {make([]byte, 7), true}, "zeros and more": {append(make([]byte, 16), log[16:]...), false},
		"an entry without its end": {log[:76], true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "log.1")
			if err := os.WriteFile(path, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			w := NewLogWriter(dir, LogOptions{Preallocate: -1})
			err := errors.Join(w.Append(setData(1, "/a", nil)), w.Close())
			if c.taken {
				zxids, end := readLog(t, path)
				if err != nil || len(zxids) != 1 || end != io.EOF {
					t.Errorf("%v; %v, %v", err, zxids, end)
				}
				return
			}
			if !errors.Is(err, fs.ErrExist) {
				t.Errorf("%v", err)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(after, c.content) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestAppendRawEqualsAppend(t *testing.T) {
	source, dir := "testdata/standalone/log.38", t.TempDir()
	w := NewLogWriter(dir, LogOptions{Preallocate: 64 << 10})
	if err := eachEntry(source, func(e *Entry) error { return w.AppendRaw(e.Header.Zxid, e.Raw) }); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dir2 := t.TempDir()
	w = NewLogWriter(dir2, LogOptions{Preallocate: 64 << 10})
	var txn proto.TxnEntry
	if err := eachEntry(source, func(e *Entry) error { return errors.Join(e.Decode(&txn), w.Append(&txn)) }); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want, _ := os.ReadFile(source)
	for _, d := range []string{dir, dir2} {
		if got, _ := os.ReadFile(filepath.Join(d, "log.38")); !bytes.Equal(got, want) {
			t.Errorf("%d bytes, differing from ZooKeeper's %d", len(got), len(want))
		}
	}
}

func TestCopyLog(t *testing.T) {
	for _, c := range []struct {
		name    string
		last    int64
		entries int
		err     error
		kind    FaultKind
	}{
		{"standalone/log.1", 20, 20, nil, 0},
		{"standalone/log.1", 0x37, 55, ErrNothingAfter, 0},
		{"standalone/log.1", 0x99, 55, ErrNotInLog, 0},
		{"standalone/log.38", 1, 0, ErrNotInLog, 0},
		{"damaged/log.crc", 5, 5, nil, 0},
		{"damaged/log.crc", 0x20, 5, nil, BadChecksum},
		{"damaged/log.huge-length", 10, 10, nil, 0},
		{"damaged/log.huge-length", 11, 10, nil, BadLength},
		{"damaged/log.no-eor", 0x37, 54, nil, BadEnd},
	} {
		t.Run(fmt.Sprintf("%s %#x", c.name, c.last), func(t *testing.T) {
			r, err := OpenLog(filepath.Join("testdata", c.name))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			var out bytes.Buffer
			n, err := CopyLog(&out, r, c.last)
			var f *Fault
			if c.kind != 0 && (!errors.As(err, &f) || f.Kind != c.kind) || c.kind == 0 && !errors.Is(err, c.err) || n != c.entries {
				t.Errorf("%d entries, %v", n, err)
			}
			source, _ := os.ReadFile(filepath.Join("testdata", c.name))
			if !bytes.HasPrefix(source, out.Bytes()) {
				t.Error("the copy differs from its source")
			}
		})
	}
}

func TestRawLogWriterPads(t *testing.T) {
	for _, file := range []bool{true, false} {
		path := filepath.Join(t.TempDir(), "log.1")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		var dst io.Writer = f
		if !file {
			dst = struct{ io.Writer }{f}
		}
		w := NewRawLogWriter(dst, proto.FileHeader{Magic: proto.LogMagic, Version: proto.LogVersion})
		w.Preallocate(64 << 10)
		if err := eachEntry("testdata/standalone/log.1", func(e *Entry) error { return w.WriteEntry(e.Raw, e.Computed) }); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
		got, _ := os.ReadFile(path)
		want, _ := os.ReadFile("testdata/standalone/log.1")
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes, differing from ZooKeeper's %d", len(got), len(want))
		}
	}
}
