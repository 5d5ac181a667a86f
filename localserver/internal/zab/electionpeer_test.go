package zab

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/zoocfg"
)

// simPeer is a server around an Election, with as much of ZAB as elections need: discovery of a new
// epoch, transactions acknowledged by a quorum, and loss of leader or quorum detected by
// heartbeats. A transaction is a zxid; a server that has one has all earlier ones.
type simPeer struct {
	sim *sim
	id  int64

	cancel context.CancelFunc // of the current run; nil while it is down
	done   chan struct{}

	// On disk.
	mu                      sync.Mutex
	zxid, current, accepted int64

	follows int64 // the established leader, possibly itself; 0 for none
}

const (
	simTick = 100 * time.Millisecond
	simInit = 2 * time.Second
	simSync = 600 * time.Millisecond
)

func (p *simPeer) host() string { return fmt.Sprintf("m%d", p.id) }

func (p *simPeer) vote() Vote {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Vote{ID: p.id, Zxid: p.zxid, PeerEpoch: p.current}
}

func (p *simPeer) following(leader int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.follows = leader
}

// live is one run of the server.
func (p *simPeer) live(ctx context.Context) {
	defer close(p.done)
	opt := electionOptions(p.id, p.sim.network.Host(p.host()), p.sim.view, p.sim.log(p.id))
	opt.MaxNotificationInterval = 2 * time.Second
	opt.ConnectTimeout = time.Second
	e, err := NewElection(opt)
	if err != nil {
		p.sim.failf("server %d: %v", p.id, err)
		return
	}
	defer e.Close()
	for {
		own := p.vote()
		look := p.sim.look(e, own)
		vote, state, err := e.Look(ctx, own)
		p.sim.looked(look, e, vote, state, err)
		if err != nil {
			return
		}
		if state == Leading {
			p.lead(ctx, e)
		} else {
			p.follow(ctx, e, vote.ID)
		}
		p.following(0)
		e.SetState(Looking, e.Vote())
	}
}

// simMessage is the only message on the wire.
type simMessage struct{ A, B, C int64 }

type simConn struct{ net.Conn }

func (c simConn) put(a, b, z int64) error {
	_ = c.SetWriteDeadline(time.Now().Add(simSync))
	return binary.Write(c, binary.BigEndian, simMessage{a, b, z})
}

func (c simConn) get(wait time.Duration) (m simMessage, err error) {
	_ = c.SetReadDeadline(time.Now().Add(wait))
	err = binary.Read(c, binary.BigEndian, &m)
	return m, err
}

func (p *simPeer) follow(ctx context.Context, e *Election, leader int64) {
	var conn simConn
	for attempt := 0; ; attempt++ {
		dialCtx, cancel := context.WithTimeout(ctx, simSync)
		c, err := p.sim.network.Host(p.host()).Dial(dialCtx, fmt.Sprintf("m%d:2888", leader))
		cancel()
		if err == nil {
			conn = simConn{c}
			break
		}
		if attempt == 4 || ctx.Err() != nil {
			return
		}
		pause(ctx, simTick)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	p.mu.Lock()
	accepted := p.accepted
	p.mu.Unlock()
	if conn.put(p.id, accepted, 0) != nil {
		return
	}
	m, err := conn.get(simInit) // LEADERINFO
	if err != nil || m.A < accepted {
		return
	}
	p.mu.Lock()
	epoch, ack := m.A, int64(-1)
	if epoch > accepted {
		p.accepted, ack = epoch, epoch
	}
	current, zxid := p.current, p.zxid
	p.mu.Unlock()
	if conn.put(ack, current, zxid) != nil {
		return
	}
	m, err = conn.get(simInit) // NEWLEADER
	if err != nil {
		return
	}
	p.mu.Lock()
	p.current, p.zxid = epoch, m.B
	p.mu.Unlock()
	e.SetEpoch(epoch)
	if conn.put(0, 0, m.B) != nil {
		return
	}
	for wait := simInit; ; wait = simSync {
		m, err := conn.get(wait)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.zxid, p.follows = m.B, leader
		p.mu.Unlock()
		if conn.put(0, 0, m.B) != nil {
			return
		}
	}
}

// simLeadership is one server's term as leader.
type simLeadership struct {
	p      *simPeer
	ctx    context.Context
	cancel context.CancelFunc

	mu          sync.Mutex
	accepted    int64 // the largest
	epoch       int64
	told        zoocfg.IDs // have reported their accepted epoch
	promised    zoocfg.IDs // have accepted ours
	synced      zoocfg.IDs // have our history
	acked       map[int64]int64
	connected   map[int64]int
	decided     chan struct{} // the epoch is
	discovered  chan struct{}
	established chan struct{}
}

func (p *simPeer) lead(ctx context.Context, e *Election) {
	l, err := p.sim.network.Host(p.host()).Listen(p.host() + ":2888")
	if err != nil {
		p.sim.failf("server %d: %v", p.id, err)
		return
	}
	p.mu.Lock()
	s := &simLeadership{p: p, accepted: p.accepted, told: zoocfg.NewIDs(p.id), promised: zoocfg.IDs{}, synced: zoocfg.IDs{},
		acked: map[int64]int64{}, connected: map[int64]int{p.id: 1},
		decided: make(chan struct{}), discovered: make(chan struct{}), established: make(chan struct{})}
	p.mu.Unlock()
	s.ctx, s.cancel = context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer l.Close()
	defer s.cancel()
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				defer context.AfterFunc(s.ctx, func() { c.Close() })()
				s.serve(simConn{c})
			})
		}
	})
	s.mu.Lock()
	s.step(e)
	s.mu.Unlock()
	deadline := time.Now().Add(simInit)
	random := rand.New(rand.NewPCG(p.sim.seed, uint64(time.Now().UnixNano())))
	for s.ctx.Err() == nil {
		pause(s.ctx, simTick)
		s.mu.Lock()
		s.step(e)
		up := zoocfg.IDs{}
		for id, n := range s.connected {
			if n > 0 {
				up.Add(id)
			}
		}
		select {
		case <-s.established:
			if !p.sim.view.ContainsQuorum(up) {
				s.cancel()
			} else if random.IntN(3) == 0 {
				p.mu.Lock()
				p.zxid++
				s.acked[p.id] = p.zxid
				p.mu.Unlock()
			}
		default:
			if time.Now().After(deadline) {
				s.cancel()
			}
		}
		s.mu.Unlock()
	}
}

// step moves to the next phase once there is a quorum. s.mu is held.
func (s *simLeadership) step(e *Election) {
	p, view := s.p, s.p.sim.view
	if s.epoch == 0 && view.ContainsQuorum(s.told) {
		s.epoch = s.accepted + 1
		s.promised.Add(p.id)
		p.mu.Lock()
		p.accepted = s.epoch
		p.mu.Unlock()
		close(s.decided)
	}
	if s.epoch != 0 && view.ContainsQuorum(s.promised) && !closed(s.discovered) {
		p.mu.Lock()
		p.zxid, p.current = Zxid(s.epoch, 0), s.epoch
		s.acked[p.id] = p.zxid
		p.mu.Unlock()
		s.synced.Add(p.id)
		e.SetEpoch(s.epoch)
		close(s.discovered)
	}
	if closed(s.discovered) && view.ContainsQuorum(s.synced) && !closed(s.established) {
		p.sim.establish(p.id, s.epoch)
		p.following(p.id)
		close(s.established)
	}
}

func (s *simLeadership) serve(c simConn) {
	hello, err := c.get(simSync)
	if err != nil {
		return
	}
	id := hello.A
	s.mu.Lock()
	s.connected[id]++
	if s.epoch == 0 {
		s.told.Add(id)
		s.accepted = max(s.accepted, hello.B)
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.connected[id]--
		s.mu.Unlock()
	}()
	if !s.wait(s.decided) || c.put(s.epoch, 0, 0) != nil {
		return
	}
	ack, err := c.get(simSync)
	if err != nil {
		return
	}
	p := s.p
	if ack.A != -1 {
		s.mu.Lock()
		p.mu.Lock()
		if !closed(s.discovered) && (ack.B > p.current || ack.B == p.current && ack.C > p.zxid) {
			s.cancel() // "Follower is ahead of the leader"
		}
		p.mu.Unlock()
		s.promised.Add(id)
		s.mu.Unlock()
	}
	if !s.wait(s.discovered) {
		return
	}
	for first := true; ; first = false {
		zxid := p.vote().Zxid
		if c.put(s.epoch, zxid, 0) != nil {
			return
		}
		if _, err := c.get(simSync); err != nil {
			return
		}
		s.mu.Lock()
		s.synced.Add(id)
		s.acked[id] = max(s.acked[id], zxid)
		has := zoocfg.IDs{}
		for id, acked := range s.acked {
			if acked >= zxid {
				has.Add(id)
			}
		}
		if closed(s.established) && p.sim.view.ContainsQuorum(has) {
			p.sim.commit(zxid)
		}
		s.mu.Unlock()
		if first && !s.wait(s.established) {
			return
		}
		pause(s.ctx, simTick)
	}
}

// wait returns false if the leadership has ended or the phase is not reached.
func (s *simLeadership) wait(phase chan struct{}) bool {
	select {
	case <-phase:
		return true
	case <-s.ctx.Done():
	}
	return false
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func pause(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}
