package commands

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/command"
)

func TestMissingChroot(t *testing.T) {
	b := newBench(t)
	session := sessionWith(b.session.Servers() + "/none")
	defer session.Close()
	b.env.Session = session
	for line, hint := range map[string]bool{
		"ls /": true, "create /a x": true, "getAcl /": true, "multi 'create /a x'": true, "get /a": false, "create /a/b x": false,
	} {
		tokens, err := command.Lex(line)
		if err != nil {
			t.Fatal(err)
		}
		err = command.Run(b.ctx, b.env, command.Words(tokens))
		if err == nil || !strings.Contains(err.Error(), "Node does not exist") || strings.Contains(err.Error(), "/none of the connect string does not exist") != hint {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestTooLargeIsSaidOnce(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(file, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	err := command.Run(b.ctx, b.env, command.Args("set", "/", "@"+file))
	if err == nil || strings.Count(err.Error(), "jute.maxbuffer") != 1 {
		t.Error(err)
	}
}

func TestDeleteAllOfTheRoot(t *testing.T) {
	b := newBench(t)
	whole, _, _ := strings.Cut(b.session.Servers(), "/")
	for servers, want := range map[string]string{b.session.Servers(): "is the chroot /TestDeleteAllOfTheRoot", whole: "/zookeeper in it belongs to the server"} {
		session := sessionWith(servers)
		b.env.Session = session
		if err := command.Run(b.ctx, b.env, command.Args("deleteall", "/")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", servers, err)
		}
		_ = session.Close()
	}
}
