package localserver

import (
	"context"
	"fmt"
	"testing"
	"time"
)

func TestElect(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e := New(t, Options{Size: 3, Observers: 1, Properties: quick})
	var paths []string
	for n := range 3 {
		before := e.epoch()
		leader, err := e.Elect(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if e.epoch() <= before || leader != e.Leader(ctx) {
			t.Fatalf("epoch %d follows %d, and member %d leads", e.epoch(), before, leader.ID())
		}
		paths = append(paths, fmt.Sprintf("/elected-%d", n))
		write(t, e, paths[n])
	}
	has(t, e, paths...)
}
