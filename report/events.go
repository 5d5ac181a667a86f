package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/survey"
	"github.com/zkctl/zkctl/internal/ui"
)

// mostLanes is how many logs, or servers, have a lane each in a chart.
const mostLanes = 24

func (c *content) writeTimeline(p *page) {
	l := c.logs
	var all []lane
	index := map[string]int{}
	from, to := int64(0), int64(0)
	untimed := 0
	var shown int64
	for _, m := range l.Moments {
		shown += m.N
		if m.Time == 0 {
			untimed++
			continue
		}
		if from == 0 || m.Time < from {
			from = m.Time
		}
		to = max(to, m.Until)
		name := m.Log
		i, ok := index[name]
		if !ok {
			if len(all) == mostLanes {
				name = "others"
				i, ok = index[name]
			}
			if !ok {
				i = len(all)
				index[name] = i
				all = append(all, lane{name: name})
			}
		}
		k := mark{at: m.Time, class: "notable", row: 1, tip: ui.Time(m.Time) + ": " + clip(m.Text, 160)}
		if m.Problem {
			k.class, k.row = "problem", 0
		}
		if m.N > 1 {
			k.tip += fmt.Sprintf(" (%s until %s)", times(m.N), ui.Time(m.Until))
		}
		all[i].marks = append(all[i].marks, k)
	}
	p.put("<p>Problems and other events that matter, merged in time over all logs; times are corrected by the differences between clocks where these are certain.</p>\n")
	if len(all) > 0 {
		p.legend(series{"problem", "problem"}, series{"notable", "notable"}, series{"no leader", "outage"})
		p.figure("Events by log over time", func(w int) (markup, int) { return lanes(w, from, to, all, 2, outages(l.Elections)) })
	}
	if gone := l.MomentsN - shown; gone > 0 {
		p.put("<p class=\"muted\">%v events are left out; narrow the time with --since and --until to see all.</p>\n", gone)
	}
	p.details(fmt.Sprintf("Table: %s", command.Counted(len(l.Moments), "event")), func() {
		var rows [][]any
		for _, m := range l.Moments {
			at := "unknown"
			if m.Time > 0 {
				at = ui.Time(m.Time)
			}
			until := ""
			if m.N > 1 && m.Until > 0 {
				until = ui.Time(m.Until)
			}
			rank := markup(`<span class="tag notable">notable</span>`)
			if m.Problem {
				rank = `<span class="tag problem">problem</span>`
			}
			what := builder{}
			what.put("%s", m.Text)
			if m.Cause != "" {
				what.put("<br/><span class=\"muted\">%s</span>", m.Cause)
			}
			rows = append(rows, []any{at, m.Log, rank, what.markup(), m.N, until, fmt.Sprintf("%s:%d", short(m.File), m.Line)})
		}
		p.table("Events", []column{{name: "time"}, {name: "log"}, {name: "rank"}, {name: "event", wrap: true}, {name: "times", number: true}, {name: "until"}, {name: "first line", wrap: true}}, rows)
	})
}

// outages are the times without a leader.
func outages(list []survey.Election) (spans []span) {
	for _, e := range list {
		if e.LostUntil > 0 {
			spans = append(spans, span{from: e.LostFrom, to: e.LostUntil, class: "outage", tip: "no leader for " + ui.Duration(e.LostUntil-e.LostFrom)})
		}
	}
	return spans
}

// reigns returns who led when, as far as the elections show, with a lane for each server.
func reigns(list []survey.Election, from, to int64) []lane {
	var all []lane
	index := map[string]int{}
	for i, e := range list {
		if e.Leader == "" {
			continue
		}
		end := to
		for _, next := range list[i+1:] {
			if next.Result == "elected" || next.Result == "none" && next.Serving == "" {
				end = next.Start
				if next.LostFrom > 0 {
					end = next.LostFrom
				}
				break
			}
		}
		n, ok := index[e.Leader]
		if !ok {
			if len(all) == mostLanes {
				continue
			}
			n = len(all)
			index[e.Leader] = n
			all = append(all, lane{name: "server " + e.Leader})
		}
		begin := max(e.End, from)
		all[n].spans = append(all[n].spans, span{from: begin, to: max(end, begin), class: "leads", text: "leads",
			tip: fmt.Sprintf("%s, from %s until %s", e.Title, ui.Time(begin), ui.Time(max(end, begin)))})
	}
	slices.SortFunc(all, func(a, b lane) int {
		return cmp.Or(cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name)) // ids are numbers
	})
	return all
}

func (c *content) writeElections(p *page) {
	l := c.logs
	from, to := l.All.First, l.All.Last
	for _, e := range l.Elections {
		from, to = min(from, e.Start), max(to, e.End)
	}
	list := reigns(l.Elections, from, to)
	if len(list) > 0 {
		p.legend(series{"leads", "leads"}, series{"no leader", "outage"})
		p.figure("Who led when", func(w int) (markup, int) { return lanes(w, from, to, list, 1, outages(l.Elections)) })
	}
	var rows [][]any
	for i, e := range l.Elections {
		out := ""
		if e.LostUntil > 0 {
			out = ui.Duration(e.LostUntil - e.LostFrom)
		}
		rows = append(rows, []any{i + 1, ui.Time(e.Start), e.Title, ui.Duration(e.End - e.Start), out})
	}
	p.table("Elections", []column{{name: "no.", number: true}, {name: "began"}, {name: "result"}, {name: "lasted", number: true}, {name: "no service", number: true}}, rows)
	for i, e := range l.Elections {
		if i == 50 {
			p.put("<p class=\"muted\">The details of the others are in zkctl log elections.</p>\n")
			break
		}
		p.details(fmt.Sprintf("%d. %s", i+1, e.Title), func() {
			c.writeLookers(p, e)
			var rows [][]any
			for _, row := range e.Rows {
				rows = append(rows, []any{row[0], row[1]})
			}
			p.table(fmt.Sprintf("Election %d", i+1), []column{{name: "what"}, {name: "according to the logs", wrap: true}}, rows)
		})
	}
	if more := l.ElectionsN - len(l.Elections); more > 0 {
		p.put("<p class=\"muted\">%v more elections are not listed.</p>\n", more)
	}
}

// writeLookers draws who looked for a leader, and for how long.
func (c *content) writeLookers(p *page, e survey.Election) {
	var list []lane
	from, to := e.Start, e.End
	for _, k := range e.Lookers {
		if len(list) == mostLanes {
			break
		}
		until := k.Until
		if until == 0 {
			until = e.End
		}
		from, to = min(from, k.From), max(to, until)
		text := k.Role
		if text == "" {
			text = "in vain"
		}
		list = append(list, lane{name: "server " + k.Server, spans: []span{{from: k.From, to: until, class: "looks", text: "looked, then " + text,
			tip: fmt.Sprintf("looked for %s from %s, then %s", ui.Duration(until-k.From), ui.Time(k.From), text)}}})
	}
	if len(list) > 1 {
		p.figure("Who looked for a leader, and for how long", func(w int) (markup, int) { return lanes(w, from, to, list, 1, nil) })
	}
}

func (c *content) writeDelays(p *page) {
	list := c.logs.Delays
	var points []dot
	var names []series
	var over [][]any
	from, to := int64(0), int64(0)
	for i, d := range list {
		s := series{d.What, markup(fmt.Sprintf("s%d", i%8))}
		names = append(names, s)
		for _, b := range d.Over {
			if b.Value == 0 {
				continue
			}
			at := b.Start * 1000
			if from == 0 || at < from {
				from = at
			}
			to = max(to, at+d.Seconds*1000)
			over = append(over, []any{d.What, ui.Time(at), survey.Interval(d.Seconds), ui.Duration(b.Value)})
			points = append(points, dot{at, b.Value, s.class, fmt.Sprintf("%s: %s, at most %s", ui.Time(at), d.What, ui.Duration(b.Value))})
		}
	}
	p.put("<p>As servers and clients report it in their logs: most only report what is slow. A dot is the longest of its interval.</p>\n")
	if len(points) > 0 {
		p.legend(names...)
		p.figure("How long things took over time", func(w int) (markup, int) { return dots(w, from, to, points) })
		p.details("Table: the longest of each interval", func() {
			p.table("The longest of each interval", []column{{name: "what"}, {name: "from"}, {name: "interval"}, {name: "longest", number: true}}, over)
		})
	}
	var rows [][]any
	for _, d := range list {
		at := ""
		if d.MostAt > 0 {
			at = ui.Time(d.MostAt)
		}
		rows = append(rows, []any{d.What, d.N, ui.Duration(d.Median), ui.Duration(d.P99), ui.Duration(d.Most), at, d.MostLog})
	}
	p.table("How long things took", []column{{name: "what"}, {name: "times", number: true}, {name: "median", number: true}, {name: "99 %", number: true}, {name: "longest", number: true}, {name: "when"}, {name: "log"}}, rows)
}

func (c *content) writeMessages(p *page) {
	l := c.logs
	levels := []series{{"INFO and below", "s0"}, {"WARN", "s1"}, {"ERROR and above", "s2"}}
	var list []stack
	for _, b := range l.Levelled {
		list = append(list, stack{b.Start * 1000, []int64{b.Value.Info, b.Value.Warn, b.Value.Error}})
	}
	if len(list) > 0 {
		p.put("<p>Events per %s, by level.</p>\n", survey.Interval(l.LevelledSeconds))
		p.legend(levels...)
		p.figure("Events by level over time", func(w int) (markup, int) { return columns(w, list, l.LevelledSeconds*1000, levels) })
		p.details("Table: events over time", func() {
			var rows [][]any
			for _, s := range list {
				rows = append(rows, []any{ui.Time(s.start), s.values[0], s.values[1], s.values[2]})
			}
			p.table("Events per "+survey.Interval(l.LevelledSeconds), []column{{name: "from"}, {name: "INFO and below", number: true}, {name: "WARN", number: true}, {name: "ERROR and above", number: true}}, rows)
		})
	}
	var rows [][]any
	for _, n := range l.Levels {
		name := n.Name
		if name == "" {
			name = "none"
		}
		rows = append(rows, []any{name, n.N, bar(n.N, l.All.N, "s0")})
	}
	p.table("Levels", []column{{name: "level"}, {name: "events", number: true}, {name: ""}}, rows)
	rows = nil
	for _, n := range l.Members {
		rows = append(rows, []any{n.Name, n.N, bar(n.N, l.All.N, "s0")})
	}
	if len(rows) > 0 {
		p.table("Servers", []column{{name: "server"}, {name: "events", number: true}, {name: ""}}, rows)
	}
	rows = nil
	for _, k := range l.Phrases {
		rank := builder{}
		rank.put("<span class=\"tag %s\">%s</span>", k.Rank, k.Rank)
		first, last := ends(&k.LogCount)
		rows = append(rows, []any{k.Key, k.N, k.Kind, rank.markup(), first, last})
	}
	if len(rows) > 0 {
		p.table("Known phrases", []column{{name: "phrase"}, {name: "times", number: true}, {name: "kind"}, {name: "rank"}, {name: "first"}, {name: "last"}}, rows)
	}
	for _, g := range []struct {
		title string
		list  []survey.LogCount
		n     int
	}{{"Exceptions by cause", l.Causes, l.CausesN}, {"Unknown messages, by shape", l.Unknown, l.UnknownN}} {
		rows = nil
		for i := range g.list {
			k := &g.list[i]
			first, last := ends(k)
			rows = append(rows, []any{clip(k.Key, 300), k.N, first, last, fmt.Sprintf("%s:%d", short(k.File), k.Line)})
		}
		if len(rows) == 0 {
			continue
		}
		p.table(g.title, []column{{name: "message", wrap: true}, {name: "times", number: true}, {name: "first"}, {name: "last"}, {name: "first line", wrap: true}}, rows)
		if more := g.n - len(g.list); more > 0 {
			p.put("<p class=\"muted\">and %v more.</p>\n", more)
		}
	}
}

func ends(c *survey.LogCount) (first, last string) {
	if !c.Timed {
		return "", ""
	}
	return ui.Time(c.First), ui.Time(c.Last)
}
