package localserver

import (
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
)

func TestEnsemble(t *testing.T) {
	began := time.Now()
	e := New(t, Options{Size: 3, Observers: 1, Properties: map[string]string{"tickTime": "500"}})
	t.Logf("a leader after %v", time.Since(began))
	c := open(t, e.ConnectString())
	if _, _, err := c.Create(t.Context(), "/a", nil, proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	for _, m := range e.Members() {
		c := open(t, m.Addr())
		if err := c.Sync(t.Context(), "/a"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Get(t.Context(), "/a", false); err != nil {
			t.Errorf("member %d: %v", m.ID(), err)
		}
	}
}
