package localserver

import (
	"errors"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/proto"
)

// A server with a lowered jute.maxbuffer loads what was acknowledged before, from its log and from
// a snapshot, and applies the new limit to requests. Apache's does not start.
func TestLoadAboveMaxBuffer(t *testing.T) {
	dir := t.TempDir()
	e := New(t, Options{DataDir: dir})
	c := open(t, e.ConnectString())
	large := make([]byte, 100_000)
	if _, _, err := c.Create(t.Context(), "/large", large, proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"log", "snapshot"} {
		e := New(t, Options{DataDir: dir, System: map[string]string{"jute.maxbuffer": "2000"}})
		c := open(t, e.ConnectString())
		if data, _, err := c.Get(t.Context(), "/large", false); err != nil || len(data) != len(large) {
			t.Errorf("from the %s: %d bytes, %v", from, len(data), err)
		}
		if _, _, err := c.Create(t.Context(), "/other", large, proto.OpenACL, proto.Persistent, 0); err == nil {
			t.Errorf("a request above jute.maxbuffer is done")
		}
		if _, _, err := e.Member(1).embedded().Save(); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := apachetest.Require(t).Start(t.Context(), apache.Options{Dir: dir, JVM: []string{"-Djute.maxbuffer=2000"}})
	if err == nil {
		err = errors.Join(s.Stop(), errors.New("it starts"))
	}
	if !strings.Contains(err.Error(), "Unreasonable length") {
		t.Errorf("Apache ZooKeeper: %v", err)
	}
}
