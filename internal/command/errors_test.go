package command

import (
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
		{client.OpError{Op: proto.OpGetACL, Path: "/a", Code: proto.ErrNoAuth}, "/a (reading an ACL needs permission r or a"},
		{client.OpError{Op: proto.OpCreate2, Path: "/a/b", Code: proto.ErrNoAuth}, "/a/b (getAcl of its parent"},
		{client.OpError{Op: proto.OpDelete, Path: "/a/b", Code: proto.ErrNoAuth}, "/a/b (getAcl of its parent"},
	} {
		if got := Sentence(&tc.err); !strings.Contains(got, tc.want) {
			t.Errorf("%v of %v: %q does not say %q", tc.err.Code, tc.err.Op, got, tc.want)
		}
	}
}
