package storage

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

func seed(f *testing.F, patterns ...string) {
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || files == nil {
			f.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b[:min(len(b), 12<<10)])
		}
	}
}

// inMemory is an open file that holds b.
func inMemory(t *testing.T, b []byte) fs.File {
	f, err := fstest.MapFS{"f": {Data: b}}.Open("f")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// FuzzLog: any bytes yield entries and then an end or a fault, decoding with and without copying is
// the same, and batches contain the same entries.
func FuzzLog(f *testing.F) {
	seed(f, "testdata/standalone/log.*", "testdata/damaged/log.*", "testdata/ensemble/*/version-2/log.*")
	f.Fuzz(func(t *testing.T, b []byte) {
		var copied, viewed proto.TxnEntry
		end := int64(fileHeaderSize)
		if r, err := newLogReader(inMemory(t, b).(logFile), "log.1"); err == nil {
			want, wantEnd := oneByOne(r)
			r, _ = newLogReader(inMemory(t, b).(logFile), "log.1")
			if got, gotEnd := inBatches(r); !slices.Equal(got, want) || gotEnd.Error() != wantEnd.Error() {
				t.Fatalf("%d entries and %v in batches, %d and %v one by one", len(got), gotEnd, len(want), wantEnd)
			}
		}
		r, err := newLogReader(inMemory(t, b).(logFile), "log.1")
		for err == nil {
			var e *Entry
			if e, err = r.Next(); err != nil {
				break
			}
			if e.Offset != end {
				t.Fatalf("entry at %d, the last ended at %d", e.Offset, end)
			}
			end += entryHead + int64(len(e.Raw)) + 1
			one, two := e.Decode(&copied), e.View(&viewed)
			if (one == nil) != (two == nil) {
				t.Fatalf("%v with copies, %v without", one, two)
			}
			if one == nil && string(jute.Marshal(&copied)) != string(jute.Marshal(&viewed)) {
				t.Fatalf("%+v with copies, %+v without", copied, viewed)
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if fault := (*Fault)(nil); !errors.As(err, &fault) {
			t.Fatal(err)
		} else if fault.Offset > int64(len(b)) {
			t.Fatalf("%v, but the file has %d bytes", err, len(b))
		}
	})
}

// FuzzSnapshot: any bytes yield znodes and then an end or a fault, with each compression.
func FuzzSnapshot(f *testing.F) {
	seed(f, "testdata/standalone/snapshot.*", "testdata/damaged/snapshot.*")
	names := []string{"snapshot.1", "snapshot.1.gz", "snapshot.1.snappy"}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, name := range names {
			r, err := newSnapshotReader(inMemory(t, b), name)
			for err == nil {
				_, err = r.Next()
			}
			if fault := (*Fault)(nil); !errors.Is(err, io.EOF) && !errors.As(err, &fault) {
				t.Fatal(err)
			}
		}
	})
}
