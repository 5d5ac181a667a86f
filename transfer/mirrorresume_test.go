package transfer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// interrupted makes a source of which the first copy, by a mirror with the returned words, has come to /a/001/099.
func interrupted(t *testing.T, c *client.Conn, cfg client.Config, from, to string) []string {
	t.Helper()
	create(t, c, from, "", proto.OpenACL, proto.Persistent)
	forest(t, c, from+"/a", 2)
	state := filepath.Join(t.TempDir(), "state")
	words := []string{"mirror", from, to, "--once", "--delete", "--state", state}
	if stdout, stderr, err := run(t, cfg, words...); err != nil {
		t.Fatal(stdout, stderr, err)
	}
	text, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	begun := strings.Replace(string(text), "\n"+lineWhole+"\n", "\n", 1)
	if len(begun) == len(text) {
		t.Fatal("the first copy has not ended")
	}
	if err := os.WriteFile(state, []byte(begun), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/b", "/b/x"} {
		create(t, c, from+path, "", proto.OpenACL, proto.Persistent)
	}
	return words
}

// TestMirrorResumesFirstCopy: a mirror that was interrupted in its first copy copies the rest, and then finds what has changed before that.
func TestMirrorResumesFirstCopy(t *testing.T) {
	server, at := home(t)
	cfg := client.Config{Servers: server}
	c := open(t, cfg)
	ctx := testContext(t)
	from, to := at+"/from", at+"/to"
	words := interrupted(t, c, cfg, from, to)
	if _, err := c.Set(ctx, from+"/a/000/050", []byte("later"), -1); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(ctx, from+"/a/000/051", -1); err != nil {
		t.Fatal(err)
	}
	deleteAll(t, c, from+"/a/001") // whose next number was one higher
	create(t, c, from+"/a/001", "anew", proto.OpenACL, proto.Persistent)
	for i := range 100 {
		create(t, c, fmt.Sprintf("%s/a/001/%03d", from, i), "", proto.OpenACL, proto.Persistent)
	}
	before := []string{"/0", "/a/0", "/a/000/new"} // than /a/001/099
	for _, path := range before {
		create(t, c, from+path, "", proto.OpenACL, proto.Persistent)
	}

	var mu sync.Mutex
	var changed []string
	watching := open(t, client.Config{Servers: server, Watched: func(e client.Event) {
		mu.Lock()
		defer mu.Unlock()
		changed = append(changed, strings.TrimPrefix(e.Path, to))
	}})
	if err := watching.AddWatch(ctx, to, proto.WatchPersistentRecursive); err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, err := run(t, cfg, words...); err != nil {
		t.Fatal(stdout, stderr, err)
	}
	same(t, cfg, from, to)
	if err := watching.Sync(ctx, to); err != nil { // all events have come
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	last := slices.Index(changed, "/b/x")
	for _, path := range append(before, "/a/000/050", "/a/000/051") {
		if i := slices.Index(changed, path); last < 0 || i < last {
			t.Errorf("%s was change %d, and the last one of the first copy %d", path, i, last)
		}
	}
}

// TestMirrorResumesWithoutWhatOthersDeleted: what somebody else deletes while the first copy is interrupted stays deleted.
func TestMirrorResumesWithoutWhatOthersDeleted(t *testing.T) {
	server, at := home(t)
	cfg := client.Config{Servers: server}
	c := open(t, cfg)
	from, to := at+"/from", at+"/to"
	words := interrupted(t, c, cfg, from, to)
	deleteAll(t, c, to+"/a")
	if _, _, err := run(t, cfg, words...); err == nil {
		t.Error("no warning names the znode that somebody else has deleted")
	}
	if _, err := c.Exists(testContext(t), to+"/a", false); !errors.Is(err, proto.ErrNoNode) {
		t.Errorf("the deleted tree came back: %v", err)
	}
	if _, stderr, err := run(t, cfg, append(words, "--force")...); err != nil {
		t.Error(stderr, err)
	}
	if a, b := describe(t, cfg, from+"/a"), describe(t, cfg, to+"/a"); !slices.Equal(a, b) {
		t.Errorf("with --force there are %d of %d", len(b), len(a))
	}
}
