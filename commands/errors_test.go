package commands

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

func TestSentence(t *testing.T) {
	for _, tc := range []struct {
		err  client.OpError
		want string
	}{
		{client.OpError{Op: proto.OpReconfig, Code: proto.ErrNoAuth}, "write /zookeeper/config"},
		{client.OpError{Op: proto.OpReconfig, Code: proto.ErrBadVersion}, "config shows it"},
		{client.OpError{Op: proto.OpReconfig, Code: proto.ErrBadArguments}, "refuses the new configuration"},
		{client.OpError{Op: proto.OpMulti, Code: proto.ErrNotReadOnly}, "Not a read-only call: multi ("},
		{client.OpError{Op: proto.OpSetData, Path: "/a", Code: proto.ErrNotReadOnly}, "Not a read-only call: /a ("},
		{client.OpError{Op: proto.OpGetData, Path: "/a", Code: proto.ErrNoAuth}, "/a (getAcl shows who may"},
		{client.OpError{Op: proto.OpGetACL, Path: "/a", Code: proto.ErrNoAuth}, "/a (reading an ACL takes the permission r or a"},
		{client.OpError{Op: proto.OpCreate2, Path: "/a/b", Code: proto.ErrNoAuth}, "/a/b (getAcl of its parent"},
		{client.OpError{Op: proto.OpDelete, Path: "/a/b", Code: proto.ErrNoAuth}, "/a/b (getAcl of its parent"},
	} {
		if got := sentence(&tc.err); !strings.Contains(got, tc.want) {
			t.Errorf("%v of %v: %q does not say %q", tc.err.Code, tc.err.Op, got, tc.want)
		}
	}
}

func TestMissingChroot(t *testing.T) {
	b := newBench(t)
	session := NewSession(client.Config{Servers: b.session.Servers() + "/none"})
	defer session.Close()
	b.env.Session = session
	for line, hint := range map[string]bool{
		"ls /": true, "create /a x": true, "getAcl /": true, "multi 'create /a x'": true, "get /a": false, "create /a/b x": false,
	} {
		tokens, err := Lex(line)
		if err != nil {
			t.Fatal(err)
		}
		err = Run(b.ctx, b.env, Words(tokens))
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
	err := Run(b.ctx, b.env, Args("set", "/", "@"+file))
	if err == nil || strings.Count(err.Error(), "jute.maxbuffer") != 1 {
		t.Error(err)
	}
}

func TestDeleteAllOfTheRoot(t *testing.T) {
	b := newBench(t)
	whole, _, _ := strings.Cut(b.session.Servers(), "/")
	for servers, want := range map[string]string{b.session.Servers(): "is the chroot /TestDeleteAllOfTheRoot", whole: "/zookeeper in it belongs to the server"} {
		session := NewSession(client.Config{Servers: servers})
		b.env.Session = session
		if err := Run(b.ctx, b.env, Args("deleteall", "/")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", servers, err)
		}
		_ = session.Close()
	}
}
