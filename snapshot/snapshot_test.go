package snapshot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // the references were made with TZ=UTC
	os.Exit(apachetest.Main(m))
}

// answer is what a run printed, and its exit code.
type answer struct {
	out, err string
	code     int
}

// run runs the verb with its arguments.
func run(t testing.TB, args ...string) answer {
	t.Helper()
	return runWith(t, &ui.Streams{In: strings.NewReader("")}, args...)
}

func runWith(t testing.TB, s *ui.Streams, args ...string) answer {
	t.Helper()
	var out, err bytes.Buffer
	s.Out, s.Err = &out, &err
	c := newCommand(&command.Env{Streams: s})
	c.SetArgs(args)
	ran, failure := c.ExecuteContextC(context.Background())
	failure = command.Ended(ran, failure)
	a := answer{out: out.String()}
	if failure != nil {
		a.code = ui.ExitFailed
		var exit *ui.ExitError
		if errors.As(failure, &exit) {
			a.code = exit.Code
		}
		if text := failure.Error(); text != "" {
			err.WriteString(text + "\n")
		}
	}
	a.err = err.String()
	return a
}

func mustRun(t testing.TB, args ...string) string {
	t.Helper()
	a := run(t, args...)
	if a.code != 0 {
		t.Fatalf("%q: exit code %d, stderr %q", args, a.code, a.err)
	}
	return a.out
}

func read(t testing.TB, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sameBlocks compares what SnapshotFormatter prints without the order of siblings.
func sameBlocks(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "----\n"), strings.Split(want, "----\n")
	slices.Sort(g)
	slices.Sort(w)
	if slices.Equal(g, w) {
		return
	}
	for _, b := range g {
		if !slices.Contains(w, b) {
			t.Errorf("not wanted:\n%s", b)
		}
	}
	for _, b := range w {
		if !slices.Contains(g, b) {
			t.Errorf("missing:\n%s", b)
		}
	}
	t.Fatalf("%d blocks, want %d", len(g), len(w))
}

// ncduTree reads ncdu's format into the sizes of znodes by path. Numbers of inodes must rise.
func ncduTree(t *testing.T, text string) map[string]float64 {
	t.Helper()
	var doc []any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v in %.100s", err, text)
	}
	if len(doc) != 4 || doc[2].(map[string]any)["progname"] != "SnapshotFormatter.java" {
		t.Fatalf("not the format: %.200s", text)
	}
	tree := map[string]float64{}
	ino := float64(firstInode)
	var walk func(parent string, v any)
	walk = func(parent string, v any) {
		list, isList := v.([]any)
		if isList {
			v = list[0]
		}
		n := v.(map[string]any)
		path := strings.ReplaceAll(parent+"/"+n["name"].(string), "//", "/")
		tree[path] = n["asize"].(float64)
		if ino++; n["ino"] != ino || n["dsize"] != n["asize"] || n["dev"] != 0.0 || len(n) != 5 {
			t.Errorf("%s: %v, want inode %v", path, n, ino)
		}
		for i := 1; i < len(list); i++ {
			walk(strings.TrimSuffix(path, "/"), list[i])
		}
	}
	walk("", doc[3])
	return tree
}

func references(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/version-2/snapshot.*")
	if err != nil || len(files) == 0 {
		t.Fatal("no snapshots", err)
	}
	return files
}
