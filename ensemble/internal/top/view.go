package top

import (
	"fmt"
	"strings"
	"time"

	"github.com/fatih/color"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

// style paints text if the terminal has colours.
type style struct{ s *ui.Streams }

func (p *style) head(text string, focused bool) string {
	if focused {
		return p.s.Paint(text, color.Bold, color.FgCyan)
	}
	return p.s.Paint(text, color.Bold)
}

func (p *style) chosen(text string) string { return p.s.Paint(text, color.ReverseVideo) }

func (p *style) role(r *probe.Reading, text string) string {
	switch {
	case r.Leads():
		return p.s.Paint(text, color.FgGreen)
	case r.State == probe.NotServing, r.State == probe.Asked, r.ReadOnly():
		return p.s.Paint(text, color.FgYellow)
	case r.State != probe.Serving:
		return p.s.Paint(text, color.FgRed)
	}
	return text
}

func (p *style) verdict(v probe.Verdict, text string) string {
	switch ok, known := v.Quorum.Get(); {
	case known && !ok:
		return p.s.Paint(text, color.FgRed)
	case !known, v.Tolerates.Or(0) == 0:
		return p.s.Paint(text, color.FgYellow)
	}
	return p.s.Paint(text, color.FgGreen)
}

func (p *style) event(e event, text string) string {
	if e.Bad {
		return p.s.Paint(text, color.FgYellow)
	}
	return text
}

// pane is a part of the screen that can have the focus.
type pane int

const (
	membersPane pane = iota
	clientsPane
	pathsPane
)

// overlay is a view that covers the panes.
type overlay int

const (
	noOverlay overlay = iota
	detailsOverlay
	eventsOverlay
	helpOverlay
)

// screen is what is shown, and how.
type screen struct {
	style   style
	shown   *model // what is drawn
	members *table[*probe.Reading]
	clients *table[*client]
	paths   *table[*written]
	focus   pane
	each    bool // clients are not grouped
	parents bool // paths are
	paused  bool
	typing  bool // a filter
	overlay overlay
	scroll  int // of the overlay
}

func newScreen(s *ui.Streams) *screen {
	u := &screen{style: style{s}, focus: clientsPane}
	u.members, u.clients, u.paths = u.memberTable(), u.clientTable(), u.pathTable()
	return u
}

// frame draws the model in width columns and height rows.
func (u *screen) frame(m *model, width, height int) []string {
	u.shown = m
	width = max(width, 1)
	lines := []string{u.title(width)}
	if m.survey == nil {
		return append(lines, pad("asking the members", width, false))
	}
	u.arrange()
	sentence := escape.Line(m.verdict.Sentence)
	if n := u.waiting(); n > 0 && !m.verdict.Quorum.Known() {
		sentence = fmt.Sprintf("%d of %d members have answered so far", len(m.survey.Readings)-n, len(m.survey.Readings))
	}
	for _, line := range fold(sentence, width, 2) {
		lines = append(lines, u.style.verdict(m.verdict, line))
	}
	lines = append(lines, ui.Cut(u.totals(width), width))
	footer := ui.Cut(u.footer(), width)
	space := height - len(lines) - 1
	if u.overlay != noOverlay {
		lines = append(lines, u.covered(width, space)...)
	} else {
		lines = append(lines, u.panes(width, space)...)
	}
	for len(lines) < height-1 {
		lines = append(lines, "")
	}
	return append(lines[:max(0, height-1)], footer)
}

func (u *screen) arrange() {
	u.members.arrange(u.shown.survey.Readings)
	u.clients.arrange(u.shown.clients)
	u.paths.arrange(u.shown.paths)
}

// waiting returns how many members have not answered yet.
func (u *screen) waiting() (n int) {
	for _, r := range u.shown.survey.Readings {
		if r.State == probe.Asked {
			n++
		}
	}
	return n
}

func (u *screen) title(width int) string {
	m := u.shown
	left := "zkctl top"
	if m.survey != nil && len(m.survey.Readings) > 0 {
		first := m.survey.Readings[0]
		left += "  " + escape.Line(first.Name())
		if n := len(m.survey.Readings) - 1; n > 0 {
			left += fmt.Sprintf(" and %d more", n)
		}
	}
	right := fmt.Sprintf("every %v  %s", m.every, m.at.Format(time.TimeOnly))
	if u.paused {
		right = "PAUSED  " + m.at.Format(time.TimeOnly)
	}
	gap := width - ui.Width(left) - ui.Width(right)
	if gap < 1 {
		return u.style.head(pad(left, width, false), true)
	}
	return u.style.head(left+strings.Repeat(" ", gap)+right, true)
}

// totals returns the figures of the whole ensemble, with sparklines if there is room.
func (u *screen) totals(width int) string {
	m := u.shown
	outstanding := m.sum(func(r *probe.Reading) optInt { return r.Outstanding })
	connections := m.sum(m.connections)
	writes, reads := "writes "+rate(m.survey.Writes)+"/s", "reads "+rate(m.survey.Reads)+"/s"
	all := []string{writes, reads}
	if len(m.survey.Readings) > 1 {
		all = append(all, "lag "+whole(m.lag()))
	}
	all = append(all, "outstanding "+whole(outstanding), "connections "+whole(connections))
	if n := m.sessions(); n.Known() {
		all = append(all, "sessions "+whole(n))
	}
	plain := strings.Join(all, "  ")
	if room := (width - len(plain) - 2) / 2; room >= 8 {
		n := min(room, historyLength/2)
		all[0] += " " + m.writes.spark(n)
		all[1] += " " + m.reads.spark(n)
		return strings.Join(all, "  ")
	}
	for n := len(all) - 1; len(plain) > width && n > 0; n-- {
		plain = strings.Join(all[:n], "  ")
	}
	return plain
}

// panes draws the events and the tables.
func (u *screen) panes(width, height int) (lines []string) {
	m := u.shown
	news := 0
	switch {
	case height >= 30:
		news = 4
	case height >= 18:
		news = 2
	case height >= 10:
		news = 1
	}
	lines = append(lines, u.news(width, news)...)
	lines = append(lines, "")
	left := height - len(lines)
	tables := 2
	if m.logged {
		tables = 3
	}
	members := min(len(m.survey.Readings)+1, max(2, left/tables))
	lines = append(lines, u.members.lines(width, members, u.focus == membersPane, &u.style)...)
	lines = append(lines, "")
	left = height - len(lines)
	clients := left
	if m.logged {
		clients = left / 2
	}
	lines = append(lines, u.clientPane(width, clients)...)
	if m.logged {
		lines = append(lines, "")
		lines = append(lines, u.pathPane(width, height-len(lines))...)
	}
	return lines
}

func (u *screen) clientPane(width, height int) (lines []string) {
	if text := u.shown.blind(); text != "" {
		lines = append(lines, fold(escape.Line(text), width, 3)...)
	}
	if behind := u.shown.behind(); behind > 0 {
		lines = append(lines, ui.Cut(fmt.Sprintf("clients as of %v ago: listing them takes long", behind.Round(time.Second)), width))
	}
	return append(lines, u.clients.lines(width, height-len(lines), u.focus == clientsPane, &u.style)...)
}

func (u *screen) pathPane(width, height int) (lines []string) {
	if err := u.shown.pathsErr; err != nil {
		lines = append(lines, fold(escape.Line(err.Error()), width, 2)...)
	}
	return append(lines, u.paths.lines(width, height-len(lines), u.focus == pathsPane, &u.style)...)
}

// news returns the last events and the members' problems.
func (u *screen) news(width, n int) (lines []string) {
	events := u.shown.events
	for i := len(events) - 1; i >= 0 && len(lines) < n; i-- {
		lines = append(lines, u.style.event(events[i], ui.Cut(events[i].line(), width)))
	}
	return lines
}

// covered draws what covers the panes; it cuts no text.
func (u *screen) covered(width, height int) []string {
	var all []string
	add := func(line string) { all = append(all, hung(line, width, beside(line))...) }
	switch u.overlay {
	case helpOverlay:
		for _, line := range help() {
			add(line)
		}
	case eventsOverlay:
		for i := len(u.shown.events) - 1; i >= 0; i-- {
			e := u.shown.events[i]
			for _, row := range hung(e.line(), width, len(time.TimeOnly)+1) {
				all = append(all, u.style.event(e, row))
			}
		}
		if all == nil {
			add("nothing has happened since " + u.shown.began.Format(time.TimeOnly))
		}
		add("")
		for _, problem := range u.shown.verdict.Problems {
			add(escape.Line(problem))
		}
	default:
		for _, line := range u.details() {
			add(escape.Line(line))
		}
		if all == nil {
			add("it is gone")
		}
	}
	u.scroll = max(0, min(u.scroll, len(all)-height+1))
	return append([]string{""}, all[u.scroll:min(len(all), u.scroll+max(0, height-1))]...)
}

// hung breaks a line into rows, the later ones indented by so many columns.
func hung(line string, width, by int) []string {
	rows := strings.Split(ui.Hang(line, width, by), "\n")
	for i := range rows {
		rows[i] = ui.Cut(rows[i], width)
	}
	return rows
}

// beside returns the column of a line's text, which two spaces part from its label.
func beside(line string) int {
	inner := strings.TrimLeft(line, " ")
	if _, text, labelled := strings.Cut(inner, "  "); labelled {
		inner = strings.TrimLeft(text, " ")
	}
	return len(line) - len(inner)
}

func (u *screen) footer() string {
	filter := *u.filter()
	switch {
	case u.typing:
		return "/" + filter + "_  Enter keep  Esc drop"
	case u.overlay != noOverlay:
		return "Esc back  up/down scroll  q quit"
	}
	text := "q quit  ? help  / filter  < > sort  Enter details  Space pause  Tab pane  g group  r reverse  e events"
	if filter != "" {
		text = "filter: " + filter + "  " + text
	}
	return text
}

// filter returns the filter of the pane that has the focus.
func (u *screen) filter() *string {
	switch u.focus {
	case membersPane:
		return &u.members.filter
	case pathsPane:
		return &u.paths.filter
	}
	return &u.clients.filter
}

// fold breaks a sentence into at most n lines.
func fold(text string, width, n int) []string {
	lines := strings.Split(strings.TrimRight(ui.Fold(text, width), "\n"), "\n")
	if len(lines) > n {
		lines = append(lines[:n-1], ui.Cut(strings.Join(lines[n-1:], " "), width))
	}
	for i := range lines {
		lines[i] = ui.Cut(lines[i], width)
	}
	return lines
}
