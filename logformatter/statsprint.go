package logformatter

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/mattn/go-runewidth"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/survey"
	"github.com/zkctl/zkctl/internal/ui"
)

// rateRows is the maximum number of rows in the rate chart.
const rateRows = 24

func now() time.Time { return time.Now() }

// sortedTypes returns the types that occur, most frequent first.
func (s *stats) sortedTypes() []proto.Op {
	ops := make([]proto.Op, 0, len(s.types))
	for op := range s.types {
		ops = append(ops, op)
	}
	slices.SortFunc(ops, func(a, b proto.Op) int {
		x, y := s.types[a], s.types[b]
		if d := cmp.Compare(y.txns, x.txns); d != 0 {
			return d
		}
		if d := cmp.Compare(y.parts, x.parts); d != 0 {
			return d
		}
		return cmp.Compare(a, b)
	})
	return ops
}

func (s *stats) print(o *statsOptions) error {
	out := &strings.Builder{}
	width := o.Streams.Width
	if width <= 0 {
		width = 80
	}
	s.printSummary(out)
	if s.all.txns > 0 {
		s.printTypes(out)
		top, rest, keys := s.topPaths(o.Top)
		printRanking(out, "path", width, top, rest, keys, func(p string) string { return p })
		sessions, rest, keys := s.topSessions(o.Top)
		printRanking(out, "session", width, sessions, rest, keys, func(id int64) string { return fmt.Sprintf("%#x", uint64(id)) })
		s.printRate(out, min(width, 100))
	}
	_, err := o.Streams.Out.Write([]byte(out.String()))
	return err
}

func (s *stats) printSummary(out *strings.Builder) {
	fmt.Fprintf(out, "%s in %s of %s\n", command.Counted(int(s.all.txns), "transaction"), command.Counted(s.files, "log"), ui.Bytes(s.size))
	if s.all.txns == 0 {
		return
	}
	fmt.Fprintf(out, "zxid  %#x to %#x\n", uint64(s.firstZxid), uint64(s.lastZxid))
	fmt.Fprintf(out, "time  %s\n  to  %s (%s)\n", ui.Time(s.firstTime), ui.Time(s.lastTime),
		(time.Duration(s.lastTime-s.firstTime) * time.Millisecond).Round(time.Second))
	fmt.Fprintf(out, "size  %d to %d bytes, %d on average, %s in all\n", s.least, s.most, s.average(), ui.Bytes(s.all.bytes))
	fmt.Fprintf(out, "      the largest is zxid %#x, %s %s\n", uint64(s.largest.zxid), s.largest.op, escape.Line(s.largest.path))
	if s.damaged > 0 {
		fmt.Fprintf(out, "      %s with a wrong checksum (see which: zkctl txnlog verify)\n", command.Counted(int(s.damaged), "transaction"))
	}
}

func newTable(out *strings.Builder, columns ...string) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	t.SetStyle(style)
	head := table.Row{}
	var configs []table.ColumnConfig
	for i, name := range columns {
		head = append(head, name)
		if i > 0 {
			configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.AppendHeader(head)
	t.SetColumnConfigs(configs)
	t.SuppressTrailingSpaces()
	return t
}

func (s *stats) printTypes(out *strings.Builder) {
	out.WriteByte('\n')
	t := newTable(out, "type", "txns", "%", "bytes", "in multi")
	for _, op := range s.sortedTypes() {
		c := s.types[op]
		parts := ""
		if c.parts > 0 {
			parts = fmt.Sprint(c.parts)
		}
		t.AppendRow(table.Row{op.String(), c.txns, percent(c.txns, s.all.txns), ui.Bytes(c.bytes), parts})
	}
	t.Render()
}

func printRanking[K comparable](out *strings.Builder, what string, width int, top []ranking[K], rest count, keys int, name func(K) string) {
	if len(top) == 0 {
		return
	}
	out.WriteByte('\n')
	var all count
	for _, c := range top {
		all.txns += c.txns
		all.bytes += c.bytes
	}
	all.txns += rest.txns
	t := newTable(out, what, "txns", "%", "bytes")
	room := max(10, width-32)
	for _, c := range top {
		t.AppendRow(table.Row{runewidth.Truncate(escape.Line(name(c.key)), room, "…"), c.txns, percent(c.txns, all.txns), ui.Bytes(c.bytes)})
	}
	if rest.txns > 0 {
		others := fmt.Sprintf("others (%d)", keys-len(top))
		if keys >= tallyLimit {
			others = "others"
		}
		t.AppendRow(table.Row{others, rest.txns, percent(rest.txns, all.txns), ui.Bytes(rest.bytes)})
	}
	t.Render()
}

// eighths are the possible ends of a bar.
var eighths = []string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}

// printRate draws one bar per interval.
func (s *stats) printRate(out *strings.Builder, width int) {
	rows, span := s.rate.Rows(rateRows)
	if len(rows) == 0 {
		return
	}
	var most int64
	axis := 0 // columns of its longest time: an offset of zero is a single Z
	for _, r := range rows {
		most = max(most, r.Value)
		axis = max(axis, len(ui.TimeSeconds(r.Start)))
	}
	digits := len(fmt.Sprint(most))
	room := max(8, width-axis-digits-4)
	fmt.Fprintf(out, "\ntransactions per %s\n", survey.Interval(span))
	for _, r := range rows {
		eighth := r.Value * int64(room) * 8 / most
		if r.Value > 0 {
			eighth = max(eighth, 1)
		}
		bar := strings.Repeat("█", int(eighth/8)) + eighths[eighth%8]
		line := fmt.Sprintf("%-*s  %*d  %s", axis, ui.TimeSeconds(r.Start), digits, r.Value, bar)
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
}

func percent(n, of int64) string {
	if of == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", 100*float64(n)/float64(of))
}
