package top

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/ui"
)

// model is what is known at one moment. The loop owns it; a pause shows a copy.
type model struct {
	at       time.Time
	began    time.Time
	every    time.Duration
	survey   *probe.Survey // nil before the first one
	verdict  probe.Verdict
	writes   history
	reads    history
	requests map[string]*history // by member
	listings map[string]*listing // connections, by member
	events   []event
	clients  []*client
	logged   bool // a transaction log is followed
	paths    []*written
	pathsErr error
}

// historyLength is how many samples sparklines can have.
const historyLength = 60

// history holds the last values of a rate, newest last; unknown ones are negative.
type history []float64

func (h *history) add(v answer.Opt[float64]) {
	*h = append(*h, v.Or(-1))
	if len(*h) > historyLength {
		*h = (*h)[1:]
	}
}

// spark draws the last n values, scaled to the highest.
func (h history) spark(n int) string { return ui.Spark(h, n) }

// take adds a survey; fresh says that it is the first of its round.
func (m *model) take(s *probe.Survey, fresh bool) {
	m.at, m.survey, m.verdict = time.Now(), s, s.Judge()
	if m.requests == nil {
		m.requests = map[string]*history{}
	}
	if !fresh {
		return
	}
	m.writes.add(s.Writes)
	m.reads.add(s.Reads)
	for _, r := range s.Readings {
		h := m.requests[r.Name()]
		if h == nil {
			h = &history{}
			m.requests[r.Name()] = h
		}
		h.add(r.Requests)
	}
}

// connect derives the clients from the listings of the serving members: by host, or one per connection.
func (m *model) connect(each bool) {
	m.clients = nil
	var conns []*connection
	for _, l := range m.serving() {
		conns = append(conns, l.conns...)
	}
	if !each {
		m.clients = byHost(conns)
		return
	}
	for _, c := range conns {
		m.clients = append(m.clients, one(c))
	}
}

// serving returns the listings of the members that serve, in the members' order.
func (m *model) serving() (list []*listing) {
	if m.survey == nil {
		return nil
	}
	for _, r := range m.survey.Readings {
		if l := m.listings[r.Name()]; l != nil && r.State == probe.Serving {
			list = append(list, l)
		}
	}
	return list
}

// blind names the members that do not list their connections, and the setting that would make them; "" if all do.
func (m *model) blind() string {
	reasons := map[string][]string{}
	advice := ""
	for _, l := range m.serving() {
		if errors.Is(l.err, probe.ErrNotWhitelisted) {
			advice = "; 4lw.commands.whitelist=mntr,conf,cons in zoo.cfg, or --admin-port, opens a door"
		}
		if l.err != nil {
			reasons[l.err.Error()] = append(reasons[l.err.Error()], l.member.Name())
		}
	}
	var parts, names []string
	for reason, members := range reasons {
		parts, names = append(parts, reason), append(names, members...)
	}
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts)
	slices.Sort(names)
	return "clients are unknown at " + strings.Join(names, ", ") + advice + " (" + strings.Join(parts, "; ") + ")"
}

// behind returns the age of the oldest listing, if connections are not listed in every round.
func (m *model) behind() time.Duration {
	oldest := time.Duration(0)
	for _, l := range m.serving() {
		if l.err == nil {
			oldest = max(oldest, m.at.Sub(l.at))
		}
	}
	if oldest < 2*m.every+time.Second {
		return 0
	}
	return oldest
}

// connections returns the clients that a member lists, or its own count, which includes those that ask for words.
func (m *model) connections(r *probe.Reading) answer.Opt[int64] {
	if l := m.listings[r.Name()]; l != nil && l.err == nil {
		return answer.Some(int64(len(l.conns)))
	}
	return r.Connections
}

// lag returns the largest lag of a member.
func (m *model) lag() (most answer.Opt[int64]) {
	for _, r := range m.survey.Readings {
		if n, ok := r.Lag.Get(); ok {
			most = answer.Some(max(n, most.Or(0)))
		}
	}
	return most
}

// sum totals what the members report; unknown if none does.
func (m *model) sum(of func(*probe.Reading) answer.Opt[int64]) (total answer.Opt[int64]) {
	for _, r := range m.survey.Readings {
		if r.State == probe.Serving {
			add(&total, of(r))
		}
	}
	return total
}

// sessions returns the number of the whole ensemble's sessions, which every member knows.
func (m *model) sessions() (most answer.Opt[int64]) {
	for _, r := range m.survey.Readings {
		if n, ok := r.Sessions.Get(); ok {
			most = answer.Some(max(n, most.Or(0)))
		}
	}
	return most
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func whole(n answer.Opt[int64]) string {
	return n.Text(decimal)
}

// rate formats a number per second, briefly.
func rate(f answer.Opt[float64]) string {
	v, ok := f.Get()
	switch {
	case !ok:
		return answer.Unknown
	case v == 0:
		return "0"
	case v < 9.95:
		return fmt.Sprintf("%.1f", v)
	case v < 99_950:
		return fmt.Sprintf("%.0f", v)
	case v < 9_995_000:
		return fmt.Sprintf("%.0fk", v/1e3)
	}
	return fmt.Sprintf("%.0fM", v/1e6)
}

// millis formats an average and a maximum in ms.
func millis(avg, most answer.Opt[float64]) string {
	if !avg.Known() {
		return answer.Unknown
	}
	return rate(avg) + "/" + rate(most)
}

// compare orders values, unknown ones first.
func compare[T cmp.Ordered](a, b answer.Opt[T]) int {
	x, ok := a.Get()
	y, ok2 := b.Get()
	switch {
	case ok && ok2:
		return cmp.Compare(x, y)
	case ok:
		return 1
	case ok2:
		return -1
	}
	return 0
}
