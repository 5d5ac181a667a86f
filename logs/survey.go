package logs

import (
	"bytes"
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/survey"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/logs/internal/catalogue"
	"github.com/zkctl/zkctl/logs/internal/format"
)

// Limits of what a survey keeps.
const (
	surveyElections = 300
	surveyClients   = 30
	surveySessions  = 100
)

// Survey reads logs for a report: what summary, timeline, elections and sessions tell, in numbers. It reads each log
// three times, so they must be regular files. What is wrong with them is in the result's Notes.
func Survey(ctx context.Context, o survey.LogOptions) (*survey.Logs, error) {
	var notes bytes.Buffer
	quiet := &ui.Streams{InTTY: true, Err: &notes}
	r := &reading{streams: quiet, args: o.Files, since: o.Since, until: o.Until, zones: o.Zones, dates: o.Dates, asLogged: o.AsLogged,
		output: string(ui.Text)}
	if err := r.check(time.Now()); err != nil {
		return nil, err
	}
	all, err := r.sources(ctx)
	if err != nil {
		return nil, err
	}
	sum, err := (&summaryOptions{reading: reading{streams: quiet, counts: true, since: r.since, until: r.until, zones: r.zones, dates: r.dates, from: r.from, to: r.to}}).recount(ctx, r, all)
	if err != nil {
		return nil, err
	}
	found := &survey.Logs{}
	(&summary{tally: sum, logs: len(all)}).survey(found, o.Top)

	label(all)
	r.streams = &ui.Streams{InTTY: true, Err: io.Discard} // all has been said
	if err := r.estimateSkews(ctx, all); err != nil {
		return nil, err
	}
	shorten(all)
	for _, s := range all {
		found.Clocks = append(found.Clocks, survey.Clock{Log: s.name, Member: s.member, Text: s.skew.String(), Known: s.skew.known,
			Reference: s.skew.reference, Skew: s.skew.ms, Within: s.skew.within, Corrected: s.correction() != 0})
	}
	w := newWalk(r, found)
	if err := w.run(ctx, all); err != nil {
		return nil, err
	}
	found.Failed = r.failed
	for line := range strings.Lines(notes.String()) {
		found.Notes = append(found.Notes, strings.TrimSpace(line))
	}
	return found, nil
}

// walk is what one pass over all logs, in the order of time, collects.
type walk struct {
	r        *reading
	found    *survey.Logs
	levels   *survey.Buckets[survey.Severity]
	moments  moments
	elector  *elector
	sessions *sessions
	delays   map[string]*delay
}

func newWalk(r *reading, found *survey.Logs) *walk {
	w := &walk{r: r, found: found, levels: survey.NewBuckets((*survey.Severity).Add), delays: map[string]*delay{},
		sessions: &sessions{byID: map[string]*session{}, minutes: map[int64]int{}}}
	w.elector = newElector(w.elected)
	return w
}

func (w *walk) run(ctx context.Context, all []*source) error {
	in, err := newMerged(ctx, all)
	if err != nil {
		return err
	}
	defer in.close()
	shown := &timelineOptions{}
	if err := in.each(ctx, func(h *head, m *catalogue.Match) error {
		if !w.r.wanted(h.event) {
			return nil
		}
		if shown.shows(h.source, h.event, m) {
			w.moments.add(h, m)
		}
		return w.see(h, m)
	}); err != nil {
		return err
	}
	if err := w.elector.finish(); err != nil {
		return err
	}
	w.end()
	return nil
}

// see takes an event; m is nil if it is no known phrase.
func (w *walk) see(h *head, m *catalogue.Match) error {
	e := h.event
	at := e.Time - h.source.correction()
	if e.Timed {
		count := w.levels.In(at)
		switch {
		case e.Level >= format.Error:
			count.Error++
		case e.Level == format.Warn:
			count.Warn++
		default:
			count.Info++
		}
	}
	if m == nil {
		return nil
	}
	w.sessions.see(h, m)
	if what := delayNames[m.Phrase.Name]; what != "" {
		if ms := m.Field("ms"); ms != nil {
			w.delay(m.Phrase.Name, what).add(int64(decimal(m, "ms")), at, e.Timed, h.source.short)
		}
	}
	if e.Timed && h.source.member != "" {
		return w.elector.see(at, h.source.member, e, m)
	}
	return nil
}

// end takes what only the whole has.
func (w *walk) end() {
	w.found.Levelled, w.found.LevelledSeconds = w.levels.Rows(survey.Rows)
	w.found.Moments, w.found.MomentsN = w.moments.list, w.moments.n
	for _, name := range slices.Sorted(maps.Keys(w.delays)) {
		w.found.Delays = append(w.found.Delays, w.delays[name].survey())
	}
	w.sessions.survey(&w.found.Sessions)
}

// elected takes an election.
func (w *walk) elected(e *election) error {
	w.found.ElectionsN++
	from, to, outage := e.outage()
	if outage {
		leader := ""
		if sid := e.winner(); sid != "" {
			leader = named(sid)
		}
		w.delay("no-service", "no leader, and so no service").add(to-from, from, true, leader)
	}
	if len(w.found.Elections) >= surveyElections {
		return nil
	}
	one := survey.Election{Title: e.title(), Result: e.result(), Leader: e.winner(), Serving: e.serving, Start: e.start, End: max(e.end, e.quorum), Rows: e.rows()}
	if outage {
		one.LostFrom, one.LostUntil = from, to
	}
	for _, sid := range ids(e.lookers) {
		l := e.lookers[sid]
		one.Lookers = append(one.Lookers, survey.Looker{Server: sid, From: l.since, Until: l.until, Role: l.role})
	}
	for _, j := range e.joins {
		one.Lookers = append(one.Lookers, survey.Looker{Server: j.sid, From: j.since, Until: j.at, Role: "joined"})
	}
	w.found.Elections = append(w.found.Elections, one)
	return nil
}

// recount counts the logs as the verb summary does; r learns if something could not be read.
func (o *summaryOptions) recount(ctx context.Context, r *reading, all []*source) (*tally, error) {
	own := make([]*source, len(all))
	for i, s := range all {
		own[i] = s.again()
		own[i].reading = &o.reading
	}
	sum, err := o.tallyAll(ctx, own)
	r.failed = r.failed || o.failed
	return sum, err
}

// survey takes what the summary counted.
func (s *summary) survey(to *survey.Logs, top int) {
	to.Logs, to.Bytes, to.Unclear = s.logs, s.bytes, s.unclear
	to.Back, to.BackAt = s.back, s.backAt.survey("")
	to.All = s.all.survey("")
	for l, n := range s.levels {
		if n > 0 {
			to.Levels = append(to.Levels, survey.Named{Name: format.Level(l).String(), N: n})
		}
	}
	for _, id := range ids(s.members) {
		to.Members = append(to.Members, survey.Named{Name: id, N: s.members[id].n})
	}
	for _, p := range s.counted() {
		to.Phrases = append(to.Phrases, survey.Phrase{LogCount: p.count.survey(p.Name), Kind: p.Kind, Rank: p.Rank.String(), Means: p.Means, Do: p.Do})
	}
	to.Causes, to.CausesN = most(s.causes, top)
	to.Unknown, to.UnknownN = most(s.unknown, top)
}

// most returns the most frequent counts, and how many there are in all.
func most(counts map[string]*count, top int) (list []survey.LogCount, n int) {
	for i, k := range ranked(counts) {
		if i == top {
			break
		}
		list = append(list, k.count.survey(k.key))
	}
	return list, len(counts)
}

func (c *count) survey(key string) survey.LogCount {
	return survey.LogCount{Key: key, N: c.n, First: c.first, Last: c.last, Timed: c.timed, File: c.file, Line: c.line, Sample: c.sample}
}

// survey takes what sessions add up to, as the verb sessions prints it.
func (x *sessions) survey(to *survey.Sessions) {
	list := x.sorted(func(*session) bool { return true })
	clients := byClient(list)
	to.N, to.More, to.ClientsN = len(list), x.more, len(clients)
	churn := survey.NewBuckets((*survey.LogChurn).Add)
	for minute, n := range x.minutes {
		churn.In(minute * 60000).Established += int64(n)
	}
	var ways [ends]int
	for _, s := range list {
		ways[s.how()]++
		if s.end != open && s.ended > 0 {
			into := churn.In(s.ended)
			switch s.how() {
			case closed, unasked:
				into.Closed++
			case expired:
				into.Expired++
			default:
				into.Lost++
			}
		}
		if !s.bad() {
			continue
		}
		if to.BadN++; len(to.Bad) < surveySessions {
			to.Bad = append(to.Bad, survey.Session{ID: s.id, Client: s.client, Servers: strings.Join(s.servers, " "), End: endNames[s.how()], Timeout: s.timeout, First: s.first, Ended: s.ended})
		}
	}
	churn.AtLeast(60)
	to.Churn, to.ChurnSeconds = churn.Rows(survey.Rows)
	for end, n := range slices.Backward(ways[:]) {
		if n > 0 {
			to.Ends = append(to.Ends, survey.End{Name: endNames[end], Means: endMeans[end], N: n})
		}
	}
	for _, c := range clients[:min(len(clients), surveyClients)] {
		to.Clients = append(to.Clients, survey.Client{Name: c.name, Sessions: c.n, Expired: c.ends[expired], Unasked: c.ends[unasked], Gone: c.ends[gone], Closed: c.ends[closed],
			Moved: c.moved, Lost: c.lost, Connections: c.connections, Shortest: c.shortestLife})
	}
}

// delayNames are the phrases that say how long something took, in their field ms.
var delayNames = map[string]string{
	"fsync-slow": "fsync of the transaction log", "jvm-pause": "pause of the JVM or the machine", "election-took": "election, as servers report it",
	"client-silent": "client heard nothing from its server", "snapshot-taken": "snapshot written", "snapshot-loaded": "snapshot loaded",
	"txns-loaded": "transactions loaded", "restore": "snapshot restored",
}

// delay is how long one kind of thing took.
type delay struct {
	survey.Delay
	values map[int64]int64 // how often, by ms; from 1000 on to three digits, so there are few
	over   *survey.Buckets[int64]
}

func (w *walk) delay(name, what string) *delay {
	d := w.delays[name]
	if d == nil {
		d = &delay{Delay: survey.Delay{What: what}, values: map[int64]int64{},
			over: survey.NewBuckets(func(into, from *int64) { *into = max(*into, *from) })}
		w.delays[name] = d
	}
	return d
}

func (d *delay) add(ms, at int64, timed bool, log string) {
	d.N++
	if ms > d.Most || d.N == 1 {
		d.Most, d.MostAt, d.MostLog = ms, 0, log
		if timed {
			d.MostAt = at
		}
	}
	if timed {
		longest := d.over.In(at)
		*longest = max(*longest, ms)
	}
	digits := int64(1)
	for ms/digits >= 1000 {
		digits *= 10
	}
	d.values[ms/digits*digits]++
}

func (d *delay) survey() survey.Delay {
	values := make([]int64, 0, len(d.values))
	for ms := range d.values {
		values = append(values, ms)
	}
	slices.Sort(values)
	quantile := func(percent int64) int64 {
		left := (d.N*percent + 99) / 100
		for _, ms := range values {
			if left -= d.values[ms]; left <= 0 {
				return ms
			}
		}
		return d.Most
	}
	d.Median, d.P99 = quantile(50), quantile(99)
	d.Over, d.Seconds = d.over.Rows(survey.Rows)
	return d.Delay
}
