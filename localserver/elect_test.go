package localserver

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
)

func TestElect(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e := New(t, Options{Size: 3, Observers: 1, Properties: quick})
	var paths []string
	// A leader that started an epoch is ahead of members without a transaction of it.
	write(t, e, "/first")
	for n := range 3 {
		has(t, e, "/first")
		before, old := e.epoch(), leading(t, e)
		leader, err := e.Elect(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if e.epoch() <= before || leader != leading(t, e) || leader == old {
			t.Fatalf("epoch %d follows %d, and member %d leads after member %d", e.epoch(), before, leader.ID(), old.ID())
		}
		paths = append(paths, fmt.Sprintf("/elected-%d", n))
		write(t, e, paths[n])
	}
	has(t, e, paths...)

	// Two members need each other: either may lead.
	two := New(t, Options{Size: 2, Properties: quick})
	write(t, two, "/a")
	if _, err := two.Elect(ctx); err != nil {
		t.Error(err)
	}
}

func TestElectApart(t *testing.T) {
	apachetest.Require(t)
	t.Parallel()
	e := New(t, Options{Size: 3, Apache: 2, Properties: map[string]string{"tickTime": "1000", "forceSync": "no"}})
	for range 2 {
		old, err := e.WaitLeader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		leader, err := e.Elect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if leader == old {
			t.Fatalf("member %d leads again", old.ID())
		}
	}
}
