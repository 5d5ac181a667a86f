package storage

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
)

// entryText is everything that Next returns about an entry.
func entryText(e *Entry) string {
	return fmt.Sprintf("%d %s %d %d %d %+v", e.Offset, e.Raw, e.Stored, e.Computed, e.EOR, e.Header)
}

// oneByOne reads a log with Next.
func oneByOne(r *LogReader) (entries []string, end error) {
	for {
		e, err := r.Next()
		if err != nil {
			return entries, err
		}
		entries = append(entries, entryText(e))
	}
}

// inBatches reads a log with NextBatch, into three batches in turn, and uses each batch as late as
// it may.
func inBatches(r *LogReader) (entries []string, end error) {
	var batches [3]Batch
	look := func(b *Batch) {
		for e := b.Next(); e != nil; e = b.Next() {
			entries = append(entries, entryText(e))
		}
	}
	for i := 0; ; i++ {
		b := &batches[i%len(batches)]
		look(b)
		if err := r.NextBatch(b); err != nil {
			for j := range batches {
				look(&batches[(i+1+j)%len(batches)])
			}
			return entries, err
		}
	}
}

func sameInBatches(t *testing.T, path string) {
	t.Helper()
	var got, want []string
	var gotEnd, wantEnd error
	for _, way := range []struct {
		read    func(*LogReader) ([]string, error)
		entries *[]string
		end     *error
	}{{oneByOne, &want, &wantEnd}, {inBatches, &got, &gotEnd}} {
		r, err := OpenLog(path)
		if err != nil {
			return // as it does for both
		}
		*way.entries, *way.end = way.read(r)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if gotEnd.Error() != wantEnd.Error() {
		t.Errorf("%s: in batches %v, one by one %v", path, gotEnd, wantEnd)
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d entries in batches, %d one by one", path, len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s: entry %d:\n%.200s in batches\n%.200s one by one", path, i, got[i], want[i])
		}
	}
}

func TestBatchesOfReference(t *testing.T) {
	for _, pattern := range []string{"testdata/standalone/log.*", "testdata/damaged/log.*", "testdata/ensemble/*/version-2/log.*"} {
		files, err := filepath.Glob(pattern)
		if err != nil || files == nil {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			sameInBatches(t, file)
		}
	}
}

// TestBatchesOfLargeLog has entries of all sizes across windows, and the file cut at bytes of
// its last.
func TestBatchesOfLargeLog(t *testing.T) {
	dir := t.TempDir()
	w := NewLogWriter(dir, LogOptions{})
	zxid := int64(0)
	write := func(size int) {
		zxid++
		e := proto.TxnEntry{
			Header: proto.TxnHeader{ClientID: 1, Zxid: zxid, Type: proto.OpSetData},
			Body:   &proto.SetDataTxn{Path: "/a", Data: bytes.Repeat([]byte{byte(zxid)}, size)},
		}
		if err := w.Append(&e); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []int{logWindow, 2 * logWindow, 3*logWindow + 1, logWindow - 100, 2*logWindow - 77, suspiciousEntry + 1, 0, 1} {
		for n := range 1000 {
			write(n % 700)
		}
		write(size)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "log.1")
	sameInBatches(t, path)
	r, err := OpenLog(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := oneByOne(r); err == nil {
		t.Fatal("no end")
	}
	end := r.Offset()
	r.Close()
	for _, cut := range []int64{1, 2, 20, 60} {
		if err := os.Truncate(path, end-cut); err != nil {
			t.Fatal(err)
		}
		sameInBatches(t, path)
	}
}
