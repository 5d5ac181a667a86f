package transfer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/source"
)

// TestPathSorter sorts more paths than it holds in memory, some of them twice.
func TestPathSorter(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := newPathSorter()
	var want []string
	for i := range 40_000 {
		path := fmt.Sprintf("/%d/%s-\x01", i*7919%40_000, strings.Repeat("x", 50))
		want = append(want, path)
		s.add(path)
	}
	for _, path := range want[:100] {
		s.add(path)
	}
	slices.SortFunc(want, source.Compare)
	var got []string
	for part := range s.chunks {
		if len(part) > chunk {
			t.Fatalf("%d in a chunk", len(part))
		}
		got = append(got, part...)
	}
	if s.err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %d paths, want %d", s.err, len(got), len(want))
	}
	if files, _ := filepath.Glob(os.Getenv("TMPDIR") + "/*/*"); len(files) == 0 {
		t.Error("all of it is in memory")
	}
	s.close()
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("%d files are left", len(left))
	}
}
