//go:build unix

package transfer

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/command"
)

// TestPipes: import keeps a copy of a pipe, which can be read only once. Locations that are pipes are refused.
func TestPipes(t *testing.T) {
	b := newBench(t, apachetest.Shared(t).Addr())
	const root = "/TestPipes"
	b.fill(root)
	text, _ := b.must("export", root)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, words := range [][]string{{"diff", "file:" + pipe, root}, {"cp", "file:" + pipe, root + "-cp"}, {"export", "file:" + pipe}} {
		if out, errs, code := b.run(words...); code == 0 || !strings.Contains(errs, "not a regular file") {
			t.Errorf("%q: exit %d\n%s%s", words, code, out, errs)
		}
	}
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(pipe, []byte(text), 0) }()
	b.must("import", pipe, root+"-copy")
	if err := <-written; err != nil {
		t.Error(err)
	}
	if out, _ := b.must("diff", root, root+"-copy", "--fields", "data,acl,kind,sequence"); out != "" {
		t.Error(out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := command.Run(ctx, b.env, command.Args("import", pipe, root+"-none")); err == nil || !strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("nobody writes to the pipe: %v", err)
	}
}
