package logs

import (
	"bufio"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

// electionPrinter prints elections as they end.
type electionPrinter struct {
	o   *electionsOptions
	out *bufio.Writer
	n   int
}

// byNumber orders ids of servers.
func byNumber(a, b string) int {
	x, errX := strconv.ParseInt(a, 10, 64)
	y, errY := strconv.ParseInt(b, 10, 64)
	if errX != nil || errY != nil {
		return cmp.Compare(a, b)
	}
	return cmp.Compare(x, y)
}

func ids[V any](m map[string]V) []string { return slices.SortedFunc(maps.Keys(m), byNumber) }

func (p *electionPrinter) print(e *election) error {
	p.n++
	if p.o.json() {
		_, err := p.out.Write(append(p.json(e), '\n'))
		return err
	}
	if p.n > 1 {
		_ = p.out.WriteByte('\n')
	}
	b := &strings.Builder{}
	fmt.Fprintln(b, p.o.streams.Hang(fmt.Sprintf("%d. %s", p.n, escape.Line(e.title())), 3))
	for _, row := range e.rows() {
		fmt.Fprintln(b, ui.Hang(fmt.Sprintf("  %-10s %s", row[0], escape.Line(row[1])), p.o.streams.Width, 13))
	}
	_, err := p.out.WriteString(b.String())
	return err
}

// rows tell what is known of an election, each with a label.
func (e *election) rows() (rows [][2]string) {
	line := func(label, format string, a ...any) { rows = append(rows, [2]string{label, fmt.Sprintf(format, a...)}) }
	line("began", "%s", ui.Time(e.start))
	if e.trigger != "" {
		line("because", "%s", e.trigger)
	}
	if _, joins := e.joined(); !joins {
		for _, sid := range ids(e.lookers) {
			line("server "+sid, "%s", e.lookers[sid].text(e))
		}
		for _, text := range e.rounds() {
			line("votes", "%s", text)
		}
	}
	if why := e.why(); why != "" {
		line("won", "%s", why)
	}
	if e.quorum > 0 {
		line("quorum", "servers %s at %s, %s after the start, from zxid %#x on", strings.Join(e.sids, ", "), ui.Time(e.quorum), ui.Duration(e.quorum-e.start), e.zxid)
	}
	for _, sid := range ids(e.learner) {
		line("learner", "%s: %s", named(sid), e.learner[sid].text())
	}
	if from, to, ok := e.outage(); ok {
		line("no service", "for %s, from %s until %s", ui.Duration(to-from), ui.Time(from), ui.Time(to))
	}
	for _, j := range e.joins {
		line("joined", "server %s at %s, after %s; server %s led already", j.sid, ui.Time(j.at), ui.Duration(j.at-j.since), j.followed)
	}
	for _, out := range e.out() {
		line("out", "%s", out.text())
	}
	for _, l := range e.left {
		text := named(l.sid) + " at " + ui.Time(l.at)
		if l.why != "" {
			text += ": " + l.why
		}
		line("left", "%s", text)
	}
	return rows
}

// named names a server by its id, or by its address.
func named(sid string) string {
	if strings.Contains(sid, "/") {
		return "the one at " + strings.TrimPrefix(sid, "/")
	}
	return "server " + sid
}

// title says in a few words how it ended.
func (e *election) title() string {
	leader := e.winner()
	switch _, joins := e.joined(); {
	case joins:
		return fmt.Sprintf("joined server %s, which led already", leader)
	case leader == "" && e.serving != "":
		who := ids(e.lookers)
		if len(who) == 1 {
			return fmt.Sprintf("server %s does not join; server %s leads", who[0], e.serving)
		}
		return fmt.Sprintf("servers %s do not join; server %s leads", strings.Join(who, ", "), e.serving)
	case leader == "":
		return "no leader"
	case e.quorum > 0:
		return fmt.Sprintf("server %s leads, epoch %d", leader, e.zxid>>32)
	case e.leader != "":
		return fmt.Sprintf("server %s led, but no quorum is known", leader)
	}
	return fmt.Sprintf("server %s leads, by the votes", leader)
}

// result says in a word how it ended.
func (e *election) result() string {
	switch _, joins := e.joined(); {
	case joins:
		return "joined"
	case e.winner() == "":
		return "none"
	}
	return "elected"
}

func (l *looker) text(e *election) string {
	text := "looked from " + ui.Time(l.since)
	if l.until == 0 {
		if l.role == "" && l.since == e.start && l.took < 0 {
			return text + ", in vain"
		}
		return text
	}
	text = fmt.Sprintf("looked for %s from %s, then %s", ui.Duration(l.until-l.since), ui.Time(l.since), l.role)
	if l.took >= 0 {
		text += fmt.Sprintf(" (election took %s)", ui.Duration(l.took))
	}
	if l.ready > 0 {
		text += "; served clients from " + ui.Time(l.ready) + " on"
	}
	return text
}

// rounds lists how each server voted, a line a round.
func (e *election) rounds() (lines []string) {
	var order []uint64
	byRound := map[uint64]map[string][]string{}
	for _, v := range e.votes {
		r := byRound[v.round]
		if r == nil {
			r = map[string][]string{}
			byRound[v.round] = r
			order = append(order, v.round)
		}
		if l := r[v.sid]; len(l) == 0 || l[len(l)-1] != v.leader {
			r[v.sid] = append(l, v.leader)
		}
	}
	const most = 5
	for i, round := range order {
		if i == most {
			return append(lines, fmt.Sprintf("and %d more rounds", len(order)-most))
		}
		var parts []string
		for _, sid := range ids(byRound[round]) {
			parts = append(parts, "server "+sid+" for "+strings.Join(byRound[round][sid], ", then "))
		}
		lines = append(lines, fmt.Sprintf("round %d: %s", round, strings.Join(parts, "; ")))
	}
	return lines
}

// best are the proposals of the servers for themselves: the newest that each had.
func (e *election) best() map[string]vote {
	own := map[string]vote{}
	for _, v := range e.votes {
		if old, ok := own[v.leader]; !ok || v.better(old) {
			own[v.leader] = v
		}
	}
	return own
}

// why says what the winner had that the others did not.
func (e *election) why() string {
	leader := e.winner()
	own := e.best()
	mine, ok := own[leader]
	if _, joins := e.joined(); leader == "" || !ok || joins {
		return ""
	}
	had := fmt.Sprintf("server %s, with epoch %d, zxid %#x", leader, mine.epoch, mine.zxid)
	delete(own, leader)
	if len(own) == 0 {
		return had
	}
	others := slices.Collect(maps.Values(own))
	slices.SortFunc(others, func(a, b vote) int {
		if a.better(b) {
			return -1
		}
		return 1
	})
	next := others[0]
	switch {
	case next.better(mine):
		return fmt.Sprintf("%s, although server %s had epoch %d, zxid %#x", had, next.leader, next.epoch, next.zxid)
	case mine.epoch != next.epoch:
		return fmt.Sprintf("%s: the highest epoch; server %s had %d", had, next.leader, next.epoch)
	case mine.zxid != next.zxid:
		return fmt.Sprintf("%s: the highest zxid; server %s had %#x", had, next.leader, next.zxid)
	}
	return had + ": the highest id of those with this zxid"
}

func (l *learner) text() string {
	how := l.how
	if how == "" {
		how = "how is not logged"
	} else if l.zxid != "" {
		how += " up to " + l.zxid
	}
	if n, ok := l.txns(); ok {
		how += " (" + command.Counted(n, "transaction") + ")"
	}
	if l.acked > 0 {
		return fmt.Sprintf("%s, caught up at %s (%s)", how, ui.Time(l.acked), ui.Duration(l.acked-l.began))
	}
	return fmt.Sprintf("%s, from %s", how, ui.Time(l.began))
}

// txns is how many transactions a DIFF brings, or a TRUNC takes.
func (l *learner) txns() (n int, ok bool) {
	zxid, err := strconv.ParseUint(strings.TrimPrefix(l.zxid, "0x"), 16, 64)
	if err != nil || l.had == 0 || l.had>>32 != zxid>>32 {
		return 0, false
	}
	switch n := int64(zxid - l.had); {
	case l.how == "DIFF" && n >= 0:
		return int(n), true
	case l.how == "TRUNC" && n <= 0:
		return int(-n), true
	}
	return 0, false
}

// outage is how long clients had no service, as far as the logs tell.
func (e *election) outage() (from, to int64, ok bool) {
	to = e.quorum
	if to == 0 { // without the leader's log: the first follower that serves
		for _, l := range e.lookers {
			if l.ready > 0 && (to == 0 || l.ready < to) {
				to = l.ready
			}
		}
	}
	return e.lost, to, e.lost > 0 && to > e.lost
}

// outsider is a server that is known and took no part.
type outsider struct {
	sid, why string
}

func (o outsider) text() string { return "server " + o.sid + ": " + o.why }

// out lists the servers that stayed out.
func (e *election) out() (list []outsider) {
	in := func(sid string) bool {
		l := e.lookers[sid]
		return sid == e.winner() || slices.Contains(e.sids, sid) || l != nil && l.until > 0 || e.learner[sid] != nil || e.ongoing[sid] != "" ||
			slices.ContainsFunc(e.joins, func(j join) bool { return j.sid == sid })
	}
	for _, sid := range ids(e.lookers) {
		if in(sid) {
			continue
		}
		why := "it looked until the end of the log"
		if peer := e.dropped[sid]; peer != "" {
			why += "; its id is lower than that of server " + peer + ", which must call it back on its election port and did not (explain smaller-server-identifier)"
		}
		if e.silent > 0 {
			why += fmt.Sprintf("; %s no vote arrived in time", times(int64(e.silent)))
		}
		list = append(list, outsider{sid, why})
	}
	for _, sid := range ids(e.failed) {
		if u := e.failed[sid]; !in(sid) && e.lookers[sid] == nil {
			why := "its election port could not be reached, " + times(int64(u.n))
			if u.why != "" {
				why += ": " + u.why
			}
			list = append(list, outsider{sid, why})
		}
	}
	return list
}

func (p *electionPrinter) json(e *election) []byte {
	b := object{b: []byte{'{'}}
	b.text("type", "election")
	leader := e.winner()
	b.text("result", e.result())
	b.text("leader", leader)
	b.text("serving", e.serving)
	if e.quorum > 0 {
		b.int("epoch", int64(e.zxid>>32))
		b.text("zxid", fmt.Sprintf("%#x", e.zxid))
	}
	b.int("start", e.start)
	b.text("trigger", e.trigger)
	b.list("lookers", len(ids(e.lookers)), func(i int, b *object) {
		sid := ids(e.lookers)[i]
		l := e.lookers[sid]
		b.text("member", sid)
		b.int("from", l.since)
		if l.until > 0 {
			b.int("until", l.until)
		}
		b.text("role", l.role)
		if l.took >= 0 {
			b.int("took", l.took)
		}
		if l.ready > 0 {
			b.int("ready", l.ready)
		}
	})
	b.list("votes", len(e.votes), func(i int, b *object) {
		v := e.votes[i]
		b.int("round", int64(v.round))
		b.text("member", v.sid)
		b.text("for", v.leader)
		b.int("epoch", int64(v.epoch))
		b.text("zxid", fmt.Sprintf("%#x", v.zxid))
	})
	b.text("why", e.why())
	if e.quorum > 0 {
		b.int("quorum", e.quorum)
		b.strings("quorumOf", e.sids)
	}
	b.list("learners", len(e.learner), func(i int, b *object) {
		sid := ids(e.learner)[i]
		l := e.learner[sid]
		b.text("member", sid)
		b.text("how", l.how)
		b.text("zxid", l.zxid)
		if n, ok := l.txns(); ok {
			b.int("txns", int64(n))
		}
		b.int("from", l.began)
		if l.acked > 0 {
			b.int("until", l.acked)
		}
	})
	if from, to, ok := e.outage(); ok {
		b.key("noService")
		b.b = append(b.b, '{')
		b.int("from", from)
		b.int("until", to)
		b.b = append(b.b, '}')
	}
	b.list("joined", len(e.joins), func(i int, b *object) {
		b.text("member", e.joins[i].sid)
		b.int("from", e.joins[i].since)
		b.int("until", e.joins[i].at)
		b.text("leader", e.joins[i].followed)
	})
	out := e.out()
	b.list("out", len(out), func(i int, b *object) {
		b.text("member", out[i].sid)
		b.text("why", out[i].why)
	})
	b.list("left", len(e.left), func(i int, b *object) {
		b.text("member", e.left[i].sid)
		b.int("time", e.left[i].at)
		b.text("why", e.left[i].why)
	})
	return append(b.b, '}')
}

// list adds an array of objects, unless it is empty.
func (o *object) list(name string, n int, each func(i int, b *object)) {
	if n == 0 {
		return
	}
	o.key(name)
	o.b = append(o.b, '[')
	for i := range n {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		inner := object{b: append(o.b, '{')}
		each(i, &inner)
		o.b = append(inner.b, '}')
	}
	o.b = append(o.b, ']')
}

// strings adds an array of texts.
func (o *object) strings(name string, list []string) {
	o.key(name)
	o.b = append(o.b, '[')
	for i, s := range list {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = escape.AppendJSONString(o.b, s)
	}
	o.b = append(o.b, ']')
}
