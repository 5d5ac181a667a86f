package logs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/ui"
)

// cause is a reason for an expiry, with the lines that show it.
type cause struct {
	name    string
	sure    string
	because []*moment
	note    string
}

// expiry finds why the session expired. Each rule looks for what only its cause leaves. If several apply, the verdict is
// the one that explains the others, or unknown between them.
func (f *facts) expiry(v *verdict) {
	var found []*cause
	for _, rule := range []func(*verdict) *cause{f.authFailed, f.tooManyConnections, f.noLeader, f.gaveUp, f.paused, f.serverStood, f.diskStood, f.clientGone, f.cutOff} {
		if c := rule(v); c != nil {
			found = append(found, c)
		}
	}
	found = settle(found)
	switch len(found) {
	case 0:
		f.silent(v)
	case 1:
		c := found[0]
		v.name, v.confidence = c.name, c.sure
		v.support(c.because...)
		if c.note != "" {
			v.say("%s", c.note)
		}
	default:
		v.name, v.confidence = unknownEnd, unsettled
		for _, c := range found {
			v.candidates = append(v.candidates, c.name)
			v.support(c.because...)
			v.say("for %q: %s", titles[c.name], c.note)
		}
	}
}

// settle drops the causes that another explains: what the client's log shows of a leader that is missing, of a limit, or
// of a server that is stopped, looks like a network that fails.
func settle(found []*cause) []*cause {
	has := func(names ...string) bool {
		for _, c := range found {
			for _, name := range names {
				if c.name == name {
					return true
				}
			}
		}
		return false
	}
	var left []*cause
	for _, c := range found {
		switch c.name {
		case networkLost:
			if has(leaderChanged, connectionLimit, authenticationFailed, serverPaused, slowDisk, closedAfterLoss) {
				continue
			}
		case clientEnded:
			if has(authenticationFailed, connectionLimit, closedAfterLoss) {
				continue
			}
		case slowDisk:
			if has(serverPaused) {
				continue
			}
		}
		left = append(left, c)
	}
	return left
}

// silent is the verdict if nothing tells why the client was silent.
func (f *facts) silent(v *verdict) {
	v.name, v.confidence = expiredSilently, certain
	if f.client == nil {
		v.decides = append(v.decides, askClient+": why it was silent")
	}
	if l := f.lossAt(v.because[0]); l != nil {
		v.support(l.m)
		v.say("the client was running and connected at that moment: see what kept its pings from the leader")
	}
	if f.left != nil && f.left.at() <= v.endedAt {
		v.support(f.left)
		v.say("its connection was closed at the client's end %s earlier, and it did not come back", ui.Duration(v.endedAt-f.left.at()))
	}
}

// slack is how much later than its timeout, in ms, a session may expire: up to a tick, which is at most half of the
// shortest timeout, and what a busy machine needs.
func (f *facts) slack() int64 { return f.timeout/2 + 300 }

// readTimeout is after how long without a word from the server a client leaves it, in ms.
func (f *facts) readTimeout() int64 { return f.timeout * 2 / 3 }

// overslept is the silence, in ms, from which on a client that notices it has not run all the time.
func (f *facts) overslept() int64 { return f.readTimeout() + max(500, f.readTimeout()/3) }

// silence is the time in which the leader heard nothing of the client.
func (f *facts) silence(v *verdict) (from, to int64) {
	return v.endedAt - f.timeout - f.slack(), v.endedAt
}

// paused: a client that runs leaves a silent server after two thirds of the timeout, and says so. One that says later how
// long it heard nothing, or says nothing until after the end and goes on then, did not run.
func (f *facts) paused(v *verdict) *cause {
	if f.client == nil || f.timeout == 0 {
		return nil
	}
	from, end := f.silence(v)
	u := unsure(f.client, v.because[0].from)
	for _, m := range f.late {
		if m.ms >= f.timeout/2 && m.at()-m.ms <= end+u && m.at() >= from-u {
			return &cause{clientPaused, certain, []*moment{m}, "its thread ran " + ui.Duration(m.ms) + " late"}
		}
	}
	for _, l := range f.losses {
		at := l.m.at()
		if l.silence >= f.overslept() && f.firstLoss(l) && at-l.silence <= end-f.timeout/3+u && at >= from-u {
			return &cause{clientPaused, certain, []*moment{l.m}, "it should have left the server after " + ui.Duration(f.readTimeout()) + " without a word, and noticed after " +
				ui.Duration(l.silence)}
		}
	}
	for _, m := range f.t.moments {
		if m.name == "jvm-pause" && m.from == f.client && m.ms >= f.timeout/2 && m.at()-m.ms <= end+u && m.at() >= from-u {
			return &cause{clientPaused, certain, []*moment{m}, "its process was paused for " + ui.Duration(m.ms)}
		}
	}
	// Its library told of a connection, then nothing until after the end.
	if !compared(f.client, v.because[0].from) {
		return nil
	}
	var before, m *moment
	for _, line := range f.lines {
		if line.at() <= end+u {
			before = line
		} else if m == nil {
			m = line
		}
	}
	if before == nil || m == nil || noticed(before) || !f.connectedAt(before) {
		return nil
	}
	late := m.at() - end
	if late < u+max(500, f.timeout/8) || !noticed(m) {
		return nil
	}
	return &cause{clientPaused, likely, []*moment{m}, "it noticed the end " + ui.Duration(late) + " late, and had not missed the server before, as it does after " +
		ui.Duration(f.readTimeout()) + " while it runs"}
}

// connectedAt reports whether the client's log tells that it was connected at a line of it.
func (f *facts) connectedAt(line *moment) bool {
	var up *moment
	for _, m := range f.established {
		if m.from == line.from && m.line <= line.line {
			up = m
		}
	}
	return up != nil && !slices.ContainsFunc(f.losses, func(l *loss) bool { return l.m.from == up.from && l.m.line > up.line && l.m.line <= line.line })
}

// firstLoss reports whether the client was connected until the loss. Of one that connects, looking up a server's name may
// take long, too.
func (f *facts) firstLoss(l *loss) bool {
	var before *moment
	for _, m := range f.lines {
		if m.from == l.m.from && m.line < l.m.line {
			before = m
		}
	}
	return before != nil && f.connectedAt(before)
}

// gaveUp: the program closed its handle while it had no connection, so that no server heard of it.
func (f *facts) gaveUp(v *verdict) *cause {
	m := f.clientClosed
	if m == nil || m.at() > v.endedAt || f.connectedAt(m) || len(f.losses) == 0 {
		return nil
	}
	c := &cause{name: closedAfterLoss, sure: certain, because: []*moment{m}}
	for _, l := range f.losses {
		if l.m.line <= m.line && l.m.from == m.from {
			c.because[0], c.because = l.m, append(c.because[:1], m)
			c.note = "it closed it " + ui.Duration(m.at()-l.m.at()) + " after the connection was lost; a program should wait for Expired"
		}
	}
	return c
}

// noticed reports whether a line is the first with which a client tells that its connection is gone.
func noticed(m *moment) bool {
	switch m.name {
	case "client-silent", "client-server-closed", "client-reconnecting", "c-receive-failed", "c-timed-out", "kazoo-dropped", "kazoo-timeout", "go-loop":
		return true
	}
	return false
}

// clientGone: the connection was closed at the client's end, and the client's log ends there.
func (f *facts) clientGone(v *verdict) *cause {
	if f.client == nil || f.left == nil || f.left.at() > v.endedAt || f.timeout == 0 {
		return nil
	}
	u := unsure(f.client, f.left.from)
	left := f.left.at()
	if v.endedAt-left > f.timeout+f.slack() || f.client.last-f.client.correction() > left+u+500 {
		return nil // it was heard from later, or goes on
	}
	if len(between(f.lossLines(), left-f.readTimeout(), left)) > 0 {
		return nil // it left that server for another
	}
	return &cause{clientEnded, likely, []*moment{f.left}, "its connection was closed at its end, and its log tells nothing from then on"}
}

func (f *facts) lossLines() (list []*moment) {
	for _, l := range f.losses {
		list = append(list, l.m)
	}
	return list
}

// missed returns the loss by which the client's log shows that it ran while the session was silent: it left a server that
// did not answer, in time, and did not come back before the end.
func (f *facts) missed(v *verdict) *loss {
	if f.client == nil || f.timeout == 0 {
		return nil
	}
	end := v.endedAt
	u := unsure(f.client, v.because[0].from)
	for _, l := range f.losses {
		at := l.m.at()
		switch {
		case at > end+u:
		case len(between(f.established, at, end)) > 0:
		case l.closed || l.silence > f.overslept(), strings.Contains(l.m.cause+l.m.text, "refused"):
			return nil
		default:
			return l
		}
	}
	return nil
}

// cutOff: the client ran, missed the server in time, and could not come back, although its server ran: the server logged
// something while an attempt of the client was without an answer.
func (f *facts) cutOff(v *verdict) *cause {
	l := f.missed(v)
	// The leader ran, too, since it expired the session in time: no later than the timeout after the last ping.
	if l == nil || v.endedAt > l.m.at()+f.timeout+f.slack() {
		return nil
	}
	c := &cause{networkLost, likely, []*moment{l.m}, "the client ran and missed the server in time"}
	tries := between(f.opening, l.m.at(), v.endedAt)
	if len(tries) == 0 {
		return nil
	}
	if tried := f.tried(l, v.endedAt); tried > cmp.Or(f.t.members(), leastTried)/2 {
		c.note += fmt.Sprintf("; none of %d servers answered it, and one of them at least ran, since a quorum ended the session in time", tried)
		return c
	}
	served := f.servedBy()
	for _, m := range served {
		u := unsure(f.client, m.from)
		at := m.from.lineWithin(m.member, tries[0].at()+u, v.endedAt-answerTime)
		if at == 0 {
			return nil
		}
		c.note += fmt.Sprintf(", while %s ran: it logged something at %s", m.who(), ui.Time(at))
	}
	if len(served) > 0 {
		return c
	}
	if len(between(f.connected, l.m.at(), v.endedAt)) > 0 || !strings.HasPrefix(tries[0].name, "client-") {
		return nil // something answers at TCP's level, or nothing tells: a server that is stopped, or a proxy
	}
	c.because = append(c.because, tries[0])
	c.note += ", and no server answered its connections"
	return c
}

// leastTried is how many members there are if the logs do not tell: as many as few ensembles exceed.
const leastTried = 5

// answerTime is how long, in ms, a server that runs may take to answer a client that connects.
const answerTime = 300

// tried counts the servers that did not answer the client: the one that it left, and those that it tried.
func (f *facts) tried(l *loss, end int64) int {
	servers := map[string]bool{}
	left := ""
	for _, m := range f.lines {
		switch {
		case m.server == "" || m.name != "client-established" && m.name != "client-opening" && m.name != "kazoo-connecting":
		case m.at() <= l.m.at():
			left = serverName(m.server)
		case m.at() <= end-answerTime:
			servers[serverName(m.server)] = true
		}
	}
	if left != "" {
		servers[left] = true
	}
	return len(servers)
}

// serverName is an address as all lines write it: Java writes a name in front of it, and a full stop behind.
func serverName(server string) string {
	return strings.TrimSuffix(server[strings.LastIndexByte(server, '/')+1:], ".")
}

// who names the server that logged a moment.
func (m *moment) who() string {
	if m.member != "" {
		return "server " + m.member
	}
	return m.from.label
}

// serverStood: a server's process did not run while the client missed it: it says so, or the leader expired the session
// late.
func (f *facts) serverStood(v *verdict) *cause {
	l := f.missed(v)
	if l == nil {
		return nil
	}
	at, end := l.m.at(), v.endedAt
	for _, m := range f.t.moments {
		if m.name == "jvm-pause" && m.from.server && m.ms >= f.timeout/3 && m.at()-m.ms <= at && m.at() >= at-f.readTimeout() {
			return &cause{serverPaused, likely, []*moment{l.m, m}, "the process of " + m.who() + " was paused for " + ui.Duration(m.ms) + " while the client missed it"}
		}
	}
	// After the client has left, nothing of it reaches the server: the session must expire within the timeout and a tick.
	leader := v.because[0]
	for _, m := range f.t.moments { // a leader that begins gives every session its timeout anew
		switch m.name {
		case "leading", "quorum-of-supporters", "starting-server", "looking", "following":
			if m.from == leader.from && m.at() <= end {
				at = max(at, m.at())
			}
		}
	}
	overdue := end - at - f.timeout - f.slack() - unsure(f.client, leader.from)
	if leader.name != "session-expired" || overdue < max(500, f.timeout/4) {
		return nil
	}
	gap := leader.from.gapBefore(leader.member, end)
	if gap < overdue {
		return nil
	}
	return &cause{serverPaused, likely, []*moment{l.m, leader}, "the leader expired the session " + ui.Duration(overdue) + " later than it must, after it had logged nothing for " +
		ui.Duration(gap)}
}

// diskStood: a server waited for its disk while the client missed it.
func (f *facts) diskStood(v *verdict) *cause {
	l := f.missed(v)
	if l == nil {
		return nil
	}
	at := l.m.at()
	for _, m := range f.t.moments {
		if m.name == "fsync-slow" && m.ms >= f.timeout/3 && m.at()-m.ms <= at && m.at() >= at-f.readTimeout() {
			return &cause{slowDisk, likely, []*moment{l.m, m}, "a write to the disk of " + m.who() + " took " + ui.Duration(m.ms) + " while the client missed it"}
		}
	}
	return nil
}

// noLeader: there was no leader for longer than the timeout, by what all members but one log, and the client lost its
// connection over it.
func (f *facts) noLeader(v *verdict) *cause {
	if f.timeout == 0 || f.client == nil {
		return nil
	}
	members := map[string]bool{} // that the logs tell of
	for _, m := range f.t.moments {
		if m.from.server && m.member != "" {
			members[m.member] = true
		}
	}
	lookers := map[string]bool{}
	var lost *moment
	for _, m := range f.t.moments {
		if m.own || m.at() > v.endedAt {
			continue
		}
		switch m.name {
		case "looking", "following-failed", "leader-shutdown-reason":
			if lost == nil {
				lost = m
			}
			lookers[m.who()] = true
		case "quorum-of-supporters":
			took := int64(0)
			if lost != nil {
				took = m.at() - lost.at()
			}
			if took > f.timeout && len(lookers) >= max(2, len(members)-1) && v.endedAt-m.at() < 3*f.timeout+f.slack() &&
				len(between(f.lossLines(), lost.at()-f.timeout, m.at())) > 0 {
				return &cause{leaderChanged, likely, []*moment{lost, m}, "for " + ui.Duration(took) + " there was no leader"}
			}
			lost = nil
			clear(lookers)
		}
	}
	return nil
}

// tooManyConnections: servers refused the client's address while it tried to come back.
func (f *facts) tooManyConnections(v *verdict) *cause {
	addrs := map[string]bool{}
	for _, m := range f.t.moments {
		if m.own && m.addr != "" && m.from.server {
			addrs[m.addr] = true
		}
	}
	from, end := f.silence(v)
	for _, m := range f.t.moments {
		if f.limits(m, addrs) && m.at() >= from && m.at() <= end && len(f.losses) > 0 &&
			len(between(f.lossLines(), m.at()-1000, m.at()+1000)) > 0 {
			return &cause{connectionLimit, certain, []*moment{m}, "its address had as many connections as maxClientCnxns allows"}
		}
	}
	return nil
}

// limits reports whether a server says that one of the addresses has too many connections.
func (f *facts) limits(m *moment, addrs map[string]bool) bool {
	if m.name == "accept-failed" { // since 3.5 the reason follows
		_, addr, found := strings.Cut(m.cause, "Too many connections from ")
		addr, _, _ = strings.Cut(addr, " ")
		return found && addrs[clientOf(addr+":0")]
	}
	return m.name == "too-many-connections" && addrs[m.addr]
}

// authFailed: the client could not authenticate, which ends it.
func (f *facts) authFailed(v *verdict) *cause {
	if f.auth == nil || f.auth.at() > v.endedAt || len(between(f.established, f.auth.at()+1000, v.endedAt)) > 0 {
		return nil
	}
	return &cause{authenticationFailed, certain, []*moment{f.auth}, ""}
}
