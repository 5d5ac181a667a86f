package logs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/ui"
)

// How a session ended.
const (
	endUnknown = "unknown"
	endOpen    = "open"
	endExpired = "expired"
	endClosed  = "closed"
)

// Verdicts. Those that explain an expiry are in expiry.
const (
	unknownEnd           = "unknown"
	stillOpen            = "open"
	wasMoved             = "moved"
	expiredSilently      = "expired"
	clientPaused         = "client-paused"
	clientEnded          = "client-ended"
	serverPaused         = "server-paused"
	slowDisk             = "slow-disk"
	networkLost          = "network"
	leaderChanged        = "leader-change"
	connectionLimit      = "connection-limit"
	authenticationFailed = "authentication-failed"
	packetTooLong        = "packet-too-long"
	closedByClient       = "closed-by-client"
	closedAfterLoss      = "closed-after-disconnect"
	closedByHolder       = "closed-by-holder"
	closedByAdmin        = "closed-by-administrator"
	wrongPassword        = "wrong-password"
	unknownAfterRestore  = "unknown-after-restore"
)

// titles say each verdict in words.
var titles = map[string]string{
	unknownEnd:           "how the session ended is unknown",
	stillOpen:            "the session has not ended",
	wasMoved:             "the session has not ended; it moved to another connection",
	expiredSilently:      "expired: the leader heard nothing of its client for the timeout",
	clientPaused:         "expired: its client's process was paused",
	clientEnded:          "expired: its client ended without closing it",
	serverPaused:         "expired: the server was paused",
	slowDisk:             "expired: the server's disk was slow",
	networkLost:          "expired: the network between client and servers was interrupted",
	leaderChanged:        "expired: there was no leader for longer than its timeout",
	connectionLimit:      "expired: servers refused its client, which had too many connections",
	authenticationFailed: "its client could not authenticate",
	packetTooLong:        "its connection was lost over a packet that was too long",
	closedByClient:       "closed by its own client",
	closedAfterLoss:      "given up by its own client after it had lost its connection, while the session lived",
	closedByHolder:       "closed by a holder of the session: a client that had its id and password",
	closedByAdmin:        "closed by an administrator (JMX)",
	wrongPassword:        "refused: the client presented the session with a wrong password",
	unknownAfterRestore:  "unknown to the servers after their data were restored",
}

// Confidence of a verdict.
const (
	certain   = "certain"
	likely    = "likely"
	unsettled = "unknown"
)

// verdict is how a session ended, and why.
type verdict struct {
	name       string
	end        string
	confidence string
	because    []*moment
	notes      []string
	candidates []string // names of verdicts, if this one is unknown
	decides    []string // what would decide it
	endedAt    int64
	lostAt     int64    // when the client lost its connection
	saved      int64    // how long, in ms, a reconnect would have saved the session
	gone       []string // the ephemeral znodes that went with it
	goneKnown  bool
	timeout    int64
	asked      int64
}

func (v *verdict) say(format string, a ...any) { v.notes = append(v.notes, fmt.Sprintf(format, a...)) }

func (v *verdict) support(list ...*moment) {
	for _, m := range list {
		if m != nil && !slices.Contains(v.because, m) {
			v.because = append(v.because, m)
		}
	}
}

// undecided makes the verdict unknown, between the candidates.
func (v *verdict) undecided(decides string, candidates ...string) {
	v.name, v.confidence, v.candidates = unknownEnd, unsettled, candidates
	if decides != "" {
		v.decides = append(v.decides, decides)
	}
}

// judge finds the verdict. Each rule needs a line that only its cause leaves; without one, the verdict is unknown.
func (t *tracer) judge() *verdict {
	f := t.facts()
	v := &verdict{end: endUnknown, confidence: unsettled, name: unknownEnd, timeout: f.timeout, asked: f.asked}
	f.end(v)
	if v.end == endExpired {
		f.expiry(v)
	}
	f.reconnect(v)
	f.ephemerals(v)
	if f.asked > f.timeout && f.timeout > 0 {
		v.say("the client asked for a timeout of %s and was given %s, because of the server's maxSessionTimeout", ui.Duration(f.asked), ui.Duration(f.timeout))
	}
	slices.SortStableFunc(v.because, func(a, b *moment) int { return slices.Index(t.moments, a) - slices.Index(t.moments, b) })
	return v
}

const (
	askTxnLog    = "the transaction log of any member: closeSession with a cxid other than 0 is a holder's, with 0 the leader's expiry or an administrator's"
	askLeader    = "the complete log of the leader at that time: only it logs \"Expiring session\""
	askMemberLog = "the complete log of the member that the client was connected to: it logs \"Closing session\" when an administrator closes one through JMX"
	askClient    = "the client's log"
)

// end finds how the session ended.
func (f *facts) end(v *verdict) {
	t := f.t
	closed := f.txnClosed
	ended := func(end, name, confidence string, m *moment) {
		v.end, v.name, v.confidence, v.endedAt = end, name, confidence, m.at()
		v.support(m)
	}
	switch {
	case t.live != nil && t.live.Found:
		v.end, v.name, v.confidence = endOpen, stillOpen, certain
		v.say("the members have it now: %s", t.live.State)
		f.trouble(v)
	case closed != nil && closed.txn.cxid != 0:
		ended(endClosed, closedByHolder, certain, closed)
		v.say("closeSession has cxid %#x: the leader's expiry and administrators use 0", uint32(closed.txn.cxid))
		f.whichHolder(v)
	case f.forced != nil:
		ended(endClosed, closedByAdmin, certain, f.forced)
		v.support(closed)
	case f.byJMX != nil && (f.expiring == nil || f.byJMX.at() < f.expiring.at()):
		ended(endClosed, closedByAdmin, certain, f.byJMX)
		v.say("servers log \"Closing session\" only if it is closed through JMX")
		v.support(closed, f.terminated, f.submitted)
	case f.expiring != nil:
		ended(endExpired, expiredSilently, certain, f.expiring)
		v.support(closed)
	case closed != nil:
		ended(endUnknown, unknownEnd, unsettled, closed)
		f.endedByServers(v, closed)
	case f.submitted != nil && f.submitted.raw > f.submitted.from.first:
		// The server logs why just before this line, unless a client asked for it.
		ended(endClosed, closedByHolder, certain, f.submitted)
		v.say("the member sent the end of the session to the leader and logged no reason for it, so a client asked")
		f.whichHolder(v)
	case f.clientClosed != nil:
		f.closedByItself(v)
	case f.terminated != nil:
		ended(endUnknown, unknownEnd, unsettled, f.terminated)
		f.terminatedBy(v)
	case f.password != nil:
		ended(endUnknown, wrongPassword, certain, f.password)
		v.support(f.clientExpired)
		v.say("the session itself may still live, with the client that has its password")
	case f.audited != nil:
		ended(endUnknown, unknownEnd, unsettled, f.audited)
		v.say("the audit log tells when it ended: an ephemeral znode went with it")
		v.support(f.invalid, f.clientExpired)
		v.undecided(askTxnLog, expiredSilently, closedByHolder, closedByAdmin)
		v.decides = append(v.decides, askLeader)
	case f.invalid != nil || f.clientExpired != nil:
		f.unknownToServers(v)
	case t.txns.until > t.lastSeen() && !t.txns.gap && f.inTxns() && !t.liveGone():
		v.end, v.name, v.confidence = endOpen, stillOpen, certain
		v.say("the transaction logs reach to %s and do not end it", ui.Time(t.txns.until))
		f.trouble(v)
	default:
		v.undecided(askTxnLog, expiredSilently, closedByHolder, closedByAdmin)
		if t.liveGone() {
			v.say("no member has it now, and no source tells of its end")
		} else {
			v.candidates = slices.Insert(v.candidates, 0, stillOpen)
			v.decides = append(v.decides, "--live: whether the members still have it")
			v.say("no source tells of its end")
		}
		f.trouble(v)
	}
}

// liveGone reports whether all members were asked, and none has the session.
func (t *tracer) liveGone() bool { return t.live != nil && !t.live.Found && !t.live.Partial }

// inTxns reports whether the transaction logs reach back to when the session lived.
func (f *facts) inTxns() bool {
	return f.t.txns.writes > 0 || f.inLedger
}

// lastSeen is the time of the last line about the session, by the reference's clock.
func (t *tracer) lastSeen() (last int64) {
	for _, m := range t.moments {
		if m.own && m.timed && !m.from.txn {
			last = max(last, m.at())
		}
	}
	return last
}

// endedByServers judges a closeSession with cxid 0.
func (f *facts) endedByServers(v *verdict, closed *moment) {
	v.say("closeSession has cxid 0: it is the leader's expiry, or an administrator's")
	if m := f.clientClosed; m != nil && !f.lostBefore(m, closed.at()) && max(m.at()-closed.at(), closed.at()-m.at()) < 5000 {
		v.end, v.name, v.confidence = endClosed, closedByClient, likely
		v.support(m)
		v.say("its own client closed it then; some clients number their requests from 0")
		return
	}
	if m := f.submitted; m != nil && m.raw > m.from.first && m.from.talks {
		v.end, v.name, v.confidence = endClosed, closedByHolder, likely
		v.support(m)
		v.say("the member logged no reason for it, so a client asked, one that numbers its requests from 0")
		return
	}
	w := f.t.covers(closed.at(), closed.txn.zxid>>32)
	if w == nil {
		v.undecided(askLeader, expiredSilently, closedByAdmin)
		v.decides = append(v.decides, askMemberLog)
		return
	}
	v.end, v.name, v.confidence = endClosed, closedByAdmin, likely
	v.say("the log of %s, which led, is complete there and has no \"Expiring session\"", w.label)
	v.support(f.terminated)
}

// terminatedBy judges a session of which a server of 3.4 logs that it ended.
func (f *facts) terminatedBy(v *verdict) {
	m := f.terminated
	candidates := []string{closedByHolder, closedByAdmin}
	if l := f.lossAt(m); l != nil {
		v.support(l.m)
		v.say("the client was running and connected when the session ended, so that it did not fall silent")
	} else if m.class != "PrepRequestProcessor" || f.t.covers(m.at(), -1) == nil {
		candidates = append(candidates, expiredSilently)
		v.decides = append(v.decides, askLeader)
	}
	if f.clientExpired != nil {
		v.support(f.clientExpired)
	}
	v.undecided(askTxnLog, candidates...)
	v.decides = append(v.decides, askMemberLog)
}

// lossAt returns the loss by which the client's log shows that it was connected until the session ended, and running:
// the server closed the connection at that moment, and the client noticed at once.
func (f *facts) lossAt(end *moment) *loss {
	for _, l := range f.losses {
		u := int64(0) // clocks that were not compared and yet agree so well agree
		if compared(l.m.from, end.from) {
			u = unsure(l.m.from, end.from)
		}
		if d := l.m.at() - end.at(); l.closed && d >= -50-u && d <= 200+u {
			return l
		}
	}
	return nil
}

// whichHolder finds whether the session's own client closed it or another holder.
func (f *facts) whichHolder(v *verdict) {
	end := v.endedAt
	if m := f.clientClosed; m != nil && !f.lostBefore(m, end) {
		if d := m.at() - end; d < 5000+unsure(m.from, v.because[0].from) && d > -5000-unsure(m.from, v.because[0].from) {
			v.name = closedByClient
			v.support(m)
			f.afterLoss(v, m)
			return
		}
	}
	// A client that has closed its session does not come back with it.
	for _, m := range f.lines {
		if m.at() < end-unsure(m.from, v.because[0].from) {
			continue
		}
		switch m.name {
		case "client-expired", "kazoo-expired", "client-server-closed", "kazoo-dropped", "c-receive-failed", "client-reconnecting":
			v.support(m)
			v.say("its own client did not: it lost the connection then, and tried to come back")
			return
		}
	}
	if f.client == nil {
		v.decides = append(v.decides, askClient+": whether its own client did, or another")
	}
}

// lostBefore reports whether the client lost its connection as the session ended, before the program closed its handle:
// then somebody else had ended it.
func (f *facts) lostBefore(closing *moment, end int64) bool {
	for _, l := range f.losses {
		if l.m.from == closing.from && l.m.line < closing.line && l.m.at() >= end-unsure(l.m.from, f.t.ledgerOr(closing.from)) && l.m.at() <= closing.at() {
			return true
		}
	}
	return false
}

// ledgerOr is the source of the transactions, or another one.
func (t *tracer) ledgerOr(w *witness) *witness {
	if t.ledger != nil {
		return t.ledger
	}
	return w
}

// afterLoss judges a client that closed its session while it had no connection.
func (f *facts) afterLoss(v *verdict, closing *moment) {
	var last *loss
	for _, l := range f.losses {
		if l.m.at() <= closing.at() && l.m != closing {
			last = l
		}
	}
	if last == nil || f.timeout > 0 && closing.at()-last.m.at() > f.timeout {
		return
	}
	if back := between(f.established, last.m.at(), closing.at()); len(back) > 0 && closing.at()-back[len(back)-1].at() > 1000 {
		return
	}
	if f.clientExpired != nil && f.clientExpired.at() <= closing.at() {
		return
	}
	v.name, v.confidence = closedAfterLoss, likely
	v.support(last.m)
	v.say("it closed it %s after the connection was lost; a program should wait for Expired", ui.Duration(closing.at()-last.m.at()))
}

// closedByItself judges a session of which only the client tells the end.
func (f *facts) closedByItself(v *verdict) {
	m := f.clientClosed
	if f.clientExpired != nil && f.clientExpired.at() <= m.at() {
		f.unknownToServers(v)
		return
	}
	v.end, v.name, v.confidence, v.endedAt = endClosed, closedByClient, likely, m.at()
	v.support(m)
	if m.name == "c-client-freeing" {
		v.end = endUnknown
		v.undecided(askTxnLog, closedAfterLoss, expiredSilently)
		v.say("it freed a handle that had no connection, so the servers kept the session until its time was up")
		return
	}
	f.afterLoss(v, m)
}

// unknownToServers judges a session that servers do not know, without a line that tells of its end.
func (f *facts) unknownToServers(v *verdict) {
	m := f.invalid
	if m == nil {
		m = f.clientExpired
	}
	v.endedAt = m.at()
	v.support(f.invalid, f.clientExpired)
	restored := slices.IndexFunc(f.t.moments, func(c *moment) bool { return c.name == "restore" && c.at() <= m.at() })
	switch {
	case restored >= 0:
		v.name, v.confidence = unknownAfterRestore, likely
		v.support(f.t.moments[restored])
	default:
		v.undecided(askTxnLog, expiredSilently, closedByHolder, closedByAdmin)
		v.decides = append(v.decides, askLeader)
		if f.t.txns.until == 0 || f.made == nil {
			v.candidates = append(v.candidates, unknownAfterRestore)
		}
	}
}

// trouble adds what lost the connection of a session that has not ended.
func (f *facts) trouble(v *verdict) {
	switch {
	case f.packet != nil && (len(f.losses) == 0 || f.losses[len(f.losses)-1].m.at()-f.packet.at() < 2000+unsure(f.packet.from, f.losses[0].m.from)):
		v.support(f.packet)
		v.name, v.confidence = packetTooLong, certain
	case f.auth != nil:
		v.support(f.auth)
		v.name, v.confidence = authenticationFailed, certain
	case f.moved != nil:
		v.support(f.moved)
		v.name, v.confidence = wasMoved, certain
	default:
		f.moves(v)
	}
}

// moves judges a session that changed its connection.
func (f *facts) moves(v *verdict) {
	var addrs []string
	for _, m := range f.server {
		if m.addr != "" && !slices.Contains(addrs, m.addr) {
			addrs = append(addrs, m.addr)
		}
	}
	if len(f.server) < 2 {
		return
	}
	last := f.server[len(f.server)-1]
	if len(addrs) > 1 || last.from != f.server[0].from {
		v.support(f.server[0], last)
		if v.end == endOpen {
			v.name, v.confidence = wasMoved, certain
		}
		if len(addrs) > 1 {
			v.say("clients at %s had it", strings.Join(addrs, ", "))
		}
	}
}

// reconnect finds until when a reconnect would have saved the session.
func (f *facts) reconnect(v *verdict) {
	if v.end != endExpired {
		return
	}
	for _, l := range f.losses {
		if l.m.at() <= v.endedAt && len(between(f.established, l.m.at(), v.endedAt)) == 0 {
			v.lostAt = l.m.at()
			break
		}
	}
	if v.lostAt == 0 && f.left != nil && f.left.at() < v.endedAt {
		v.lostAt = f.left.at()
	}
	if v.lostAt > 0 {
		v.saved = v.endedAt - v.lostAt
	}
}

// ephemerals finds which znodes went with the session.
func (f *facts) ephemerals(v *verdict) {
	x := &f.t.txns
	if f.txnClosed == nil {
		for _, m := range f.t.moments {
			if m.auditsEnd() {
				a, _ := parseAudit(m.text)
				v.gone, v.goneKnown = append(v.gone, a.znode), true
			}
		}
		return
	}
	v.gone = slices.Clone(f.txnClosed.txn.gone)
	v.goneKnown = f.txnClosed.txn.named
	for path := range x.ephemerals {
		if !slices.Contains(v.gone, path) {
			v.gone, v.goneKnown = append(v.gone, path), true
		}
	}
	slices.Sort(v.gone)
}
