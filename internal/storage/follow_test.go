package storage

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
)

func TestReadWhileGrowing(t *testing.T) {
	dir := t.TempDir()
	w := NewLogWriter(dir, LogOptions{Preallocate: 4 << 10})
	defer w.Close()
	add := func(zxid int64) {
		t.Helper()
		if err := errors.Join(w.Append(setData(zxid, "/a", make([]byte, 700))), w.Sync()); err != nil {
			t.Fatal(err)
		}
	}
	add(1)
	r, err := OpenLog(filepath.Join(dir, "log.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for zxid := int64(1); zxid < 30; zxid++ {
		if e, err := r.Next(); err != nil || e.Header.Zxid != zxid || !e.Intact() {
			t.Fatalf("%+v, %v", e, err)
		}
		if e, err := r.Next(); err == nil {
			t.Fatalf("%+v before it was written", e)
		}
		add(zxid + 1)
	}
	if err := os.Truncate(filepath.Join(dir, "log.1"), 100); err != nil {
		t.Fatal(err)
	}
	if e, err := r.Next(); err == nil {
		t.Errorf("%+v of a file that has become shorter", e)
	}
}

// Follow sees every entry once, in order, however the writer's bytes arrive.
func TestFollow(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	dir := t.TempDir()
	logs := map[string][]byte{}
	for _, name := range []string{"log.1", "log.38", "log.73"} {
		b, err := os.ReadFile(filepath.Join("testdata/standalone", name))
		if err != nil {
			t.Fatal(err)
		}
		logs[name] = b
	}
	first := filepath.Join(dir, "log.1")
	if err := os.WriteFile(first, logs["log.1"][:16], 0o600); err != nil {
		t.Fatal(err)
	}
	seen := make(chan int64, 1000)
	done := make(chan error, 1)
	var txn proto.TxnEntry
	go func() {
		done <- Follow(ctx, first, func(_ *LogReader, e *Entry) error {
			if !e.Intact() {
				t.Errorf("zxid %#x is not whole", e.Header.Zxid)
			}
			if err := e.View(&txn); err != nil {
				t.Error(err)
			}
			seen <- e.Header.Zxid
			return nil
		})
	}()
	next := int64(1)
	await := func(last int64) {
		t.Helper()
		for ; next <= last; next++ {
			select {
			case z := <-seen:
				if z != next {
					t.Fatalf("zxid %#x, want %#x", z, next)
				}
			case err := <-done:
				t.Fatalf("at zxid %#x: %v", next, err)
			}
		}
	}
	put := func(name string, at, end int) {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE, 0o600)
		if err == nil {
			_, err = f.WriteAt(logs[name][at:end], int64(at))
		}
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	put("log.1", 16, 1156+5) // ten entries and a piece of the eleventh
	await(10)
	put("log.1", 1156+5, 9700+30)
	await(0x36)
	put("log.1", 9700+30, len(logs["log.1"]))
	put("log.38", 0, 7)
	await(0x37)
	put("log.38", 7, len(logs["log.38"]))
	await(0x72)
	put("log.73", 0, len(logs["log.73"]))
	await(0x77)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestFollowStops(t *testing.T) {
	stop := errors.New("enough")
	n := 0
	err := Follow(context.Background(), "testdata/standalone/log.1", func(*LogReader, *Entry) error {
		if n++; n == 100 { // in the second file
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || n != 100 {
		t.Errorf("%d entries, %v", n, err)
	}
	err = Follow(context.Background(), "testdata/damaged/log.bad-magic", nil)
	if f := (*Fault)(nil); !errors.As(err, &f) || f.Kind != BadMagic {
		t.Error(err)
	}
}
