package ensemble

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
)

// session is a session, assembled from what the members report.
type session struct {
	ID         answer.Hex
	Member     string // "" if on none
	MemberID   answer.Opt[int64]
	Conn       *answer.Connection  // nil if it is on no member
	Timeout    answer.Opt[int64]   // ms
	Idle       answer.Opt[int64]   // ms since the client was heard from, at least
	IdleMost   answer.Opt[int64]   // at most; unknown without a second sample
	Rate       answer.Opt[float64] // packets received a second, between the two samples
	Expires    answer.Opt[int64]   // ms since 1970
	Ephemerals answer.Opt[[]string]
	Watches    answer.Opt[[]string]
}

// state is unknown if a member did not report its connections: the session may be on that one.
func (l *sessions) state(s *session) answer.Opt[string] {
	switch {
	case s.Conn != nil:
		return answer.Some("connected")
	case l.blind:
		return answer.Opt[string]{}
	}
	return answer.Some("disconnected")
}

func (s *session) client() string {
	if s.Conn == nil {
		return ""
	}
	return s.Conn.Address
}

// sessions are those of an ensemble.
type sessions struct {
	survey *probe.Survey
	list   []*session
	found  map[*probe.Reading]*gathering
	shut   []lack
	closed bool // a whitelist is among the reasons
	blind  bool // a member did not report its connections
}

// lack is something unknown, and why.
type lack struct {
	word string // that would report it
	text string
}

func (l *sessions) lacks(word, what string, why error) {
	if why != nil {
		what += ": " + why.Error()
	}
	l.shut = append(l.shut, lack{word, what})
	l.closed = l.closed || errors.Is(why, probe.ErrNotWhitelisted)
}

// texts are the reasons why something is unknown, sorted.
func (l *sessions) texts() []string {
	var list []string
	for _, s := range l.shut {
		list = append(list, s.text)
	}
	slices.Sort(list)
	return list
}

func (l *sessions) find(id answer.Hex) *session {
	if i := slices.IndexFunc(l.list, func(s *session) bool { return s.ID == id }); i >= 0 {
		return l.list[i]
	}
	return nil
}

// gathering is what one member reported.
type gathering struct {
	conns                        []*answer.Connection
	consAt                       time.Time
	dump                         *answer.Dump
	watches                      []*answer.SessionPaths
	consErr, dumpErr, watchesErr error
	tooMany                      bool
}

// gather asks all members for their sessions.
func gather(ctx context.Context, opt *sessionOptions) (*sessions, error) {
	p, widen, err := opt.prober()
	if err != nil {
		return nil, err
	}
	return gatherWith(ctx, opt, p, widen)
}

func gatherWith(ctx context.Context, opt *sessionOptions, p *probe.Prober, widen bool) (*sessions, error) {
	if err := notNegative("sample", opt.sample); err != nil {
		return nil, err
	}
	s, err := survey(ctx, p, widen, opt.timeout)
	if err != nil {
		return nil, err
	}
	l, err := sessionsOf(ctx, p, s, opt.timeout)
	if err == nil && opt.sample > 0 {
		err = l.lookAgain(ctx, p, opt)
	}
	return l, err
}

// sessionsOf asks the members that serve for their sessions.
func sessionsOf(ctx context.Context, p *probe.Prober, s *probe.Survey, timeout time.Duration) (*sessions, error) {
	l := &sessions{survey: s}
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found := make(map[*probe.Reading]*gathering)
	type told struct {
		r *probe.Reading
		g *gathering
	}
	results := make(chan told)
	for _, r := range s.Readings {
		if r.State == probe.Serving {
			found[r] = nil
			go func() { results <- told{r, ask(within, p, r)} }()
		}
	}
	for range found {
		t := <-results
		found[t.r] = t.g
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if len(found) == 0 {
		return nil, errors.New("no member serves; zkctl ensemble status shows why")
	}
	l.found = found
	for _, r := range s.Readings {
		switch {
		case found[r] != nil:
			l.connections(r, found[r])
		case r.Unseen(): // it may serve clients
			l.blind = true
			l.lacks("cons", r.Name()+" does not tell its connections", r.Error)
		}
	}
	l.dumps(found)
	l.watches(found)
	return l, nil
}

// ask asks one member for its connections, its dump and its watches concurrently.
func ask(ctx context.Context, p *probe.Prober, r *probe.Reading) *gathering {
	g := &gathering{tooMany: r.Watches.Or(0) > large}
	done := make(chan struct{}, 3)
	m := r.Member
	go func() {
		g.conns, g.consErr = answerOf[[]*answer.Connection](ctx, p, &m, "cons")
		g.consAt = time.Now()
		done <- struct{}{}
	}()
	go func() {
		g.dump, g.dumpErr = answerOf[*answer.Dump](ctx, p, &m, "dump")
		done <- struct{}{}
	}()
	go func() {
		if !g.tooMany {
			g.watches, g.watchesErr = answerOf[[]*answer.SessionPaths](ctx, p, &m, "wchc")
		}
		done <- struct{}{}
	}()
	for range 3 {
		<-done
	}
	return g
}

func answerOf[T any](ctx context.Context, p *probe.Prober, m *probe.Member, word string) (v T, err error) {
	got, _, err := p.Answer(ctx, m, answer.WordOf(word))
	if err == nil {
		v, _ = got.(T)
	}
	return v, err
}

// connections adds the sessions connected to a member.
func (l *sessions) connections(r *probe.Reading, g *gathering) {
	if g.consErr != nil {
		l.blind = true
		l.lacks("cons", r.Name()+" does not tell its connections", g.consErr)
		return
	}
	newest := newestResponse(g.conns)
	for _, c := range g.conns {
		id, ok := c.Session.Get()
		if !ok {
			continue
		}
		s := &session{ID: id, Member: r.Name(), MemberID: r.ID, Conn: c, Timeout: c.Timeout}
		if last, ok := c.LastResponse.Get(); ok && last > 0 {
			s.Idle = answer.Some(newest - last)
		}
		l.list = append(l.list, s)
	}
}

// dumps adds the content of the members' dumps: ephemeral znodes, sessions on no member, and when they
// expire.
func (l *sessions) dumps(found map[*probe.Reading]*gathering) {
	var told *answer.Dump
	var teller *probe.Reading
	var failure error
	for r, g := range found {
		switch {
		case g.dumpErr != nil:
			failure = fmt.Errorf("%s: %w", r.Name(), g.dumpErr)
		case told == nil || r.Leads() || r.Mode == "standalone": // the others do not know when sessions expire
			told, teller = g.dump, r
		}
	}
	if told == nil {
		l.lacks("dump", "ephemeral znodes and expiry are unknown", failure)
		return
	}
	for _, t := range told.Sessions {
		s := l.find(t.Session)
		if s == nil {
			s = &session{ID: t.Session}
			l.list = append(l.list, s)
		}
		s.Timeout.Fill(t.Timeout)
	}
	for _, g := range found { // learners report timeouts, the leader does not
		if g.dump == nil {
			continue
		}
		for _, t := range g.dump.Sessions {
			if s := l.find(t.Session); s != nil {
				s.Timeout.Fill(t.Timeout)
			}
		}
	}
	for _, e := range told.Expiries {
		at, ok := l.expiry(e, found[teller]).Get()
		for _, id := range e.Sessions {
			if ok {
				l.find(id).Expires = answer.Some(at)
			}
		}
	}
	owned := map[answer.Hex][]string{}
	for _, e := range told.Ephemerals {
		owned[e.Session] = e.Paths
	}
	for _, s := range l.list {
		paths := owned[s.ID]
		slices.Sort(paths)
		s.Ephemerals = answer.Some(paths)
	}
}

func (l *sessions) watches(found map[*probe.Reading]*gathering) {
	for r, g := range found {
		switch {
		case g.tooMany:
			l.lacks("wchc", fmt.Sprintf("%s has %d watches, too many to list", r.Name(), r.Watches.Or(0)), nil)
			continue
		case g.watchesErr != nil:
			l.lacks("wchc", r.Name()+" does not tell its watches", g.watchesErr)
			continue
		}
		watched := map[answer.Hex][]string{}
		for _, w := range g.watches {
			watched[w.Session] = w.Paths
		}
		for _, s := range l.list {
			if s.Member == r.Name() {
				paths := watched[s.ID]
				slices.Sort(paths)
				s.Watches = answer.Some(paths)
			}
		}
	}
}
