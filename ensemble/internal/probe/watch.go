package probe

import (
	"context"
	"slices"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
)

// Watch keeps asking the members of an ensemble. All are asked at once, so that their answers can be compared and a silent
// member delays no other. After its first answer a member is asked only for what changes, at the doors that were open.
type Watch struct {
	Prober   *Prober
	Widen    bool // ask the members of the ensemble's configuration too
	Every    time.Duration
	Patience time.Duration // for an answer
	// Seen is called on Run's goroutine once a round, when all members have answered or a little later without those that
	// have not, and again for each late answer, with the same round. The callee owns the survey.
	Seen func(s *Survey, round int)
}

const (
	// grace is how long a round waits for answers before Seen is called without them.
	grace = 150 * time.Millisecond
	// wholeRounds is the number of rounds after which a member is asked everything again: a door may have been opened, or
	// the ensemble reconfigured.
	wholeRounds = 30
	// mntrRounds is the number of rounds after which mntr, whose answer is long, is asked again beside srvr.
	mntrRounds = 10
	// sessionPace is the shortest time between two questions to a member that only answers in sessions, each of which is a
	// transaction.
	sessionPace = 10 * time.Second
)

// Run asks until ctx ends, and returns its error.
func (w *Watch) Run(ctx context.Context) error {
	members, err := w.Prober.Members()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	b := &watching{Watch: w, survey: &survey{Survey: &Survey{Alone: !w.Widen}, p: w.Prober, ctx: ctx, patience: w.Patience, seeds: members,
		readings: make(chan *Reading), hints: make(chan hint), configs: make(chan *Config), closed: make(chan time.Time), proofs: make(chan proof, 1)}}
	defer func() {
		cancel()
		go b.drain()
	}()
	for _, m := range members {
		b.start(m)
	}
	tick := time.NewTicker(w.Every)
	defer tick.Stop()
	due := time.NewTimer(grace)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case r := <-b.readings:
			b.taking--
			b.take(r)
		case h := <-b.hints:
			if h.config == nil && b.Config == nil {
				b.candidates = append(b.candidates, h.member)
			}
			b.learn(h.config)
		case c := <-b.configs:
			b.late = b.seen
			b.learn(c)
		case b.session = <-b.closed:
			b.asking = false
		case p := <-b.proofs:
			b.proved(p)
			b.late = b.seen
		case <-due.C:
			if !b.seen {
				b.publish()
			}
		case <-tick.C:
			if !b.seen {
				b.publish()
			}
			b.next()
			due.Reset(grace)
		}
		if b.wantsConfig(w.Widen) {
			b.askConfig()
		}
		if !b.seen && b.taking == 0 && !b.asking || b.seen && b.late {
			b.publish()
		}
	}
}

// watching is a Watch in progress. One goroutine owns it.
type watching struct {
	*Watch
	*survey
	round int
	seen  bool // this round
	late  bool // an answer came after it was seen
}

// drain lets the questions in progress end.
func (b *watching) drain() {
	for b.taking > 0 || b.asking {
		select {
		case <-b.readings:
			b.taking--
		case <-b.hints:
		case <-b.configs:
		case <-b.closed:
			b.asking = false
		}
	}
}

// take replaces the previous reading of a member.
func (b *watching) take(r *Reading) {
	delete(b.busy, r.Name())
	if !b.wanted(r.Member) {
		return
	}
	b.late = b.seen
	if i := b.index(r.Name()); i < 0 {
		b.Readings = append(b.Readings, r)
	} else {
		before := b.Readings[i]
		r.remember(before)
		r.rate(before)
		b.Readings[i] = r
	}
	if c := r.Config; c != nil && b.Config != nil && c.Version() > b.Config.Version() && !c.foreign(b.Config) {
		b.reconfigure(c)
	}
	b.learn(r.Config)
}

func (b *watching) index(name string) int {
	return slices.IndexFunc(b.Readings, func(r *Reading) bool { return r.Name() == name })
}

// reconfigure forgets the members that a new configuration does not have, unless they were named.
func (b *watching) reconfigure(c *Config) {
	gone := func(m Member) bool {
		_, listed := c.Member(m.ID.Or(-1))
		return m.ID.Known() && !listed && b.seed(m.Name()) == len(b.seeds)
	}
	b.Readings = slices.DeleteFunc(b.Readings, func(r *Reading) bool { return gone(r.Member) })
	b.all = slices.DeleteFunc(b.all, gone)
	b.Config, b.widened = nil, false
	b.learn(c)
}

// next begins a round: it asks all members that are not being asked already.
func (b *watching) next() {
	b.round++
	b.seen, b.late = false, false
	now := time.Now()
	for _, r := range b.Readings {
		if b.busy[r.Name()] || slices.Equal(r.Doors, []Door{Session}) && now.Sub(r.At) < sessionPace {
			continue
		}
		q := r.again(b.round%mntrRounds == 0)
		if b.round%wholeRounds == 0 {
			q = everything()
			q.inTurn = true
		}
		b.ask(r.Member, q)
	}
}

// publish passes what is known to Seen.
func (b *watching) publish() {
	b.Notes = nil
	b.identify()
	b.noteClocks()
	b.all = slices.DeleteFunc(b.all, func(m Member) bool { // the same member at another address
		return b.index(m.Name()) < 0 && !b.busy[m.Name()]
	})
	b.measureLag(func(r, leader *Reading) bool {
		return r.At.Sub(leader.At).Abs() < grace && r.At.Before(b.session) == leader.At.Before(b.session)
	})
	b.doubt()
	s := &Survey{Config: b.Config, Notes: b.Notes, Twice: b.Twice, Alone: b.Alone, Proof: b.Proof, Prover: b.Prover}
	now := time.Now()
	for _, r := range b.Readings {
		shown := *r
		if b.busy[r.Name()] && r.State == Serving && now.Sub(r.At) > b.Every+b.Patience/2 {
			shown = Reading{Member: r.Member, State: Asked, At: r.At, Config: r.Config}
		}
		s.Readings = append(s.Readings, &shown)
	}
	for _, m := range b.all {
		if b.index(m.Name()) < 0 {
			s.Readings = append(s.Readings, &Reading{Member: m, State: Asked})
		}
	}
	sortMembers(s.Readings)
	s.total()
	b.seen, b.late = true, false
	b.Seen(s, b.round)
}

// rate compares the reading with the previous one.
func (r *Reading) rate(before *Reading) {
	fell := func(a, b answer.Opt[int64]) bool { return a.Known() && b.Known() && b.Or(0) < a.Or(0) }
	r.Restarted, r.Reset = fell(before.Uptime, r.Uptime), fell(before.Received, r.Received)
	if r.Restarted || r.Reset {
		return
	}
	span := r.At.Sub(before.At)
	if n, ok := PerSecond(before.Received, r.Received, span).Get(); ok {
		r.Requests = answer.Some(max(0, n-float64(r.own.most-before.own.least)/span.Seconds()))
	}
	a, ok := before.Zxid.Get()
	if b, known := r.Zxid.Get(); ok && known && a>>32 == b>>32 {
		r.txns = PerSecond(answer.Some(int64(a)), answer.Some(int64(b)), span)
		if n, ok := r.txns.Get(); ok {
			r.txns = answer.Some(max(0, n-float64(r.ownTxns.most-before.ownTxns.least)/span.Seconds()))
		}
	}
}

// PerSecond returns how fast a counter rose. If it fell, it was reset or its member restarted, and the rate is unknown.
func PerSecond(before, now answer.Opt[int64], span time.Duration) answer.Opt[float64] {
	a, ok := before.Get()
	b, ok2 := now.Get()
	if !ok || !ok2 || b < a || span <= 0 {
		return answer.Opt[float64]{}
	}
	return answer.Some(float64(b-a) / span.Seconds())
}

// total sums the members' rates.
func (s *Survey) total() {
	requests, known := 0.0, true
	for _, r := range s.Readings {
		if r.State != Serving {
			continue
		}
		if r.Mode == "leader" || r.Mode == "standalone" {
			s.Writes = r.txns
		}
		n, ok := r.Requests.Get()
		requests, known = requests+n, known && ok
	}
	if w, ok := s.Writes.Get(); ok && known {
		s.Reads = answer.Some(max(0, requests-w))
	}
}
