package torture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
	"github.com/zkctl/zkctl/internal/storage"
)

// TestTornTail cuts the log at every byte of its last entries, like a power failure during the
// write: the file ends there, or zeros follow. Everything before that entry must be there. A
// changed byte within an entry must be reported, not skipped.
func TestTornTail(t *testing.T) {
	c := startChild(t, childOptions{Properties: map[string]string{"preAllocSize": "16"}})
	w, err := wiretest.Dial(c.addr, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 12 {
		if err := w.Call(proto.OpCreate, wiretest.Create(fmt.Sprintf("/n%02d", n), []byte(strings.Repeat("x", 10*n)), proto.Persistent), nil); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	c.kill()
	version2 := filepath.Join(c.opt.Dir, "version-2")
	dir, err := storage.ReadDir(version2)
	if err != nil {
		t.Fatal(err)
	}
	log := dir.Logs[len(dir.Logs)-1]
	whole, err := os.ReadFile(log.Path)
	if err != nil {
		t.Fatal(err)
	}
	ends := entryEnds(t, log.Path) // of each entry
	last := ends[len(ends)-1]
	// load rewrites the log and returns the last zxid that a server finds.
	load := func(content []byte) (int64, error) {
		t.Helper()
		if err := os.WriteFile(log.Path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := storage.ReadDir(version2)
		if err != nil {
			t.Fatal(err)
		}
		tree, _, err := d.LoadForServer(false)
		if err != nil {
			return 0, err
		}
		return tree.LastZxid(), nil
	}
	for cut := ends[len(ends)-3]; cut <= last; cut++ {
		kept := 0 // whole entries
		for kept < len(ends) && ends[kept] <= cut {
			kept++
		}
		for name, content := range map[string][]byte{
			"file cut off":   whole[:cut],
			"zeros follow":   append(append([]byte(nil), whole[:cut]...), make([]byte, len(whole)-int(cut))...),
			"a page of them": append(append([]byte(nil), whole[:cut]...), make([]byte, 4096)...),
		} {
			zxid, err := load(content)
			if err != nil || zxid != int64(kept) {
				t.Errorf("%s at byte %d of %d: zxid 0x%x, %v; want 0x%x", name, cut, last, zxid, err, kept)
			}
		}
	}
	for at := ends[len(ends)-2]; at < last-1; at++ {
		content := append([]byte(nil), whole...)
		content[at] ^= 0x40
		zxid, err := load(content)
		// A changed last byte of an entry, or of a length, looks like an interrupted write.
		if err == nil && zxid >= int64(len(ends)) {
			t.Errorf("byte %d changed, and nobody saw it", at)
		}
		var fault *storage.Fault
		if err != nil && !errors.As(err, &fault) {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
	// A server continues after a torn entry, more than once.
	if err := os.WriteFile(log.Path, append(append([]byte(nil), whole[:last-1]...), make([]byte, 4096)...), 0o600); err != nil {
		t.Fatal(err)
	}
	want := len(ends) - 2 + 2 // without createSession and the entry cut short; the root, /zookeeper
	for i := range 4 {
		c.start()
		w, err := wiretest.Dial(c.addr, time.Minute, nil)
		if err != nil {
			t.Fatal(err)
		}
		if found := readState(t, w, "/"); len(found) != want {
			t.Errorf("start %d: %d znodes, want %d: %v", i, len(found), want, found)
		}
		if err := w.Call(proto.OpCreate, wiretest.Create(fmt.Sprintf("/after%d", i), make([]byte, 100), proto.Persistent), nil); err != nil {
			t.Fatal(err)
		}
		w.Close()
		c.kill()
		if i%2 == 0 {
			tear(t, version2)
		} else {
			want++
		}
	}
}

// tear truncates the last entry of the last log.
func tear(t *testing.T, version2 string) {
	t.Helper()
	d, err := storage.ReadDir(version2)
	if err != nil {
		t.Fatal(err)
	}
	path := d.Logs[len(d.Logs)-1].Path
	ends := entryEnds(t, path)
	if err := os.Truncate(path, ends[len(ends)-1]-7); err != nil {
		t.Fatal(err)
	}
}

func entryEnds(t *testing.T, path string) (ends []int64) {
	t.Helper()
	r, err := storage.OpenLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			return ends
		} else if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, r.Offset())
	}
}
