package logs

import (
	"slices"
	"strings"

	"github.com/zkctl/zkctl/logs/internal/format"
)

// facts are what the sources tell of the session, each with the line that tells it.
type facts struct {
	t       *tracer
	timeout int64 // negotiated, ms; 0 if unknown
	asked   int64 // by the client

	inLedger bool // the transaction logs reach back to when it was made

	made       *moment
	expiring   *moment // the leader's time for it was up
	forced     *moment // a controller expired it
	terminated *moment // 3.4's leader, or a server of zkctl, ended it
	submitted  *moment // a member since 3.5 sent its end to the leader
	byJMX      *moment // an administrator closed it
	txnClosed  *moment
	audited    *moment   // the audit log shows that an ephemeral znode went with it
	invalid    *moment   // a server did not know it
	password   *moment   // a client came with another password
	left       *moment   // the client's end of the connection was closed; the last time
	dropped    *moment   // a server closed the connection
	server     []*moment // what servers established

	client        *witness // the client's log, or nil
	clientClosed  *moment  // by the program
	clientExpired *moment  // servers said so
	established   []*moment
	losses        []*loss
	lines         []*moment // all of the client's library
	connected     []*moment // TCP connections
	opening       []*moment
	late          []*moment // the C client's thread ran late
	auth          *moment
	packet        *moment
	moved         *moment
}

// loss is a lost connection, as the client's log tells.
type loss struct {
	m       *moment
	silence int64 // ms without a word from the server, -1 if it does not say so
	closed  bool  // the server's end was closed
}

func (t *tracer) facts() *facts {
	f := &facts{t: t, asked: t.asked}
	for _, m := range t.moments {
		if m.own {
			f.take(m)
		}
	}
	if f.timeout == 0 && t.live != nil {
		f.timeout = t.live.Timeout
	}
	return f
}

// first sets a fact that is not known yet.
func first(fact **moment, m *moment) {
	if *fact == nil {
		*fact = m
	}
}

func (f *facts) take(m *moment) {
	if m.auditsEnd() {
		first(&f.audited, m)
		return
	}
	switch m.name {
	case txnCreate:
		first(&f.made, m)
		f.inLedger = true
		f.timeout = m.ms
		return
	case txnClose:
		first(&f.txnClosed, m)
		return
	case "session-global-commit":
		first(&f.made, m)
	case "session-established-server":
		first(&f.made, m)
		f.timeout = m.ms
		f.server = append(f.server, m)
	case "session-expired":
		f.expiring, f.timeout = m, m.ms
	case "session-forcibly-expired":
		first(&f.forced, m)
	case "session-closed-server":
		first(&f.terminated, m)
	case "session-close-submitted":
		first(&f.submitted, m)
	case "session-closing":
		if m.class == "ZooKeeperServer" && m.cause == "" && m.level == format.Info {
			first(&f.byJMX, m)
		}
	case "session-invalid":
		first(&f.invalid, m)
	case "session-password":
		first(&f.password, m)
	case "client-went-away":
		f.left = m
	case "server-closing-exception":
		switch {
		case strings.Contains(m.text+m.cause, "Len error"), strings.Contains(m.text+m.cause, "Packet len"):
			f.packet = m
		case strings.Contains(m.text+m.cause, "likely client has closed socket"), strings.Contains(m.text+m.cause, "it probably closed the socket"),
			strings.Contains(m.text+m.cause, "Connection reset"):
			f.left = m
		}
	case "server-closed-socket":
		f.dropped = m
	case "auth-failed", "sasl-failed-server", "auth-enforced":
		first(&f.auth, m)
	case "bad-length":
		f.packet = m
	case "code-session-expired":
		// The program met it; the library tells when.
	case "session-moved":
		first(&f.moved, m)
	}
	f.fromClient(m)
}

// fromClient takes a line of the client's log.
func (f *facts) fromClient(m *moment) {
	lost := func(silence int64, closed bool) {
		f.losses = append(f.losses, &loss{m, silence, closed})
	}
	switch m.name {
	case "client-established", "go-authenticated":
		f.timeout = m.ms
		first(&f.made, m)
		f.established = append(f.established, m)
	case "kazoo-established":
		first(&f.made, m)
		f.established = append(f.established, m)
	case "client-silent":
		lost(m.ms, false)
	case "c-timed-out":
		lost(-1, false)
	case "client-server-closed", "c-receive-failed":
		lost(-1, true)
	case "client-reconnecting":
		switch {
		case strings.Contains(m.cause, "Packet len"):
			f.packet = m
			lost(-1, false)
		case strings.Contains(m.cause, "SessionTimeoutException"), strings.Contains(m.cause, "SessionExpiredException"):
			// The line before says it.
		default:
			lost(-1, strings.Contains(m.cause, "EndOfStream") || strings.Contains(m.cause, "Connection reset") || strings.Contains(m.cause, "Broken pipe"))
		}
	case "kazoo-dropped", "kazoo-timeout", "go-loop":
		lost(-1, strings.Contains(m.cause, "broken") || strings.Contains(m.cause, "EOF") || strings.Contains(m.cause, "reset"))
	case "client-expired", "kazoo-expired":
		first(&f.clientExpired, m)
	case "client-closed", "c-client-closing", "c-client-freeing":
		f.closes(m)
	case "kazoo-closed":
		switch {
		case strings.Contains(m.text, "CLOSED"):
			f.closes(m)
		case strings.Contains(m.text, "EXPIRED"):
			first(&f.clientExpired, m)
		case strings.Contains(m.text, "AUTH_FAILED"):
			first(&f.auth, m)
		}
	case "client-connected":
		f.connected = append(f.connected, m)
	case "client-opening", "kazoo-connecting":
		f.opening = append(f.opening, m)
	case "c-deadline":
		f.late = append(f.late, m)
	case "kazoo-auth-failed", "sasl-client-failed", "code-auth-failed", "c-auth":
		if m.name != "c-auth" || strings.Contains(m.text, "failed") {
			first(&f.auth, m)
		}
	case "kazoo-lost", "kazoo-transition", "client-connect-failed", "c-socket-error", "c-refused", "c-delay", "client-establishing":
	default:
		return
	}
	if f.client == nil {
		f.client = m.from
	}
	f.lines = append(f.lines, m)
}

// closes takes that the program closed its handle, which ends the session unless it has ended.
func (f *facts) closes(m *moment) {
	if f.clientExpired == nil {
		first(&f.clientClosed, m)
	}
}

// between returns the client's moments of a list within a time.
func between(list []*moment, from, to int64) (found []*moment) {
	for _, m := range list {
		if m.timed && m.at() >= from && m.at() <= to {
			found = append(found, m)
		}
	}
	return found
}

// unsure is by how much, in ms, the times of two sources may differ after they have been corrected.
func unsure(a, b *witness) int64 {
	if a == b {
		return 0
	}
	if !compared(a, b) {
		return 1000
	}
	return a.skew.within + b.skew.within + 5
}

// compared reports whether the clocks of two sources are known to each other.
func compared(a, b *witness) bool { return a == b || a.skew.known && b.skew.known }

// covers returns the source whose server led at a time, by a log that leaves nothing out: with an end that follows, and
// a begin before, or else with signs of leading on both sides. epoch is that of the transaction, or -1.
func (t *tracer) covers(at, epoch int64) *witness {
	for _, w := range t.witnesses {
		if !w.server || w.lost || w.mixed || !w.talks {
			continue
		}
		raw := at + w.correction()
		for i := range w.reigns {
			r := &w.reigns[i]
			if r.from >= raw || r.until > 0 && r.until <= raw || w.last < raw {
				continue
			}
			if epoch > 0 && r.epoch >= 0 && r.epoch != epoch {
				continue
			}
			if (r.begun || r.last >= raw) && !w.broken(raw) {
				return w
			}
		}
	}
	return nil
}

// broken reports whether a rotated file may be missing at a time: the lines before and after it are in two files.
func (w *witness) broken(raw int64) bool {
	for i := 1; i < len(w.files); i++ {
		if a, b := w.files[i-1], w.files[i]; a.to < raw && b.from > raw && b.from-a.to > 10_000 {
			return true
		}
	}
	return false
}

// lineWithin returns the time of a line that the member logged within a time, by the reference's clock; 0 if there is none.
func (w *witness) lineWithin(member string, from, to int64) int64 {
	for _, raw := range w.alive[member] {
		if at := raw - w.correction(); at >= from && at <= to {
			return at
		}
	}
	return 0
}

// gapBefore is how long the member logged nothing before the line at a time.
func (w *witness) gapBefore(member string, at int64) int64 {
	raw, before := at+w.correction(), int64(0)
	for _, line := range w.alive[member] {
		if line >= raw-100 {
			break
		}
		before = line
	}
	if before == 0 {
		return 0
	}
	return raw - before
}

// members is how many members the logs tell of; 0 if they tell of none.
func (t *tracer) members() int {
	ids := map[string]bool{}
	for _, w := range t.witnesses {
		for id := range w.alive {
			if w.server && id != "" {
				ids[id] = true
			}
		}
	}
	return len(ids)
}

// servedBy lists the members that the client was connected to, or tried, by their own logs.
func (f *facts) servedBy() (list []*moment) {
	for _, m := range f.t.moments {
		if !m.own || !m.from.server {
			continue
		}
		switch m.name {
		case "client-went-away", "server-closing-exception", "server-closed-socket", "session-invalid", "session-established-server", "session-renew-attempt",
			"session-revalidating":
			if !slices.ContainsFunc(list, func(o *moment) bool { return o.from == m.from && o.member == m.member }) {
				list = append(list, m)
			}
		}
	}
	return list
}
