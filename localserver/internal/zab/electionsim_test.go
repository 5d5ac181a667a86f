package zab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkctl/zkctl/internal/zoocfg"
)

// sim is an ensemble with faults in simulated time, and its referee. It checks
//
//   - validity: a server that is elected takes part with a weight, and does not lead by a
//     vote for more than it has;
//   - that an elected leader had a vote no less than those with which a quorum entered the
//     round that elected it, which is what an election owes to ZAB;
//   - agreement: an epoch is established, by a quorum that promised it, for one leader;
//   - durability: an established leader has every transaction that was committed;
//   - liveness: when all are up and linked, all have one leader within simLiveness, and keep it.
//
// Two servers may well be elected in one round, when messages are slower than the
// FinalizeWait; no more than one of them gets a quorum to follow it.
type sim struct {
	seed    uint64
	network *Memory
	view    zoocfg.QuorumVerifier
	peers   []*simPeer

	mu        sync.Mutex
	committed int64
	leaders   map[int64]int64 // by epoch
	looks     []*simLook
	failures  []string
	history   []string
}

// simLook is a call of Look: own is its initial vote; it took part in the rounds from first to
// last.
type simLook struct {
	own         Vote
	first, last int64
	vote        Vote // the outcome, if elected
	elected     bool
}

const simLiveness = 30 * time.Second

func (s *sim) failf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, fmt.Sprintf(format, args...))
}

func (s *sim) notef(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history = append(s.history, time.Now().Format("05.000 ")+fmt.Sprintf(format, args...))
}

// simLog keeps a history if ZKCTL_ELECTION_SEED selects one schedule.
type simLog struct {
	s  *sim
	id int64
}

func (l simLog) Infof(format string, args ...any) {
	l.s.notef("%d: %s", l.id, fmt.Sprintf(format, args...))
}
func (l simLog) Warnf(format string, args ...any) { l.Infof(format, args...) }

func (s *sim) log(id int64) Logger {
	if os.Getenv("ZKCTL_ELECTION_SEED") != "" {
		return simLog{s, id}
	}
	return silent{}
}

func (s *sim) look(e *Election, own Vote) *simLook {
	e.mu.Lock()
	l := &simLook{own: own, first: e.round + 1}
	e.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks = append(s.looks, l)
	return l
}

func (s *sim) looked(l *simLook, e *Election, vote Vote, state ServerState, err error) {
	e.mu.Lock()
	last := max(e.round, e.proposal.ElectionEpoch)
	e.mu.Unlock()
	s.mu.Lock()
	l.last, l.vote, l.elected = last, vote, err == nil && state == Leading
	s.mu.Unlock()
	if err != nil {
		return
	}
	m, ok := s.view.Member(vote.ID)
	self, _ := s.view.Member(l.own.ID)
	switch {
	case !ok || m.Role != zoocfg.Participant || s.view.Weight(vote.ID) == 0:
		s.failf("server %d elected %d, which cannot lead", l.own.ID, vote.ID)
	case (state == Leading) != (vote.ID == l.own.ID), (state == Observing) != (self.Role == zoocfg.Observer):
		s.failf("server %d elected %d and is %v", l.own.ID, vote.ID, state)
	case state == Leading && vote.beats(l.own, s.view):
		s.failf("server %d leads by %+v and has %+v", l.own.ID, vote, l.own)
	}
}

func (s *sim) establish(id, epoch int64) {
	zxid := s.peers[id-1].vote().Zxid
	s.notef("%d leads epoch %d", id, epoch)
	s.mu.Lock()
	other, taken := s.leaders[epoch]
	s.leaders[epoch] = id
	committed := s.committed
	s.mu.Unlock()
	if taken {
		s.failf("epoch %d has leaders %d and %d", epoch, other, id)
	}
	if zxid < committed {
		s.failf("leader %d of epoch %d has 0x%x and lacks 0x%x", id, epoch, zxid, committed)
	}
}

func (s *sim) commit(zxid int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.committed = max(s.committed, zxid)
}

// checkElected checks each elected leader against the votes of its round.
func (s *sim) checkElected() {
	for _, l := range s.looks {
		if !l.elected {
			continue
		}
		support := zoocfg.IDs{}
		for _, o := range s.looks {
			if o.first <= l.vote.ElectionEpoch && l.vote.ElectionEpoch <= o.last && !o.own.beats(l.vote, s.view) {
				support.Add(o.own.ID)
			}
		}
		if !s.view.ContainsQuorum(support) {
			s.failures = append(s.failures, fmt.Sprintf("server %d was elected by %+v, which only %v can have voted for",
				l.own.ID, l.vote, support))
		}
	}
}

func (s *sim) start(p *simPeer) {
	if p.cancel != nil {
		return
	}
	s.notef("start %d", p.id)
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.done = cancel, make(chan struct{})
	go p.live(ctx)
}

func (s *sim) crash(p *simPeer) {
	if p.cancel == nil {
		return
	}
	s.notef("crash %d", p.id)
	s.network.Crash(p.host())
	p.cancel()
	<-p.done
	p.cancel = nil
	p.following(0)
}

// agreed returns the leader that all follow, or 0.
func (s *sim) agreed() (leader int64) {
	for i, p := range s.peers {
		p.mu.Lock()
		follows := p.follows
		p.mu.Unlock()
		if i > 0 && follows != leader {
			return 0
		}
		leader = follows
	}
	return leader
}

// simView returns 3, 5 or 7 participants, sometimes in groups with weights, and observers.
func simView(random *rand.Rand) (zoocfg.QuorumVerifier, error) {
	n, observers := 3+2*random.IntN(3), random.IntN(3)
	var text strings.Builder
	for id := 1; id <= n+observers; id++ {
		role := "participant"
		if id > n {
			role = "observer"
		}
		fmt.Fprintf(&text, "server.%d=m%d:2888:3888:%s\n", id, id, role)
	}
	switch random.IntN(4) {
	case 0: // one group, weights from 0 to 2 whose sum is more than 0
		text.WriteString("group.1=1")
		for id := 2; id <= n; id++ {
			fmt.Fprintf(&text, ":%d", id)
		}
		for id := 1; id <= n; id++ {
			weight := random.IntN(3)
			if id == 2 {
				weight = 1
			}
			fmt.Fprintf(&text, "\nweight.%d=%d", id, weight)
		}
		text.WriteString("\n")
	case 1: // three groups
		groups := map[int][]string{}
		for id := 1; id <= n; id++ {
			groups[id%3] = append(groups[id%3], strconv.Itoa(id))
		}
		for g, ids := range groups {
			fmt.Fprintf(&text, "group.%d=%s\n", g+1, strings.Join(ids, ":"))
		}
	}
	text.WriteString("version=0")
	return zoocfg.ParseVerifier([]byte(text.String()))
}

// simulate runs a seed's schedule.
func simulate(t *testing.T, seed uint64) (failures, history []string, took time.Duration) {
	random := rand.New(rand.NewPCG(seed, 5))
	latency := []time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond}[random.IntN(4)]
	view, err := simView(random)
	if err != nil {
		t.Fatal(err)
	}
	s := &sim{seed: seed, network: NewMemory(seed, latency/10, latency), view: view, leaders: map[int64]int64{}}
	s.notef("latency to %v, %s", latency, view)
	for _, m := range view.Members() {
		s.peers = append(s.peers, &simPeer{sim: s, id: m.ID})
	}
	any := func() *simPeer { return s.peers[random.IntN(len(s.peers))] }
	for _, p := range s.peers {
		if random.IntN(4) > 0 {
			s.start(p)
		}
	}
	for range 5 + random.IntN(15) {
		time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond)
		switch a, b := any(), any(); random.IntN(7) {
		case 0:
			s.crash(a)
		case 1, 2:
			s.start(a)
		case 3:
			if a != b {
				s.notef("cut %d %d", a.id, b.id)
				s.network.Cut(a.host(), b.host())
			}
		case 4:
			s.notef("reset %d %d", a.id, b.id)
			s.network.Reset(a.host(), b.host())
		case 5:
			side := random.Uint64()
			s.notef("partition %b", side&(1<<len(s.peers)-1))
			for i, p := range s.peers {
				for j, q := range s.peers[:i] {
					if side>>i&1 != side>>j&1 {
						s.network.Cut(p.host(), q.host())
					}
				}
			}
		case 6:
			s.notef("heal")
			s.network.HealAll()
		}
	}
	s.network.HealAll()
	for _, p := range s.peers {
		s.start(p)
	}
	s.notef("all are up and linked")
	// On the slowest links, two seconds exceed the peers' timeouts.
	if latency <= 100*time.Millisecond {
		took = s.live()
	}
	for _, p := range s.peers {
		s.crash(p)
	}
	synctest.Wait()
	if n := s.network.Open(); n != 0 {
		s.failf("%d connections and listeners are left open", n)
	}
	s.checkElected()
	return s.failures, s.history, took
}

// live waits for a leader that all follow and that stays.
func (s *sim) live() time.Duration {
	healed := time.Now()
	time.Sleep(simInit) // earlier breaks have been noticed by then
	for s.agreed() == 0 {
		if time.Since(healed) > simLiveness {
			s.failf("no leader of all %v after the network has healed", simLiveness)
			return 0
		}
		time.Sleep(simTick)
	}
	took, leader := time.Since(healed), s.agreed()
	for range 50 {
		time.Sleep(simTick)
		if now := s.agreed(); now != leader {
			s.failf("leader %d was lost without a fault, now it is %d", leader, now)
			break
		}
	}
	return took
}

// TestElectionSchedules runs random schedules. ZKCTL_ELECTION_SCHEDULES is their number;
// ZKCTL_ELECTION_SEED selects one to repeat, with its history.
func TestElectionSchedules(t *testing.T) {
	schedules, first := 60, uint64(time.Now().UnixNano())
	if v := os.Getenv("ZKCTL_ELECTION_SCHEDULES"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		schedules = n
	}
	if v := os.Getenv("ZKCTL_ELECTION_SEED"); v != "" {
		seed, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		schedules, first = 1, seed
	}
	var slowest time.Duration
	for i := range uint64(schedules) {
		synctest.Test(t, func(t *testing.T) {
			failures, history, took := simulate(t, first+i)
			slowest = max(slowest, took)
			if len(failures) > 0 {
				if len(history) > 2000 {
					history = history[:2000]
				}
				t.Fatalf("ZKCTL_ELECTION_SEED=%d: %s\n%s", first+i, strings.Join(failures, "\n"), strings.Join(history, "\n"))
			}
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d schedules from seed %d on; the slowest agreed %v after all were up and linked", schedules, first, slowest)
}
