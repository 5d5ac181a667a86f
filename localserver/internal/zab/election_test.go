package zab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkctl/zkctl/internal/zoocfg"
)

// testLog logs to a test, with the logger's name, until the test ends.
type testLog struct {
	t    testing.TB
	name string
}

func (l testLog) Infof(format string, args ...any) { l.t.Logf(l.name+": "+format, args...) }
func (l testLog) Warnf(format string, args ...any) { l.t.Logf(l.name+": warning: "+format, args...) }

// silent discards the log.
type silent struct{}

func (silent) Infof(string, ...any) {}
func (silent) Warnf(string, ...any) {}

func memberAt(t testing.TB, id int64, address string, role zoocfg.Role) zoocfg.Member {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	p, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return zoocfg.Member{ID: id, Role: role, Addrs: []zoocfg.QuorumAddr{{Host: host, QuorumPort: 2888, ElectionPort: p}}}
}

func electionOptions(id int64, network Network, view View, log Logger) ElectionOptions {
	return ElectionOptions{
		ID: id, Network: network, Log: log,
		Views: func() (View, View) { return view, nil },
		Observer: func() bool {
			m, _ := view.Member(id)
			return m.Role == zoocfg.Observer
		},
	}
}

func newElection(t testing.TB, opt ElectionOptions) *Election {
	t.Helper()
	e, err := NewElection(opt)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

type outcome struct {
	vote  Vote
	state ServerState
	err   error
}

// lookAll makes all look concurrently.
func lookAll(ctx context.Context, own map[*Election]Vote) map[int64]outcome {
	var mu sync.Mutex
	outcomes := map[int64]outcome{}
	var wg sync.WaitGroup
	for e, vote := range own {
		wg.Go(func() {
			v, s, err := e.Look(ctx, vote)
			mu.Lock()
			defer mu.Unlock()
			outcomes[e.opt.ID] = outcome{v, s, err}
		})
	}
	wg.Wait()
	return outcomes
}

func TestThreeElectOverTCP(t *testing.T) {
	var members []zoocfg.Member
	for id := int64(1); id <= 3; id++ {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, memberAt(t, id, l.Addr().String(), zoocfg.Participant))
		_ = l.Close()
	}
	view := zoocfg.NewMajority(0, members...)
	own := map[*Election]Vote{}
	for id := int64(1); id <= 3; id++ {
		e := newElection(t, electionOptions(id, TCP{}, view, testLog{t, fmt.Sprint(id)}))
		defer e.Close()
		own[e] = Vote{Zxid: Zxid(1, 5), PeerEpoch: 1}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for id, o := range lookAll(ctx, own) {
		want := outcome{Vote{3, Zxid(1, 5), o.vote.ElectionEpoch, 1}, Following, nil}
		if id == 3 {
			want.state = Leading
		}
		if o != want {
			t.Errorf("server %d: %+v; want %+v", id, o, want)
		}
	}
}

// inMemory makes a view of n participants, on hosts m1, m2, …, and
// observers after them.
func inMemory(t testing.TB, n, observers int) zoocfg.QuorumVerifier {
	var members []zoocfg.Member
	for id := 1; id <= n+observers; id++ {
		role := zoocfg.Participant
		if id > n {
			role = zoocfg.Observer
		}
		members = append(members, memberAt(t, int64(id), fmt.Sprintf("m%d:3888", id), role))
	}
	return zoocfg.NewMajority(0, members...)
}

func TestElectInMemory(t *testing.T) {
	tests := []struct {
		name              string
		voters, observers int
		own               map[int64]Vote // by id; others have none
		leader            int64
	}{
		{"the largest id", 3, 0, nil, 3},
		{"the largest zxid", 3, 0, map[int64]Vote{1: {Zxid: Zxid(1, 2), PeerEpoch: 1}}, 1},
		{"the largest epoch", 3, 0, map[int64]Vote{1: {Zxid: Zxid(1, 2), PeerEpoch: 1}, 2: {Zxid: Zxid(1, 1), PeerEpoch: 2}}, 2},
		{"alone", 1, 0, nil, 1},
		{"with observers that know more", 3, 2, map[int64]Vote{5: {Zxid: Zxid(9, 9), PeerEpoch: 9}}, 3},
		{"seven", 7, 1, map[int64]Vote{4: {Zxid: 1}}, 4},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := NewMemory(1, time.Millisecond, 5*time.Millisecond)
				view := inMemory(t, test.voters, test.observers)
				own := map[*Election]Vote{}
				for _, m := range view.Members() {
					e := newElection(t, electionOptions(m.ID, network.Host(fmt.Sprintf("m%d", m.ID)), view, testLog{t, fmt.Sprint(m.ID)}))
					defer e.Close()
					own[e] = test.own[m.ID]
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				start := time.Now()
				for id, o := range lookAll(ctx, own) {
					want := Following
					if id == test.leader {
						want = Leading
					} else if m, _ := view.Member(id); m.Role == zoocfg.Observer {
						want = Observing
					}
					if o.err != nil || o.vote.ID != test.leader || o.state != want {
						t.Errorf("server %d: %+v; want leader %d and %v", id, o, test.leader, want)
					}
				}
				t.Logf("took %v", time.Since(start))
			})
		})
	}
}

// Two of three wait for the third's vote if it may be up, but not if its port is closed.
func TestWaitForThoseWhoMayBeThere(t *testing.T) {
	for name, absent := range map[string]bool{"absent": true, "cut off": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, view := NewMemory(1, 0, time.Millisecond), inMemory(t, 3, 0)
				own := map[*Election]Vote{}
				for id := int64(1); id <= 2; id++ {
					e := newElection(t, electionOptions(id, network.Host(fmt.Sprintf("m%d", id)), view, silent{}))
					defer e.Close()
					own[e] = Vote{}
				}
				if !absent {
					network.Cut("m1", "m3")
					network.Cut("m2", "m3")
				}
				start := time.Now()
				for id, o := range lookAll(t.Context(), own) {
					if o.err != nil || o.vote.ID != 2 {
						t.Errorf("server %d: %+v; want leader 2", id, o)
					}
				}
				if took := time.Since(start); absent != (took < 200*time.Millisecond) {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestCloseEndsLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := NewMemory(1, 0, time.Millisecond)
		e := newElection(t, electionOptions(1, network.Host("m1"), inMemory(t, 3, 0), silent{}))
		time.AfterFunc(3*time.Minute, e.Close)
		if _, _, err := e.Look(t.Context(), Vote{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Look: %v; want net.ErrClosed", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := e.Look(ctx, Vote{}); err == nil {
			t.Error("Look of a closed election succeeded")
		}
		e.Close()
		synctest.Wait()
		if n := network.Open(); n != 0 {
			t.Errorf("%d connections and listeners are left open", n)
		}
	})
}

// In TestCrashedLeaderIsNotElected, a quorum has not yet noticed that its leader is gone.
func TestCrashedLeaderIsNotElected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, view := NewMemory(1, 0, time.Millisecond), inMemory(t, 5, 0)
		start := func(id int64) *Election {
			return newElection(t, electionOptions(id, network.Host(fmt.Sprintf("m%d", id)), view, silent{}))
		}
		vote := Vote{ID: 5, ElectionEpoch: 3, PeerEpoch: 1}
		for id := int64(2); id <= 4; id++ {
			e := start(id)
			defer e.Close()
			e.SetState(Following, vote)
		}
		one := start(1)
		defer one.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if got, state, err := one.Look(ctx, Vote{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Look without the leader: %+v, %v, %v", got, state, err)
		}
		five := start(5)
		defer five.Close()
		five.SetState(Leading, vote)
		if got, state, err := one.Look(t.Context(), Vote{}); got != vote || state != Following || err != nil {
			t.Errorf("Look with the leader: %+v, %v, %v; want %+v", got, state, err, vote)
		}
	})
}

// A server that starts long after the others have voted receives the best vote at once, not when
// the others repeat it.
func TestLatecomerIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, view := NewMemory(1, 0, time.Millisecond), inMemory(t, 3, 0)
		start := func(id int64) *Election {
			return newElection(t, electionOptions(id, network.Host(fmt.Sprintf("m%d", id)), view, silent{}))
		}
		one, two := start(1), start(2)
		defer one.Close()
		defer two.Close()
		one.SetState(Following, Vote{ID: 3, ElectionEpoch: 0})
		done := make(chan outcome, 1)
		go func() {
			vote, state, err := two.Look(t.Context(), Vote{Zxid: 7})
			done <- outcome{vote, state, err}
		}()
		time.Sleep(10 * time.Second) // it now repeats its vote every 12.8 seconds
		began := time.Now()
		if vote, state, err := one.Look(t.Context(), Vote{}); vote.ID != 2 || state != Following || err != nil {
			t.Errorf("Look: %+v, %v, %v", vote, state, err)
		}
		if o := <-done; o.vote.ID != 2 || o.state != Leading {
			t.Errorf("the other one: %+v", o)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v", took)
		}
	})
}
