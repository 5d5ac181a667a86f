package top

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
)

// connection is a client's connection to a member.
type connection struct {
	*answer.Connection
	member   *probe.Member
	requests answer.Opt[float64] // packets received per second
}

// client is everything that connects from one address.
type client struct {
	host     string
	conns    []*connection
	busiest  *connection
	requests answer.Opt[float64]
	queued   answer.Opt[int64]
	latency  answer.Opt[float64] // average since the start of the connections, in ms
	worst    answer.Opt[float64] // the longest, in ms
}

// busier orders connections by requests, then by the time of the last answer, both descending.
func busier(a, b *connection) int {
	return cmp.Or(compare(b.requests, a.requests), compare(b.LastResponse, a.LastResponse))
}

// listing is a member's connections at one moment.
type listing struct {
	member *probe.Member
	door   probe.Door
	at     time.Time
	took   time.Duration
	all    []*answer.Connection // that the member lists
	conns  []*connection        // with sessions
	err    error                // why they are unknown
}

// cons asks a member for its connections, at the door that was open last time.
func cons(ctx context.Context, p *probe.Prober, m *probe.Member, before *listing) *listing {
	l := &listing{member: m, at: time.Now()}
	var known []*answer.Connection
	if before != nil {
		known = before.all
	}
	w := answer.ConsAfter(known)
	var v any
	if before != nil && before.err == nil && before.door == probe.Admin {
		o, err := p.Admin(ctx, m, w.Command)
		if v, l.door, l.err = w.Admin(o), probe.Admin, probe.Reason(err); err != nil {
			v = nil
		}
	} else {
		v, l.door, l.err = p.Answer(ctx, m, w)
	}
	l.took = time.Since(l.at)
	l.all, _ = v.([]*answer.Connection)
	room := make([]connection, len(l.all))
	l.conns = make([]*connection, 0, len(l.all))
	for i, c := range l.all {
		if c.Session.Known() { // otherwise it asks for a word, as we do, or is still connecting
			room[i] = connection{Connection: c, member: m}
			l.conns = append(l.conns, &room[i])
		}
	}
	if before != nil && before.err == nil && l.err == nil {
		l.rate(before)
	}
	return l
}

// rate compares the connections with the previous listing.
func (l *listing) rate(before *listing) {
	type key struct {
		address string
		session answer.Opt[answer.Hex]
	}
	span := l.at.Sub(before.at)
	var known map[key]*connection
	rest := before.conns
	for _, c := range l.conns {
		// One of which the member says the same is the same, and in the same order.
		if i := slices.IndexFunc(rest[:min(len(rest), 64)], func(o *connection) bool { return o.Connection == c.Connection }); i >= 0 {
			rest = rest[i+1:]
			c.requests = probe.PerSecond(c.Received, c.Received, span)
			continue
		}
		if known == nil {
			known = make(map[key]*connection, len(before.conns))
			for _, o := range before.conns {
				known[key{o.Address, o.Session}] = o
			}
		}
		if o := known[key{c.Address, c.Session}]; o != nil {
			c.requests = probe.PerSecond(o.Received, c.Received, span)
		}
	}
}

// hostOf returns an address without its port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// byHost groups connections by their source address.
func byHost(conns []*connection) []*client {
	index := map[string]*client{}
	var list []*client
	for _, c := range conns {
		host := hostOf(c.Address)
		g := index[host]
		if g == nil {
			g = &client{host: host}
			index[host] = g
			list = append(list, g)
		}
		g.conns = append(g.conns, c)
	}
	for _, g := range list {
		g.sum()
	}
	return list
}

// one returns a connection as a separate client.
func one(c *connection) *client {
	g := &client{host: c.Address, conns: []*connection{c}}
	g.sum()
	return g
}

func (g *client) sum() {
	var packets, weighted float64
	g.busiest = g.conns[0]
	for _, c := range g.conns {
		if busier(c, g.busiest) < 0 {
			g.busiest = c
		}
		add(&g.requests, c.requests)
		add(&g.queued, c.Queued)
		if w, ok := c.MaxLatency.Get(); ok {
			g.worst = answer.Some(max(w, g.worst.Or(0)))
		}
		if avg, ok := c.AvgLatency.Get(); ok {
			n := float64(max(1, c.Received.Or(1)))
			packets, weighted = packets+n, weighted+n*avg
		}
	}
	if packets > 0 {
		g.latency = answer.Some(weighted / packets)
	}
}

// add adds a connection to the client's figures.
func add[T int64 | float64](sum *answer.Opt[T], v answer.Opt[T]) {
	if n, ok := v.Get(); ok {
		*sum = answer.Some(sum.Or(0) + n)
	}
}

// members returns the ids or addresses of the members that the client is connected to.
func (g *client) members() string {
	var names []string
	for _, c := range g.conns {
		if name := label(c.member); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

// label returns a member's id, or its address if it has none.
func label(m *probe.Member) string {
	if id, ok := m.ID.Get(); ok {
		return decimal(id)
	}
	return m.Name()
}
