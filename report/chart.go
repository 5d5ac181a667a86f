package report

import (
	"fmt"
	"math"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// A chart is drawn twice, for wide and for narrow screens, so that its text is readable on both.
const (
	wide   = 1080 // px
	narrow = 360
)

// figure adds a chart. draw returns its content and height for a width.
func (p *page) figure(label string, draw func(w int) (markup, int)) {
	p.put("<figure>\n")
	for _, w := range []int{wide, narrow} {
		name := "wide"
		if w == narrow {
			name = "narrow"
		}
		content, h := draw(w)
		p.put("<svg class=\"%s\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n%s</svg>\n", name, w, h, label, content)
	}
	p.put("</figure>\n")
}

// series is one kind of value of a chart.
type series struct {
	name  string
	class markup
}

func (p *page) legend(list ...series) {
	p.put("<ul class=\"legend\">")
	for _, s := range list {
		p.put("<li class=\"%s\">%s</li>", s.class, s.name)
	}
	p.put("</ul>\n")
}

// label is a text in a chart, cut to fit.
func (m *builder) label(x, y float64, room float64, class markup, s string) {
	const glyph = 6.6 // px of a character of 12 px
	if fits := int(room / glyph); runewidth.StringWidth(s) > fits {
		if fits < 3 {
			return
		}
		s = runewidth.Truncate(s, fits, "…")
	}
	m.put("<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>", class, x, y, s)
}

// timeScale maps times, in ms since 1970, to a range of pixels.
type timeScale struct {
	from, to    int64
	left, right float64
}

func newTimeScale(from, to int64, left, right float64) timeScale {
	if to <= from {
		from, to = from-500, to+500
	}
	return timeScale{from, to, left, right}
}

func (t timeScale) x(ms int64) float64 {
	at := t.left + float64(ms-t.from)/float64(t.to-t.from)*(t.right-t.left)
	return min(max(at, t.left), t.right)
}

// steps are the distances, in ms, that ticks may have.
var steps = []int64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000,
	1_800_000, hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, day, 2 * day, 7 * day, 14 * day, 28 * day, 91 * day, 182 * day, 364 * day, 1820 * day, 3640 * day, 36400 * day}

const (
	hour = int64(3_600_000)
	day  = 24 * hour
)

// axis draws ticks at the bottom y, with lines up to the top.
func (m *builder) axis(t timeScale, top, y float64) {
	room := t.right - t.left
	step := steps[len(steps)-1]
	for _, s := range steps {
		if float64(t.to-t.from)/float64(s) <= room/96 {
			step = s
			break
		}
	}
	_, offset := time.UnixMilli(t.from).Zone()
	shift := int64(offset) * 1000
	layout := "2006-01-02"
	switch sameDay := time.UnixMilli(t.from).Format(layout) == time.UnixMilli(t.to).Format(layout); {
	case step < 1000:
		layout = "15:04:05.000"
	case step < 60_000:
		layout = "15:04:05"
	case step < day && sameDay:
		layout = "15:04"
	case step < day:
		layout = "Jan 2 15:04"
	}
	for n, at := 0, (t.from+shift)/step*step-shift; at <= t.to && n < 100; at += step {
		if at < t.from {
			continue
		}
		n++
		x := t.x(at)
		m.put("<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", x, x, top, y)
		anchor := markup("tick middle")
		if x > t.right-36 {
			anchor = "tick end"
		} else if x < t.left+30 {
			anchor = "tick"
		}
		m.put("<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>", anchor, x, y+15, time.UnixMilli(at).Format(layout))
	}
	m.put("<line class=\"base\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", t.left, t.right, y, y)
}

// stack is one column: a value for each series.
type stack struct {
	start  int64 // ms since 1970
	values []int64
}

// columns draws stacked columns, each of which covers ms milliseconds.
func columns(w int, list []stack, ms int64, all []series) (markup, int) {
	const height, top, bottom = 200, 10, 24
	var m builder
	var most int64 = 1
	for _, s := range list {
		var sum int64
		for _, v := range s.values {
			sum += v
		}
		most = max(most, sum)
	}
	most = roundUp(most)
	left := 12 + 7*float64(len(command.Thousands(int(most))))
	base := float64(height - bottom)
	t := newTimeScale(list[0].start, list[len(list)-1].start+ms, left, float64(w)-8)
	scale := (base - top) / float64(most)
	for _, v := range []int64{most / 2, most} {
		if v == 0 {
			continue
		}
		y := base - float64(v)*scale
		m.put("<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/><text class=\"tick end\" x=\"%.1f\" y=\"%.1f\">%v</text>", left, t.right, y, y, left-5, y+4, v)
	}
	m.axis(t, top, base)
	const broadest = 64
	width := (t.right - t.left) / float64(len(list))
	gap := 1.0
	if width < 4 {
		gap = 0
	}
	width, indent := min(width-gap, broadest), max(width-gap-broadest, 0)/2
	for _, s := range list {
		y := base
		x := t.x(s.start) + indent
		tip := ui.Time(s.start)
		var parts builder
		for i, v := range s.values {
			if v == 0 {
				continue
			}
			tip += fmt.Sprintf(", %s %s", command.Thousands(int(v)), all[i].name)
			h := max(float64(v)*scale, 1.5)
			y -= h
			parts.put("<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", all[i].class, x, y, max(width, 1), h)
		}
		if parts.b.Len() > 0 {
			m.put("<g><title>%s</title>%s</g>\n", tip, parts.markup())
		}
	}
	return m.markup(), height
}

// roundUp returns the next number that is 1, 2, 4, 6 or 8 followed by zeros.
func roundUp(n int64) int64 {
	for unit := int64(1); unit < math.MaxInt64/100; unit *= 10 {
		for _, f := range []int64{1, 2, 4, 6, 8} {
			if n <= f*unit {
				return f * unit
			}
		}
	}
	return n
}

// bar is a bar in a table: n as a share of most.
func bar(n, most int64, class markup) markup {
	var m builder
	width := 0.0
	if most > 0 {
		width = 100 * float64(n) / float64(most)
	}
	m.put("<svg class=\"bar\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"%s\" width=\"%.2f\" height=\"10\"/></svg>", class, width)
	return m.markup()
}

// lane is a row of a chart over time.
type lane struct {
	name  string
	marks []mark
	spans []span
}

// mark is something at a moment.
type mark struct {
	at    int64
	class markup
	row   int // of rows in the lane
	tip   string
}

// span is something that lasts.
type span struct {
	from, to int64
	class    markup
	tip      string
	text     string
}

// lanes draws rows over time. The spans of behind cross all of them.
func lanes(w int, from, to int64, list []lane, rows int, behind []span) (markup, int) {
	rowHeight := 16.0
	if rows == 1 {
		rowHeight = 20
	}
	left, head := 170.0, 0.0
	if w == narrow {
		left, head = 8, 18 // names are above
	}
	each := rowHeight*float64(rows) + head + 8
	base := 6 + each*float64(len(list))
	t := newTimeScale(from, to, left, float64(w)-10)
	var m builder
	m.axis(t, 4, base)
	for _, s := range behind {
		x := t.x(s.from)
		m.put("<g><title>%s</title><rect class=\"%s\" x=\"%.1f\" y=\"4\" width=\"%.1f\" height=\"%.1f\"/></g>\n", s.tip, s.class, x, max(t.x(s.to)-x, 2), base-4)
	}
	for i, l := range list {
		y := 6 + each*float64(i)
		if w == narrow {
			m.label(left, y+13, float64(w)-left, "name", l.name)
		} else {
			m.label(4, y+rowHeight*float64(rows)/2+4, left-12, "name", l.name)
		}
		y += head
		m.put("<rect class=\"lane\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", left, y, t.right-left, rowHeight*float64(rows))
		for _, s := range l.spans {
			x := t.x(s.from)
			width := max(t.x(s.to)-x, 2)
			m.put("<g><title>%s</title><rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", s.tip, s.class, x, y+2, width, rowHeight*float64(rows)-4)
			m.label(x+4, y+rowHeight*float64(rows)/2+4, width-8, "on", s.text)
			m.put("</g>\n")
		}
		// Marks at the same place are drawn once.
		type place struct {
			class markup
			x     int
		}
		first := map[place]int{}
		more := map[int]int{}
		for j, k := range l.marks {
			at := place{k.class, int(t.x(k.at) / 2)}
			if old, ok := first[at]; ok {
				more[old]++
				continue
			}
			first[at] = j
		}
		for j, k := range l.marks {
			if first[place{k.class, int(t.x(k.at) / 2)}] != j {
				continue
			}
			tip := k.tip
			if n := more[j]; n > 0 {
				tip += fmt.Sprintf(" (and %d more)", n)
			}
			m.put("<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"3\" height=\"%.1f\"><title>%s</title></rect>\n", k.class, t.x(k.at)-1.5, y+rowHeight*float64(k.row)+2, rowHeight-4, tip)
		}
	}
	return m.markup(), int(base) + 24
}

// dot is a duration at a moment.
type dot struct {
	at, ms int64
	class  markup
	tip    string
}

// dots draws durations on a logarithmic scale.
func dots(w int, from, to int64, list []dot) (markup, int) {
	const height, top, bottom, left = 220, 10, 24, 52
	base := float64(height - bottom)
	t := newTimeScale(from, to, left, float64(w)-12)
	highest := 1.0
	for _, d := range list {
		highest = max(highest, math.Ceil(math.Log10(float64(max(d.ms, 1)))))
	}
	y := func(ms int64) float64 { return base - math.Log10(float64(max(ms, 1)))/highest*(base-top) }
	var m builder
	m.axis(t, top, base)
	for n, ms := 0, int64(1); float64(n) <= highest; n, ms = n+1, ms*10 {
		m.put("<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/><text class=\"tick end\" x=\"%.1f\" y=\"%.1f\">%s</text>",
			float64(left), t.right, y(ms), y(ms), float64(left-5), y(ms)+4, ui.Duration(ms))
	}
	for _, d := range list {
		m.put("<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"><title>%s</title></circle>\n", d.class, t.x(d.at), y(d.ms), d.tip)
	}
	return m.markup(), height
}
