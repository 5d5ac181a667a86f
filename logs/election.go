package logs

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/logs/internal/catalogue"
	"github.com/zkctl/zkctl/logs/internal/format"
)

// Limits of what is kept of one election.
const (
	mostVotes  = 2000
	mostEvents = 200
	// lateJoin is how long after the election, in ms, a server that looks is still a part of it.
	lateJoin = 60_000
	// again is how long, in ms, a server must have followed before it looks again for that to be another election.
	again = 5000
	// settling is how long, in ms, servers that take part in the same election may look after each other.
	settling = 500
)

// election is one election and what became of it: from the first server that looks for a leader until the next election.
type election struct {
	start   int64
	end     int64 // of the last event that belongs to it
	trigger string
	lost    int64
	lookers map[string]*looker
	votes   []vote
	leader  string // "" while unknown
	leads   int64  // when the leader said so
	quorum  int64  // when the leader had one
	sids    []string
	zxid    uint64 // with which the leader starts
	learner map[string]*learner
	left    []leave
	tries   int // how often a server that had settled looked again
	settled int64
	ongoing map[string]string // who follows or leads already, by what votes say: its leader
	failed  map[string]*unreached
	dropped map[string]string // a server of lower id that waits for the call of this one
	silent  int               // how often no vote arrived in time
	joins   []join            // servers that looked later and found this leader
	serving string            // the leader that served while servers looked in vain, "" if none did or is known
}

// looker is a server that looks for a leader.
type looker struct {
	since, until int64 // until it follows, leads or observes; 0 while it looks
	role         string
	voted        string // whom it voted for last
	took         int64  // ms, -1 if it did not say so
	ready        int64  // when it could serve clients
}

// vote is what a server said in an election.
type vote struct {
	round       uint64
	sid, leader string
	zxid, epoch uint64
}

// learner is a server that the leader brings up to date.
type learner struct {
	how   string // DIFF, TRUNC, SNAP
	zxid  string
	had   uint64 // the last zxid it had, 0 if unknown
	began int64
	acked int64 // 0 until it has caught up
}

type leave struct {
	sid string
	at  int64
	why string
}

// join is a server that looked for a leader and found one that led already.
type join struct {
	sid      string
	since    int64
	at       int64
	followed string
}

type unreached struct {
	n   int
	why string
}

// elector finds elections in the merged events of several logs.
type elector struct {
	current *election // the last one that ended, with its leader's reign
	attempt *election // the one in progress
	known   map[string]bool
	address map[string]string // of learners: sid by address and port
	hosts   map[string]string // sid by address, "" if several share it
	loss    *leave            // how the leader was lost, as the first server says
	starts  map[string]int64
	last    map[string]int64 // when each server logged something that is known, the last time
	done    func(*election) error
}

func newElector(done func(*election) error) *elector {
	return &elector{known: map[string]bool{}, address: map[string]string{}, hosts: map[string]string{}, starts: map[string]int64{}, last: map[string]int64{}, done: done}
}

func newElection(at int64) *election {
	return &election{start: at, end: at, lookers: map[string]*looker{}, learner: map[string]*learner{}, ongoing: map[string]string{},
		failed: map[string]*unreached{}, dropped: map[string]string{}}
}

// see takes the next event. me is the id of the server that logged it.
func (x *elector) see(at int64, me string, e *format.Event, m *catalogue.Match) error {
	field := func(name string) string { return string(m.Field(name)) }
	if _, known := x.last[me]; known || len(x.last) < mostEvents {
		x.last[me] = at
	}
	if x.attempt != nil {
		x.attempt.end = max(x.attempt.end, at)
	}
	switch m.Phrase.Name {
	case "starting-quorum-peer":
		x.starts[me] = at
	case "following-failed", "observing-failed", "leader-shutdown-reason":
		why := string(e.Text)
		if cause := rootCause(e.More); cause != nil {
			why = string(cause)
		}
		switch m.Phrase.Name {
		case "leader-shutdown-reason":
			why = "stopped leading: " + field("cause")
		default:
			why = "lost its leader: " + why
		}
		if x.loss == nil {
			x.loss = &leave{me, at, why}
		}
		if x.attempt != nil && x.attempt.lost == 0 && x.attempt.looking() {
			x.attempt.lose(x.loss)
		}
	case "looking", "new-election":
		return x.looks(at, me, m)
	case "notification":
		x.notified(me, m)
	case "leading", "following", "observing", "election-took":
		return x.settles(at, me, e, m)
	case "quorum-of-supporters":
		return x.quorate(at, me, m)
	case "uptodate":
		x.ready(at, me)
	case "cannot-open-channel":
		x.unreachable(me, field("sid"), e)
	case "smaller-server-identifier":
		x.know(field("sid"))
		if x.attempt != nil {
			x.attempt.dropped[me] = field("sid")
		}
	case "notification-timeout":
		if x.attempt != nil {
			x.attempt.silent++
		}
	default:
		x.learns(at, me, e, m)
	}
	return nil
}

func (x *elector) know(sid string) {
	if len(x.known) < mostEvents {
		x.known[sid] = true
	}
}

// looks starts an election, or adds a server to it.
func (x *elector) looks(at int64, me string, m *catalogue.Match) error {
	x.know(me)
	a := x.attempt
	if a != nil {
		// Without the leader's log nothing says that the last election is over, except that it was long ago.
		if l := a.lookers[me]; l != nil && l.until > 0 && l.role != "leading" && (l.ready > 0 || at-l.until > again) || l == nil && a.over(at) {
			loss := x.loss // the next one's
			if err := x.close(); err != nil {
				return err
			}
			x.loss, a = loss, nil
		}
	}
	if a == nil {
		a = newElection(at)
		x.attempt = a
		switch {
		case x.loss != nil && at-x.loss.at < lateJoin:
			a.lose(x.loss)
		case at-x.starts[me] < lateJoin && x.starts[me] > 0:
			a.trigger = "server " + me + " started"
		}
	}
	l := a.lookers[me]
	switch {
	case l == nil && len(a.lookers) < mostEvents:
		a.lookers[me] = &looker{since: at, took: -1}
	case l != nil && l.until > 0:
		a.tries++
		l.until, l.role, l.took = 0, "", -1
		if a.leader == me {
			a.leader, a.leads = "", 0
		}
	}
	return nil
}

// lose says when and why the leader before was lost.
func (a *election) lose(l *leave) { a.trigger, a.lost = "server "+l.sid+" "+l.why, l.at }

// notified takes a vote.
func (x *elector) notified(me string, m *catalogue.Match) {
	sid, leader := string(m.Field("sid")), string(m.Field("leader"))
	x.know(sid)
	a := x.attempt
	if a == nil {
		return
	}
	if state := m.Field("peerstate"); !bytes.Equal(state, []byte("LOOKING")) {
		// Votes that were sent long ago may still arrive. A leader whose epoch is newer than all of them led before.
		voted := slices.ContainsFunc(a.votes, func(v vote) bool { return v.sid == sid })
		if epoch := number(m, "epoch"); string(m.Field("peerstate")) == "LEADING" && sid == leader &&
			!slices.ContainsFunc(a.votes, func(v vote) bool { return v.epoch >= epoch }) {
			voted = false
		}
		if len(a.ongoing) < mostEvents && !voted && sid != me && a.lookers[sid] == nil {
			a.ongoing[sid] = leader
		}
		return
	}
	if !a.looking() && a.settled > 0 {
		return // somebody looks later, for a leader that there is
	}
	v := vote{round: number(m, "round"), sid: sid, leader: leader, zxid: number(m, "zxid"), epoch: number(m, "epoch")}
	if l := a.lookers[me]; l != nil && sid == me {
		l.voted = leader
	}
	if len(a.votes) < mostVotes && !slices.Contains(a.votes, v) {
		a.votes = append(a.votes, v)
	}
}

// number is the value of a field that is written in hexadecimal.
func number(m *catalogue.Match, name string) uint64 {
	n, _ := strconv.ParseUint(strings.TrimPrefix(string(m.Field(name)), "0x"), 16, 64)
	return n
}

// settles takes what a server became.
func (x *elector) settles(at int64, me string, e *format.Event, m *catalogue.Match) error {
	a := x.attempt
	took := int64(decimal(m, "ms"))
	if a == nil {
		if !bytes.HasPrefix(e.Text, []byte("LEADING")) {
			return nil
		}
		a = newElection(at - took) // the log begins here
		a.leader, a.leads = me, at
		x.attempt = a
	}
	l := a.lookers[me]
	if l == nil {
		l = &looker{since: a.start, took: -1}
		if a.leader == me {
			l.role, l.until = "leading", at
		}
		if len(a.lookers) < mostEvents {
			a.lookers[me] = l
		}
	}
	if m.Phrase.Name == "election-took" {
		l.took = took
		return nil
	}
	l.role, l.until = m.Phrase.Name, at
	if l.role == "leading" {
		a.leader, a.leads = me, at
		return nil
	}
	a.settled = at
	return x.join(at)
}

// join takes an attempt in which servers only found a leader that led already for what it is.
func (x *elector) join(at int64) error {
	a := x.attempt
	leader, ok := a.joined()
	if !ok {
		return nil
	}
	if a.looking() {
		return nil
	}
	for sid, l := range a.lookers {
		a.joins = append(a.joins, join{sid, l.since, at, leader})
	}
	if c := x.current; c != nil && c.winner() == leader {
		if len(c.joins) < mostEvents {
			c.joins = append(c.joins, a.joins...)
		}
		x.attempt, x.loss = nil, nil
		return nil
	}
	return x.close()
}

func decimal(m *catalogue.Match, name string) uint64 {
	n, _ := strconv.ParseUint(string(m.Field(name)), 10, 64)
	return n
}

// quorate ends an election: its leader has a quorum.
func (x *elector) quorate(at int64, me string, m *catalogue.Match) error {
	a := x.attempt
	if a == nil { // the log begins later
		a = newElection(at)
		x.attempt = a
	}
	a.leader, a.quorum, a.zxid = me, at, number(m, "zxid")
	for _, sid := range strings.FieldsFunc(string(m.Field("sids")), func(r rune) bool { return r < '0' || r > '9' }) {
		x.know(sid)
		if !slices.Contains(a.sids, sid) {
			a.sids = append(a.sids, sid)
		}
	}
	return x.close()
}

// close makes the attempt the current election.
func (x *elector) close() error {
	old := x.current
	x.serve(x.attempt)
	x.current, x.attempt, x.loss = x.attempt, nil, nil
	if old != nil {
		return x.done(old)
	}
	return nil
}

// serve finds the leader that served while servers looked in vain: one that others follow, by their votes, or that of the
// election before, if it logged on, did not look itself, and those that look leave it a quorum.
func (x *elector) serve(a *election) {
	if a.winner() != "" {
		return
	}
	for _, sid := range ids(a.ongoing) {
		if l := a.ongoing[sid]; l != "" && a.lookers[sid] == nil && a.lookers[l] == nil {
			a.serving = l
			return
		}
	}
	c := x.current
	if c == nil || c.quorum == 0 || a.lookers[c.leader] != nil || x.last[c.leader] <= max(a.start, a.lost) {
		return
	}
	with := map[string]bool{}
	for _, sid := range c.sids {
		with[sid] = true
	}
	for _, j := range c.joins {
		with[j.sid] = true
	}
	for _, l := range c.left {
		delete(with, l.sid)
	}
	for sid := range a.lookers {
		delete(with, sid)
	}
	if len(with) >= len(c.sids) {
		a.serving = c.leader
	}
}

// ready takes that a learner serves clients. If the leader's log is missing, that ends the election, or shows that a
// server has joined a leader that was there already.
func (x *elector) ready(at int64, me string) {
	for _, e := range []*election{x.attempt, x.current} {
		if e != nil && e.lookers[me] != nil {
			e.lookers[me].ready = at
			return
		}
	}
}

func (x *elector) unreachable(me, sid string, e *format.Event) {
	x.know(sid)
	a := x.attempt
	if a == nil {
		return
	}
	u := a.failed[sid]
	if u == nil {
		if len(a.failed) >= mostEvents {
			return
		}
		u = &unreached{}
		a.failed[sid] = u
	}
	u.n++
	if cause := rootCause(e.More); cause != nil {
		u.why = string(cause)
	}
}

// learns takes how the leader brings others up to date, and who leaves it.
func (x *elector) learns(at int64, me string, e *format.Event, m *catalogue.Match) {
	handler, ok := bytes.CutPrefix(e.Thread, []byte("LearnerHandler-"))
	if !ok {
		return
	}
	sid := string(m.Field("sid"))
	switch {
	case sid != "" && len(x.address) < 10000:
		x.address[string(handler)] = sid
		host := hostOf(string(handler))
		if old, ok := x.hosts[host]; ok && old != sid {
			sid = ""
		}
		x.hosts[host] = sid
		sid = x.address[string(handler)]
	case sid == "":
		sid = x.address[string(handler)]
	}
	// The leader brings up its first learners before it has a quorum.
	el := x.attempt
	if el == nil || el.leader != me {
		el = x.current
	}
	if el == nil || el.leader != "" && el.leader != me {
		return
	}
	key := sid
	if key == "" {
		key = string(handler)
	}
	l := el.learner[key]
	if l == nil {
		if l = el.learner[string(handler)]; l != nil && sid != "" { // 3.4 names the learner late
			delete(el.learner, string(handler))
			el.learner[sid] = l
		}
	}
	of := func() *learner {
		if l == nil {
			l = &learner{began: at}
			if len(el.learner) < mostEvents {
				el.learner[key] = l
			}
		}
		if l.acked > 0 && m.Phrase.Name != "newleader-ack" { // it is back
			*l = learner{began: at}
		}
		return l
	}
	switch m.Phrase.Name {
	case "learner-synchronizing":
		of().had = number(m, "peerzxid")
	case "sending-diff", "in-sync":
		of().how = "DIFF"
		l.zxid = hexOf(m, "zxid")
	case "sending-trunc":
		of().how = "TRUNC"
		l.zxid = hexOf(m, "zxid")
	case "sending-snapshot":
		of().how = "SNAP"
		l.zxid = hexOf(m, "zxid")
	case "newleader-ack":
		of().acked = at
	case "goodbye":
		why := ""
		if cause := rootCause(e.More); cause != nil {
			why = string(cause)
		}
		if sid == "" {
			sid = x.hosts[hostOf(string(handler))]
		}
		if sid == "" {
			sid = string(m.Field("addr"))
		}
		if len(el.left) < mostEvents {
			el.left = append(el.left, leave{sid, at, why})
		}
	}
}

// hostOf is an address without its port.
func hostOf(addr string) string {
	if i := strings.LastIndexByte(addr, ':'); i >= 0 {
		return addr[:i]
	}
	return addr
}

func hexOf(m *catalogue.Match, name string) string {
	if v := m.Field(name); len(v) > 0 {
		return hexText(v)
	}
	return ""
}

// joined reports whether the attempt is not an election: servers that look find a leader that the others follow already.
func (a *election) joined() (leader string, ok bool) {
	if a.leader != "" || a.settled == 0 {
		return "", false
	}
	for sid, l := range a.ongoing {
		if a.lookers[sid] == nil && l != "" {
			leader = l
		}
	}
	return leader, leader != ""
}

// winner is the leader by the votes, if no log says so: the last that a server that follows has voted for.
func (a *election) winner() string {
	if a.leader != "" {
		return a.leader
	}
	if leader, ok := a.joined(); ok {
		return leader
	}
	for _, l := range a.lookers {
		if l.until > 0 && l.voted != "" {
			return l.voted
		}
	}
	return ""
}

// over reports whether an election has ended of which the leader's log is missing: all that looked follow.
func (a *election) over(at int64) bool {
	return !a.looking() && a.leader == "" && a.settled > 0 && at-a.settled > settling
}

// looking reports whether a server still looks for a leader.
func (a *election) looking() bool {
	for _, l := range a.lookers {
		if l.until == 0 {
			return true
		}
	}
	return false
}

// better compares votes as servers do: by epoch, zxid and id.
func (v vote) better(than vote) bool {
	if v.epoch != than.epoch {
		return v.epoch > than.epoch
	}
	if v.zxid != than.zxid {
		return v.zxid > than.zxid
	}
	a, _ := strconv.ParseInt(v.leader, 10, 64)
	b, _ := strconv.ParseInt(than.leader, 10, 64)
	return a > b
}

// finish ends the last elections.
func (x *elector) finish() error {
	if x.attempt != nil {
		x.serve(x.attempt)
	}
	if x.current != nil {
		if err := x.done(x.current); err != nil {
			return err
		}
		x.current = nil
	}
	if x.attempt != nil {
		a := x.attempt
		x.attempt = nil
		return x.done(a)
	}
	return nil
}
