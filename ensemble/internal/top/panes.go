package top

import (
	"cmp"
	"strings"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
)

// sparkWidth is how many samples a member's sparkline shows.
const sparkWidth = 10

// memberTable returns the table of members.
func (u *screen) memberTable() *table[*probe.Reading] {
	serving := func(f func(*probe.Reading) string) func(*probe.Reading) string {
		return func(r *probe.Reading) string {
			if r.State != probe.Serving {
				return ""
			}
			return f(r)
		}
	}
	return &table[*probe.Reading]{
		key:  func(r *probe.Reading) string { return r.Name() },
		text: func(r *probe.Reading) string { return label(&r.Member) + " " + r.Name() + " " + role(r) },
		columns: []column[*probe.Reading]{
			{head: "ID", right: true, cell: func(r *probe.Reading) string { return whole(r.ID) },
				order: func(a, b *probe.Reading) int { return compare(a.ID, b.ID) }},
			{head: "ADDRESS", least: 12, most: 40, cell: address, order: func(a, b *probe.Reading) int { return cmp.Compare(a.Name(), b.Name()) }},
			{head: "ROLE", least: 8, most: 12, cell: role, paint: u.style.role, order: func(a, b *probe.Reading) int { return cmp.Compare(role(a), role(b)) }},
			{head: "LAG", right: true, most: 9, keep: 90, down: true, cell: serving(lag),
				order: func(a, b *probe.Reading) int { return compare(a.Lag, b.Lag) }},
			{head: "CONNS", right: true, most: 7, keep: 85, down: true, cell: serving(func(r *probe.Reading) string { return whole(u.shown.connections(r)) }),
				order: func(a, b *probe.Reading) int { return compare(u.shown.connections(a), u.shown.connections(b)) }},
			{head: "REQ/S", right: true, least: 6, keep: 95, down: true, cell: serving(func(r *probe.Reading) string { return rate(r.Requests) }),
				order: func(a, b *probe.Reading) int { return compare(a.Requests, b.Requests) }},
			{head: "RECENT", least: sparkWidth, keep: 80, cell: func(r *probe.Reading) string { return u.shown.recent(r) }},
			{head: "OUTST", right: true, most: 7, keep: 75, down: true, cell: serving(func(r *probe.Reading) string { return whole(r.Outstanding) }),
				order: func(a, b *probe.Reading) int { return compare(a.Outstanding, b.Outstanding) }},
			{head: "LATENCY", right: true, most: 11, keep: 70, down: true, cell: serving(func(r *probe.Reading) string { return millis(r.Latency.Avg, r.Latency.Max) }),
				order: func(a, b *probe.Reading) int { return compare(a.Latency.Avg, b.Latency.Avg) }},
			{head: "ZXID", most: 18, keep: 40, cell: serving(zxid), order: func(a, b *probe.Reading) int { return compare(a.Zxid, b.Zxid) }},
			{head: "SESSIONS", right: true, keep: 30, down: true, cell: serving(func(r *probe.Reading) string { return whole(r.Sessions) }),
				order: func(a, b *probe.Reading) int { return compare(a.Sessions, b.Sessions) }},
			{head: "WATCHES", right: true, keep: 25, down: true, cell: serving(func(r *probe.Reading) string { return whole(r.Watches) }),
				order: func(a, b *probe.Reading) int { return compare(a.Watches, b.Watches) }},
			{head: "ZNODES", right: true, keep: 24, down: true, cell: serving(func(r *probe.Reading) string { return whole(r.Znodes) }),
				order: func(a, b *probe.Reading) int { return compare(a.Znodes, b.Znodes) }},
			{head: "UPTIME", right: true, keep: 35, down: true, cell: serving(func(r *probe.Reading) string { return probe.Lasting(r.Uptime) }),
				order: func(a, b *probe.Reading) int { return compare(a.Uptime, b.Uptime) }},
			{head: "VERSION", most: 12, keep: 20, cell: func(r *probe.Reading) string { return r.Release() },
				order: func(a, b *probe.Reading) int { return cmp.Compare(a.Release(), b.Release()) }},
			{head: "DOOR", most: 10, keep: 15, cell: (*probe.Reading).DoorText, order: func(a, b *probe.Reading) int { return cmp.Compare(a.DoorText(), b.DoorText()) }},
		},
	}
}

func (m *model) recent(r *probe.Reading) string {
	if h := m.requests[r.Name()]; h != nil {
		return h.spark(sparkWidth)
	}
	return ""
}

func address(r *probe.Reading) string {
	switch {
	case len(r.Addresses) == 0:
		return answer.Unknown
	case r.Guessed:
		return r.Name() + " (guessed)"
	}
	return r.Name()
}

func role(r *probe.Reading) string {
	switch {
	case r.State != probe.Serving:
		return string(r.State)
	case r.Mode == "":
		return answer.Unknown
	}
	return r.Mode
}

// lag formats the lag in transactions; a standalone server has none.
func lag(r *probe.Reading) string {
	if r.Mode == "standalone" {
		return ""
	}
	return whole(r.Lag)
}

func zxid(r *probe.Reading) string {
	if z, ok := r.Zxid.Get(); ok {
		return z.String()
	}
	return answer.Unknown
}

// clientTable returns the table of clients, grouped or not.
func (u *screen) clientTable() *table[*client] {
	return &table[*client]{
		key: func(c *client) string { return c.host + " " + session(c) },
		text: func(c *client) string {
			return c.host + " " + session(c) + " " + c.busiest.LastOp + " " + c.members()
		},
		sort: 3,
		columns: []column[*client]{
			{head: "CLIENT", least: 15, most: 45, cell: func(c *client) string { return c.host }, order: func(a, b *client) int { return cmp.Compare(a.host, b.host) }},
			{head: "CONNS", right: true, keep: 60, down: true, cell: func(c *client) string { return decimal(int64(len(c.conns))) },
				order: func(a, b *client) int { return cmp.Compare(len(a.conns), len(b.conns)) }},
			{head: "SESSION", most: 18, keep: 50, cell: session, order: func(a, b *client) int { return cmp.Compare(session(a), session(b)) }},
			{head: "REQ/S", right: true, least: 6, down: true, cell: func(c *client) string { return rate(c.requests) },
				order: func(a, b *client) int { return compare(a.requests, b.requests) }},
			{head: "QUEUE", right: true, most: 7, keep: 80, down: true, cell: func(c *client) string { return whole(c.queued) },
				order: func(a, b *client) int { return compare(a.queued, b.queued) }},
			{head: "LAST OP", least: 4, most: 8, keep: 70, cell: func(c *client) string { return strings.TrimSpace(c.busiest.LastOp) },
				order: func(a, b *client) int { return cmp.Compare(a.busiest.LastOp, b.busiest.LastOp) }},
			{head: "LATENCY", right: true, most: 11, keep: 75, down: true, cell: func(c *client) string { return millis(c.latency, c.worst) },
				order: func(a, b *client) int { return compare(a.latency, b.latency) }},
			{head: "LAST", right: true, most: 7, keep: 40, down: true, cell: func(c *client) string { return rate(c.busiest.LastLatency) },
				order: func(a, b *client) int { return compare(a.busiest.LastLatency, b.busiest.LastLatency) }},
			{head: "RECEIVED", right: true, keep: 20, down: true, cell: func(c *client) string { return whole(c.received()) },
				order: func(a, b *client) int { return compare(a.received(), b.received()) }},
			{head: "MEMBER", most: 12, keep: 30, cell: (*client).members, order: func(a, b *client) int { return cmp.Compare(a.members(), b.members()) }},
		},
	}
}

func (c *client) received() (sum answer.Opt[int64]) {
	for _, o := range c.conns {
		add(&sum, o.Received)
	}
	return sum
}

// session returns the session of a client with one connection.
func session(c *client) string {
	if id, ok := c.busiest.Session.Get(); ok && len(c.conns) == 1 {
		return id.String()
	}
	return ""
}

// pathTable returns the table of paths that are written.
func (u *screen) pathTable() *table[*written] {
	return &table[*written]{
		key:  func(w *written) string { return w.path },
		text: func(w *written) string { return w.path },
		sort: 1,
		columns: []column[*written]{
			{head: "PATH", least: 20, most: 120, cell: func(w *written) string { return w.path }, order: func(a, b *written) int { return cmp.Compare(a.path, b.path) }},
			{head: "WRITES/S", right: true, down: true, cell: func(w *written) string { return rate(answer.Some(w.txns)) },
				order: func(a, b *written) int { return cmp.Compare(a.txns, b.txns) }},
			{head: "BYTES/S", right: true, keep: 50, down: true, cell: func(w *written) string { return rate(answer.Some(w.bytes)) },
				order: func(a, b *written) int { return cmp.Compare(a.bytes, b.bytes) }},
			{head: "LAST OP", most: 16, keep: 60, cell: func(w *written) string { return w.last }, order: func(a, b *written) int { return cmp.Compare(a.last, b.last) }},
		},
	}
}
