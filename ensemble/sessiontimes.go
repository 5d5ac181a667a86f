package ensemble

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
)

// A member reports when it last answered a client (lresp) by a clock that counts from some start (Time.currentElapsedTime),
// but not what that clock shows now. It shows at least the latest of these times. If a client was answered
// between two looks, it shows at most as much more as the looks are apart.

// lookAgain asks for the connections a second time.
func (l *sessions) lookAgain(ctx context.Context, p *probe.Prober, opt *sessionOptions) error {
	select {
	case <-time.After(opt.sample):
	case <-ctx.Done():
		return ctx.Err()
	}
	within, cancel := context.WithTimeout(ctx, opt.timeout)
	defer cancel()
	var wg sync.WaitGroup
	second := map[*probe.Reading]*look{}
	for r, g := range l.found {
		if g.consErr != nil {
			continue
		}
		s := &look{}
		second[r] = s
		m := r.Member
		wg.Go(func() {
			s.conns, s.err = answerOf[[]*answer.Connection](within, p, &m, "cons")
			s.at = time.Now()
		})
	}
	wg.Wait()
	for r, s := range second {
		if s.err == nil {
			l.compare(r, l.found[r], s)
		}
	}
	return ctx.Err()
}

// look is a look at a member's connections.
type look struct {
	conns []*answer.Connection
	err   error
	at    time.Time
}

// compare completes the sessions of a member by a second look at its connections.
func (l *sessions) compare(r *probe.Reading, g *gathering, s *look) {
	apart := s.at.Sub(g.consAt)
	newest, before := newestResponse(s.conns), newestResponse(g.conns)
	now := map[answer.Hex]*answer.Connection{}
	for _, c := range s.conns {
		if id, ok := c.Session.Get(); ok {
			now[id] = c
		}
	}
	for _, one := range l.list {
		c := now[one.ID]
		if one.Conn == nil || one.Member != r.Name() || c == nil || c.Address != one.Conn.Address {
			continue
		}
		one.Rate = probe.PerSecond(one.Conn.Received, c.Received, apart)
		one.Conn = c
		last, ok := c.LastResponse.Get()
		if !ok || last <= 0 {
			continue
		}
		one.Idle = answer.Some(newest - last)
		switch ms := apart.Milliseconds(); {
		case newest > before:
			one.IdleMost = answer.Some(newest - last + ms)
		default: // no client was heard from in between
			one.Idle = answer.Some(newest - last + ms)
		}
	}
}

func newestResponse(conns []*answer.Connection) (newest int64) {
	for _, c := range conns {
		newest = max(newest, c.LastResponse.Or(0))
	}
	return newest
}

// idle is how long the client has been silent: "3s" if that is known to the second or so, "3s+" if it may be longer.
func (s *session) idle() string {
	if _, ok := s.Idle.Get(); !ok || s.IdleMost.Known() {
		return probe.Lasting(s.Idle)
	}
	return probe.Lasting(s.Idle) + "+"
}

// Of the times in a dump, in ms.
const (
	calendar = 1e12           // a smaller time is of a member's own clock
	zoneStep = 15 * 60 * 1000 // zones differ by quarters of an hour
)

// expiry is when the sessions of an entry expire, in ms since 1970. The AdminServer reports it by the member's own clock,
// which is known from the last answers to clients; the word dump as a date, whose zone is not known to letters: but it is
// near now.
func (l *sessions) expiry(e *answer.Expiry, g *gathering) (at answer.Opt[int64]) {
	now := time.Now().UnixMilli()
	told, ok := e.At.Get()
	switch {
	case ok && told > calendar:
		return e.At
	case ok:
		if newest := newestResponse(g.conns); newest > 0 {
			return answer.Some(g.consAt.UnixMilli() + told - newest)
		}
	}
	wall, ok := e.Wall.Get()
	if !ok {
		return at
	}
	// What it differs by is that of the zone, and the time that is left.
	quarters := int64(math.Floor(float64(wall-now)/zoneStep + 0.5))
	return answer.Some(wall - quarters*zoneStep)
}
