package logs

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/fatih/color"
	"github.com/mattn/go-runewidth"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/logs/internal/catalogue"
)

const (
	mostShown = 300 // lines of the timeline, and znodes
	mostNamed = 50
)

// print prints the timeline and the verdict.
func (t *tracer) print(v *verdict) error {
	t.shorten()
	var out bytes.Buffer
	if t.o.json() {
		t.printJSON(&out, v)
	} else {
		t.printText(&out, v)
	}
	_, err := t.o.streams.Out.Write(out.Bytes())
	return err
}

// shorten names the sources: servers by their id, if it is theirs alone.
func (t *tracer) shorten() {
	shorten(t.sources.logs)
	for _, w := range t.witnesses {
		if !w.server {
			w.short = w.label
		}
	}
}

func (t *tracer) printText(out *bytes.Buffer, v *verdict) {
	t.printLives(out)
	fmt.Fprintf(out, "session %s", t.hex)
	if v.timeout > 0 {
		fmt.Fprintf(out, ", timeout %s", ui.Duration(v.timeout))
	}
	out.WriteByte('\n')
	if len(t.witnesses) > 1 {
		for _, w := range t.witnesses {
			fmt.Fprintln(out, t.o.streams.Hang(w.clockText(), 2))
		}
	}
	out.WriteByte('\n')
	t.printTimeline(out)
	t.printVerdict(out, v)
}

// printLives lists the lives of the znode that --path names.
func (t *tracer) printLives(out *bytes.Buffer) {
	if t.o.path == "" {
		return
	}
	rows := [][]string{{"session", "made", "removed", "how"}}
	for _, l := range t.lives[max(0, len(t.lives)-mostNamed):] {
		row := []string{proto.Hex(l.session), "before", "", "it lives"}
		if l.made > 0 {
			row[1] = ui.Time(l.made)
		}
		if l.gone > 0 {
			row[2], row[3] = ui.Time(l.gone), "with its session"
			switch {
			case l.by == l.session:
				row[3] = "by its own session"
			case l.by != 0:
				row[3] = "by session " + proto.Hex(l.by)
			}
		}
		rows = append(rows, row)
	}
	fmt.Fprintf(out, "znode %s, made %s\n", escape.Line(t.o.path), times(int64(len(t.lives))))
	out.WriteString(ui.Table(ui.ShrinkTable(rows, t.o.streams.Width, "how", "made")))
	out.WriteByte('\n')
}

func (t *tracer) printTimeline(out *bytes.Buffer) {
	list := t.shown()
	var named []*source
	for _, m := range list {
		named = append(named, m.from.source)
	}
	width := t.o.labelWidth(named)
	for i, m := range list {
		if len(list) > mostShown && i == mostShown/2 {
			fmt.Fprintf(out, "%s  … %s more (-o json prints all)\n", noTime(), command.Thousands(len(list)-mostShown))
		}
		if len(list) > mostShown && i >= mostShown/2 && i < len(list)-mostShown/2 {
			continue
		}
		at := noTime()
		if m.timed {
			at = ui.Time(m.at())
		}
		mark := " "
		switch {
		case m.own && m.rank == catalogue.Problem:
			mark = "!"
		case !m.own:
			mark = "~"
		}
		room := max(t.o.streams.Width-len(at)-width-5, leastText)
		text := clip(strings.ReplaceAll(m.text, "\t", " "), room)
		if m.own {
			text = ui.Fold(escape.Line(strings.ReplaceAll(m.text, "\t", " ")), room)
		}
		if m.cause != "" && !strings.Contains(m.text, m.cause) {
			text += "\n" + clip(m.cause, room)
		}
		line := fmt.Sprintf("%s  %s %s %s", at, runewidth.FillRight(clip(m.from.short, width), width), mark,
			strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", len(at)+width+5)))
		if mark == "!" {
			line = t.o.streams.Paint(line, color.FgRed)
		}
		out.WriteString(line + "\n")
		if m.again > 0 {
			fmt.Fprintf(out, "%s  … %s more\n", strings.Repeat(" ", len(at)+2+width+2), times(int64(m.again)))
		}
	}
	if len(list) > 0 {
		out.WriteByte('\n')
	}
}

// shown is the timeline, in which what a source repeats is counted.
func (t *tracer) shown() (list []*moment) {
	for _, m := range t.moments {
		m.again = 0
		if n := len(list); n > 0 && m.name != "" && !m.own && list[n-1].name == m.name && list[n-1].from == m.from && !list[n-1].own {
			list[n-1].again++
			continue
		}
		list = append(list, m)
	}
	return list
}

func (t *tracer) printVerdict(out *bytes.Buffer, v *verdict) {
	width := t.o.streams.Width
	title := v.title()
	if !v.undetermined() {
		title += " (" + v.confidence + ")"
	}
	out.WriteString(ui.Hang("verdict  "+title, width, 9) + "\n")
	section := func(name string) { fmt.Fprintf(out, "  %s\n", name) }
	if len(v.because)+len(v.notes) > 0 {
		section("because")
	}
	for _, m := range v.because {
		out.WriteString("    " + clip(fmt.Sprintf("%s  %s", m.place(), strings.ReplaceAll(m.text, "\t", " ")), max(width-4, leastText)) + "\n")
	}
	for _, note := range v.notes {
		out.WriteString(ui.Fold("    "+escape.Line(note), width) + "\n")
	}
	if len(v.decides) > 0 {
		section("what would decide it")
		for _, d := range v.decides {
			out.WriteString(ui.Fold("    "+d, width) + "\n")
		}
	}
	if v.saved > 0 {
		out.WriteString(ui.Hang(fmt.Sprintf("  saved by a reconnect until %s, %s after the connection was lost", ui.Time(v.endedAt), ui.Duration(v.saved)), width, 4) + "\n")
	}
	switch {
	case len(v.gone) > 0:
		section(command.Counted(len(v.gone), "ephemeral znode") + " went with it")
		for i, path := range v.gone {
			if i == mostNamed {
				fmt.Fprintf(out, "    and %s more (-o json lists them)\n", command.Thousands(len(v.gone)-i))
				break
			}
			fmt.Fprintf(out, "    %s\n", escape.Line(path))
		}
	case v.goneKnown:
		section("no ephemeral znode went with it")
	}
}

// undetermined reports whether the verdict is unknown between some candidates.
func (v *verdict) undetermined() bool { return v.name == unknownEnd && len(v.candidates) > 0 }

func (v *verdict) title() string {
	if v.undetermined() {
		return "unknown: " + options(v.candidates)
	}
	return titles[v.name]
}

// options is "a; b, or c", of verdicts.
func options(names []string) string {
	var b strings.Builder
	for i, name := range names {
		switch {
		case i > 0 && i == len(names)-1:
			b.WriteString(", or ")
		case i > 0:
			b.WriteString("; ")
		}
		b.WriteString(titles[name])
	}
	return b.String()
}

// place is where a moment stands: a line of a file, or a transaction.
func (m *moment) place() string {
	if m.txn != nil {
		return "txnlog"
	}
	return fmt.Sprintf("%s:%d", escape.Line(m.from.label), m.line)
}

func (t *tracer) printJSON(out *bytes.Buffer, v *verdict) {
	for _, l := range t.lives {
		b := object{b: []byte{'{'}}
		b.text("type", "life")
		b.text("znode", l.path)
		b.text("session", proto.Hex(l.session))
		if l.made > 0 {
			b.int("made", l.made)
		}
		if l.gone > 0 {
			b.int("removed", l.gone)
		}
		if l.by != 0 {
			b.text("by", proto.Hex(l.by))
		}
		b.text("source", l.source)
		out.Write(append(b.b, "}\n"...))
	}
	for _, w := range t.witnesses {
		out.Write(append(w.clockJSON(), '\n'))
	}
	for _, m := range t.moments {
		out.Write(append(m.json(), '\n'))
	}
	out.Write(append(t.verdictJSON(v), '\n'))
}

func (m *moment) json() []byte {
	b := object{b: []byte{'{'}}
	kind := "context"
	if m.own {
		kind = "session"
	}
	b.text("type", kind)
	if m.timed {
		b.int("time", m.raw)
		if m.from.correction() != 0 {
			b.int("corrected", m.at())
		}
	}
	b.text("file", m.file)
	if m.line > 0 {
		b.int("line", m.line)
	}
	b.text("member", m.from.member)
	b.text("level", m.level.String())
	b.text("class", m.class)
	b.text("text", m.text)
	b.text("cause", m.cause)
	if m.txn != nil {
		b.text("zxid", proto.Hex(m.txn.zxid))
		b.int("cxid", int64(m.txn.cxid))
		b.text("op", m.txn.op.String())
		b.text("znode", m.txn.path)
	} else {
		b.text("phrase", m.name)
	}
	return append(b.b, '}')
}

func (t *tracer) verdictJSON(v *verdict) []byte {
	b := object{b: []byte{'{'}}
	b.text("type", "verdict")
	b.text("session", t.hex)
	b.text("verdict", v.name)
	b.text("end", v.end)
	b.text("confidence", v.confidence)
	b.text("text", v.title())
	b.strings("candidates", v.candidates)
	if v.endedAt > 0 {
		b.int("ended", v.endedAt)
	}
	if v.timeout > 0 {
		b.int("timeout", v.timeout)
	}
	if v.asked > 0 {
		b.int("asked", v.asked)
	}
	if v.saved > 0 {
		b.int("lost", v.lostAt)
		b.int("savedWithin", v.saved)
	}
	var because []string
	for _, m := range v.because {
		because = append(because, m.place())
	}
	b.strings("because", because)
	b.strings("notes", v.notes)
	b.strings("decides", v.decides)
	if v.goneKnown {
		b.strings("ephemerals", v.gone)
	}
	return append(b.b, '}')
}
