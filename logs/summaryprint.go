package logs

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/logs/internal/catalogue"
	"github.com/zkctl/zkctl/logs/internal/format"
)

// summary is a tally with what only the whole has.
type summary struct {
	*tally
	logs int
}

// phraseCount is a phrase that occurs.
type phraseCount struct {
	*catalogue.Phrase
	*count
}

// counted returns the phrases that occur: problems first, then notable ones, each most frequent first.
func (s *summary) counted() []phraseCount {
	var list []phraseCount
	for i := range s.phrases {
		if s.phrases[i].n > 0 {
			list = append(list, phraseCount{catalogue.Load().Phrases[i], &s.phrases[i]})
		}
	}
	slices.SortStableFunc(list, func(a, b phraseCount) int {
		if d := cmp.Compare(b.Rank, a.Rank); d != 0 {
			return d
		}
		return cmp.Compare(b.n, a.n)
	})
	return list
}

func (s *summary) print(o *summaryOptions) error {
	out := &strings.Builder{}
	width := o.streams.Width
	s.printHead(out, o)
	list := s.counted()
	problems := 0
	for _, p := range list {
		if p.Rank != catalogue.Problem {
			continue
		}
		if problems++; problems == 1 {
			out.WriteString("\nWhat stands out (zkctl log explain NAME says what to do)\n")
		}
		fmt.Fprintln(out, o.streams.Hang(fmt.Sprintf("  %s, %s: %s", p.Name, times(p.n), p.span()), 4))
		fmt.Fprintln(out, ui.Fold("    "+p.Means, width))
		place := fmt.Sprintf("    %s:%d: ", escape.Line(p.file), p.line)
		room := width - runewidth.StringWidth(place)
		if room < leastText*2 { // below a long name
			place, room = strings.TrimRight(place, " ")+"\n      ", width-6
		}
		fmt.Fprintln(out, place+clip(p.sample, max(room, leastText)))
	}
	rows := [][]string{{"count", "phrase", "kind", "first", "last"}}
	for _, p := range list {
		rows = append(rows, append([]string{command.Thousands(int(p.n)), p.Name, p.Kind}, p.times()...))
	}
	if len(rows) > 1 {
		out.WriteString("\nPhrases\n")
		out.WriteString(ui.Table(ui.FitTable(rows, width, "last", "kind", "first"), "count"))
	}
	s.printGroups(out, "Exceptions by cause", ranked(s.causes), o.top, width)
	s.printGroups(out, "Not known, by shape", ranked(s.unknown), o.top, width)
	if s.others.n > 0 {
		fmt.Fprintf(out, "and %s more of other shapes\n", command.Counted(int(s.others.n), "event"))
	}
	_, err := io.WriteString(o.streams.Out, out.String())
	return err
}

func (s *summary) printHead(out *strings.Builder, o *summaryOptions) {
	line := func(hang int, format string, a ...any) {
		fmt.Fprintln(out, o.streams.Hang(fmt.Sprintf(format, a...), hang))
	}
	head := command.Counted(s.logs, "log")
	if s.files != int64(s.logs) {
		head += " in " + command.Counted(int(s.files), "file")
	}
	line(2, "%s, %s: %s in %s", head, ui.Bytes(s.bytes), command.Counted(int(s.all.n), "event"), command.Counted(int(s.lines), "line"))
	if s.all.timed {
		fmt.Fprintf(out, "from %s\n  to %s (%s)\n", ui.Time(s.all.first), ui.Time(s.all.last), ui.Duration(s.all.last-s.all.first))
	}
	var parts []string
	for _, m := range ranked(s.members) {
		parts = append(parts, fmt.Sprintf("%s (%s)", escape.Line(m.key), command.Counted(int(m.n), "event")))
	}
	slices.Sort(parts)
	if len(parts) > 0 {
		line(9, "members  %s", strings.Join(parts, ", "))
	}
	parts = nil
	for l, n := range s.levels {
		if n > 0 {
			name := format.Level(l).String()
			if name == "" {
				name = "none"
			}
			parts = append(parts, name+" "+command.Thousands(int(n)))
		}
	}
	slices.Reverse(parts)
	if len(parts) > 0 {
		line(9, "levels   %s", strings.Join(parts, ", "))
	}
	if s.unclear > 0 {
		line(2, "%s without a time: the date can be read in several ways (--dates says how to read it), or does not exist", command.Counted(int(s.unclear), "event"))
	}
	if s.back > 0 {
		line(2, "time goes back %s, first at %s:%d, by %s: the clock was set, or several logs were put into one", times(s.back), escape.Line(s.backAt.file), s.backAt.line, ui.Duration(s.backAt.last-s.backAt.first))
	}
	if s.cut > 0 {
		fmt.Fprintf(out, "%s of overlong events are left out\n", ui.Bytes(s.cut))
	}
	if s.all.n > 0 && s.headed == 0 {
		out.WriteString("no line has a layout that is known\n")
	}
}

func (s *summary) printGroups(out *strings.Builder, title string, list []keyed, top, width int) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(out, "\n%s\n", title)
	rows := [][]string{{"count", "message", "first", "last"}}
	for _, k := range list[:min(len(list), top)] {
		rows = append(rows, append([]string{command.Thousands(int(k.n)), escape.Line(k.key)}, k.times()...))
	}
	out.WriteString(ui.Table(ui.ShrinkTable(rows, width, "message", "last", "first"), "count"))
	if more := len(list) - top; more > 0 {
		fmt.Fprintf(out, "and %d more (--top %d shows all)\n", more, len(list))
	}
}

// clip escapes text and shortens it to so many columns.
func clip(text string, columns int) string {
	return runewidth.Truncate(escape.Line(text), columns, "…")
}

// times is "once", "7 times".
func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return command.Thousands(int(n)) + " times"
}

func (c *count) times() []string {
	if !c.timed {
		return []string{"", ""}
	}
	return []string{ui.Time(c.first), ui.Time(c.last)}
}

func (c *count) span() string {
	switch {
	case !c.timed:
		return "at an unknown time"
	case c.first == c.last:
		return ui.Time(c.first)
	}
	return ui.Time(c.first) + " to " + ui.Time(c.last)
}

// printJSON prints an object a line: one of type summary, then phrase, exception and unknown.
func (s *summary) printJSON(o *summaryOptions) error {
	var out []byte
	b := object{b: []byte{'{'}}
	b.text("type", "summary")
	b.int("logs", int64(s.logs))
	b.int("files", s.files)
	b.int("bytes", s.bytes)
	b.int("lines", s.lines)
	b.int("events", s.all.n)
	b.span(&s.all)
	b.key("levels")
	b.b = append(b.b, '{')
	for l, n := range s.levels {
		if name := format.Level(l).String(); n > 0 && name != "" {
			b.int(name, n)
		}
	}
	b.b = append(b.b, '}')
	b.key("members")
	b.b = append(b.b, '{')
	for _, m := range ranked(s.members) {
		b.int(m.key, m.n)
	}
	b.b = append(b.b, '}')
	b.int("unclearDates", s.unclear)
	b.int("cutBytes", s.cut)
	b.int("backwards", s.back)
	out = append(append(out, b.b...), "}\n"...)
	for _, p := range s.counted() {
		b := object{b: []byte{'{'}}
		b.text("type", "phrase")
		b.text("phrase", p.Name)
		b.text("kind", p.Kind)
		b.text("rank", p.Rank.String())
		b.counted(p.count)
		out = append(append(out, b.b...), "}\n"...)
	}
	for _, group := range []struct {
		name, key string
		counts    map[string]*count
	}{{"exception", "cause", s.causes}, {"unknown", "shape", s.unknown}} {
		for i, k := range ranked(group.counts) {
			if i == o.top {
				break
			}
			b := object{b: []byte{'{'}}
			b.text("type", group.name)
			b.text(group.key, k.key)
			b.counted(k.count)
			out = append(append(out, b.b...), "}\n"...)
		}
	}
	_, err := o.streams.Out.Write(out)
	return err
}

func (o *object) span(c *count) {
	if c.timed {
		o.int("first", c.first)
		o.int("last", c.last)
	}
}

func (o *object) counted(c *count) {
	o.int("count", c.n)
	o.span(c)
	o.text("file", c.file)
	o.int("line", c.line)
	o.text("sample", c.sample)
}
