package ensembles

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await/awaittest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver"
)

// Without a quorum no member serves, and the leader notices within syncLimit; with one, all serve
// again, with the same sessions.
func TestQuorumLost(t *testing.T) {
	t.Parallel()
	s := begin(t, localserver.Options{Size: 3, Observers: 1})
	leader := s.awaitAll()
	l := s.write(2)
	l.progress(20)

	// Two die.
	dead := []*localserver.Member{}
	for _, m := range s.others(leader) {
		if !m.Observer() && len(dead) < 2 {
			dead = append(dead, m)
		}
	}
	began := awaittest.Start()
	s.kill(dead...)
	s.await("nobody serves", func() bool { return !serves(s.role(leader)) && !serves(s.role(s.Member(4))) })
	// syncLimit is 5 ticks, of 500 ms each; the rest is for a busy machine.
	if took, late := began.Late(10 * time.Second); late {
		t.Errorf("a leader without followers served for %v", took)
	}
	s.start(dead...)
	leader = s.awaitAll()
	l.progress(20)

	// Two hang: their connections stay.
	hang := s.others(leader, s.Member(4))
	began = awaittest.Start()
	for _, m := range hang {
		if err := m.Pause(); err != nil {
			t.Fatal(err)
		}
	}
	s.await("the leader steps down", func() bool { return !serves(s.role(leader)) })
	if took, late := began.Late(15 * time.Second); late {
		t.Errorf("a leader whose followers hang served for %v", took)
	}
	for _, m := range hang {
		if err := m.Resume(); err != nil {
			t.Fatal(err)
		}
	}
	s.awaitAll()
	l.progress(20)

	// All die.
	s.kill(s.Members()...)
	s.start(s.Members()...)
	s.awaitAll()
	l.progress(20)
	l.end()
	l.check(s.compareTrees())
}

// A leader in the minority acknowledges nothing that is lost later. Clients write to each side, and
// count what is acknowledged.
func TestPartition(t *testing.T) {
	t.Parallel()
	s := begin(t, localserver.Options{Size: 5})
	l := s.write(2)
	setup := s.open(s.ConnectString())
	if _, _, err := setup.Create(t.Context(), "/split", nil, proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	acked := map[string]bool{}
	rounds(t, 2, func(round int) {
		leader := s.awaitAll()
		with := s.others(leader)[round%4]
		minority := []int64{leader.ID(), with.ID()}
		// A writer on each member, which records the answer to each write.
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var mu sync.Mutex
		count := map[int64]int{}
		for _, m := range s.Members() {
			c, err := client.Open(client.Config{Servers: m.Addr(), SessionTimeout: 20 * time.Second, Wait: true})
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				defer c.Close()
				for n := 0; ctx.Err() == nil; n++ {
					path := fmt.Sprintf("/split/%d-%d-%d", round, m.ID(), n)
					_, _, err := c.Create(ctx, path, nil, proto.OpenACL, proto.Persistent, 0)
					mu.Lock()
					if err == nil {
						acked[path] = true
						count[m.ID()]++
					}
					mu.Unlock()
					switch {
					case err == nil, errors.Is(err, proto.ErrConnectionLoss), ctx.Err() != nil:
						time.Sleep(2 * time.Millisecond)
					default:
						t.Errorf("create %s: %v", path, err)
						return
					}
				}
			})
		}
		counted := func(id int64) int {
			mu.Lock()
			defer mu.Unlock()
			return count[id]
		}
		s.await("all write", func() bool {
			for _, m := range s.Members() {
				if counted(m.ID()) < 5 {
					return false
				}
			}
			return true
		})
		if err := s.Partition(minority); err != nil {
			t.Fatal(err)
		}
		second := s.awaitLeader(leader)
		s.await("the old leader steps down", func() bool { return !serves(s.role(leader)) && !serves(s.role(with)) })
		was := counted(second.ID())
		s.await("the majority writes", func() bool { return counted(second.ID()) > was+20 })
		s.HealAll()
		s.awaitAll()
		was = counted(leader.ID())
		s.await("the old leader's clients write", func() bool { return counted(leader.ID()) > was+5 })
		cancel()
		wg.Wait()
	})
	l.end()
	tree := s.compareTrees()
	l.check(tree)
	for path := range acked {
		if _, ok := tree[path]; !ok {
			t.Errorf("%s was acknowledged and is lost", path)
		}
	}
	t.Logf("%d writes during partitions were acknowledged", len(acked))
}
