package zab

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// TestRandomSchedules takes ensembles through crashes, restarts, cut links and broken connections
// while clients write through all members, and checks that the committed history stays consistent.
// ZAB_SCHEDULES is their number (150 by default), ZAB_SEED the first seed; ZAB_DEBUG=1 prints all
// members' logs.
func TestRandomSchedules(t *testing.T) {
	schedules, seed := 60, rand.Uint64N(1e9) // make torture runs thousands
	if testing.Short() {
		schedules = 40
	}
	for name, set := range map[string]func(int){
		"ZAB_SCHEDULES": func(n int) { schedules = n },
		"ZAB_SEED":      func(n int) { seed = uint64(n) },
	} {
		if text := os.Getenv(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Fatalf("%s=%s: %v", name, text, err)
			}
			set(n)
		}
	}
	t.Logf("the first seed is %d (repeat one with ZAB_SEED=… ZAB_SCHEDULES=1)", seed)
	total, reconfigs := 0, 0
	for i := range schedules {
		synctest.Test(t, func(t *testing.T) {
			s := newSchedule(t, seed+uint64(i))
			s.run()
			total += len(s.c.judge.acked)
			reconfigs += s.c.reconfigs
		})
		if t.Failed() {
			t.Fatalf("with seed %d", seed+uint64(i))
		}
	}
	t.Logf("%d acknowledged writes, %d reconfigurations begun", total, reconfigs)
}

// schedule is what happens to one ensemble.
type schedule struct {
	t      *testing.T
	c      *cluster
	r      *rand.Rand
	writes int
}

func newSchedule(t *testing.T, seed uint64) *schedule {
	r := rand.New(rand.NewPCG(seed, 0))
	voters := 3 + r.IntN(3)
	c := newCluster(t, seed, voters, r.IntN(2))
	for range r.IntN(3) {
		c.add(int64(len(c.nodes) + 1)) // one that may join
	}
	c.each(func(n *node) {
		slow := rand.New(rand.NewPCG(seed, uint64(n.id)))
		n.disk.delay = func() time.Duration { return time.Duration(slow.Int64N(int64(5 * time.Millisecond))) }
	})
	factor := []float64{0.33, -1}[r.IntN(2)]
	queue := []int64{256 << 20, 64 << 10}[r.IntN(2)]
	c.tweak = func(o *PeerOptions) { o.SnapshotSizeFactor, o.LearnerQueue = factor, queue }
	return &schedule{t: t, c: c, r: r}
}

func (s *schedule) node() *node { return s.c.nodes[int64(1+s.r.IntN(len(s.c.nodes)))] }

func (s *schedule) run() {
	defer s.c.stop()
	s.c.each(s.start)
	for range 20 + s.r.IntN(40) {
		s.act()
		time.Sleep(time.Duration(s.r.Int64N(int64(400 * time.Millisecond))))
	}
	s.c.net.HealAll()
	s.c.each(func(n *node) {
		if n.peer == nil {
			s.start(n)
		}
	})
	leader := s.c.awaitAll()
	s.c.write(leader, "the last one")
	s.c.awaitAll()
	s.c.check()
}

// act performs one action on the ensemble.
func (s *schedule) act() {
	a, b := s.node(), s.node()
	switch s.r.IntN(12) {
	case 0:
		a.crash()
	case 1:
		a.stop()
	case 2, 3:
		if a.peer == nil {
			s.start(a)
		}
	case 4:
		if leader := s.c.leader(); leader != nil {
			leader.crash()
		}
	case 5:
		if a != b {
			s.c.net.Cut(host(a.id), host(b.id))
		}
	case 6:
		s.c.net.HealAll()
	case 7:
		s.c.net.Reset(host(a.id), host(b.id))
	case 8:
		if a.peer != nil && s.r.IntN(2) == 0 {
			// A snapshot, which drops the log before it.
			a.replica.mu.Lock()
			a.disk.save(a.replica.list, a.replica.last, true)
			a.replica.mu.Unlock()
		} else if a.peer != nil {
			a.peer.Resign()
		}
	case 9, 11:
		s.reconfigure(a, b)
	case 10:
		for _, n := range s.c.nodes {
			if n.peer != nil {
				n.peer.Designate(a.id)
			}
		}
	}
	for range s.r.IntN(30) {
		if n := s.node(); n.peer != nil {
			s.writes++
			n.replica.write([]byte(fmt.Sprint(s.writes)))
		}
	}
}

// start starts a member. If it is not in the configuration, it gets one that includes it, as a
// joining server does.
func (s *schedule) start(n *node) {
	if _, in := n.config.Member(n.id); !in {
		n.config, n.next = zoocfg.NewMajority(0, append(n.config.Members(), clusterMember(n.id, zoocfg.Participant))...), nil
	}
	n.start()
}

// reconfigure gives a member a vote or takes it away, or adds or removes it, perhaps in exchange
// for another, as long as two have a vote.
func (s *schedule) reconfigure(n, other *node) {
	leader := s.c.leader()
	if leader == nil {
		return
	}
	config := leader.peer.Status().Config
	votes := func(n *node) bool {
		m, in := config.Member(n.id)
		return in && m.Role == zoocfg.Participant
	}
	joins := zoocfg.Participant
	req := &proto.ReconfigRequest{CurConfigID: -1}
	_, in := config.Member(n.id)
	switch spare := len(config.Voting()) > 2; {
	case votes(n) && !spare:
		return
	case in && s.r.IntN(2) == 0:
		req.LeavingServers = fmt.Sprint(n.id)
	default:
		if votes(n) {
			joins = zoocfg.Observer
		} else if votes(other) && s.r.IntN(2) == 0 {
			req.LeavingServers = fmt.Sprint(other.id)
		}
		req.JoiningServers = line(n.id, joins)
	}
	if _, err := leader.replica.reconfigure(req); err == nil {
		s.c.reconfigs++
	}
}
