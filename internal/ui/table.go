package ui

import (
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Table is rows of cells in columns, without rules; the first row is the head. Columns whose head is in right are aligned
// there. The head is printed in capitals.
func Table(rows [][]string, right ...string) string {
	return render(rows, text.FormatUpper, right)
}

func render(rows [][]string, head text.Format, right []string) string {
	tw := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = head
	tw.SetStyle(style)
	var configs []table.ColumnConfig
	for i, name := range rows[0] {
		if slices.Contains(right, name) {
			configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	tw.SetColumnConfigs(configs)
	for i, cells := range rows {
		var row table.Row
		for _, cell := range cells {
			row = append(row, cell)
		}
		if i == 0 {
			tw.AppendHeader(row)
		} else {
			tw.AppendRow(row)
		}
	}
	out := &strings.Builder{}
	for line := range strings.Lines(tw.Render()) {
		out.WriteString(strings.TrimRight(line, " \n"))
		out.WriteByte('\n')
	}
	return out.String()
}

// FitTable leaves out columns, those named first before the others, until the table is no wider than width.
func FitTable(rows [][]string, width int, dispensable ...string) [][]string {
	return ShrinkTable(rows, width, "", dispensable...)
}

const (
	// wantedCell is the width, in columns, below which another column is left out before cells are shortened further.
	wantedCell = 18
	// leastCell is the width that cells which are shortened keep.
	leastCell = 8
)

// ShrinkTable shortens the cells of the column named elastic, and leaves out the dispensable columns, those named first
// before the others, of which it needs to: until the table is no wider than width.
func ShrinkTable(rows [][]string, width int, elastic string, dispensable ...string) [][]string {
	for {
		room, widest := width, 0 // for the elastic column
		for i, name := range rows[0] {
			most := 0
			for _, row := range rows {
				if i < len(row) {
					most = max(most, columns(row[i]))
				}
			}
			if i > 0 {
				room -= 2
			}
			if name == elastic {
				widest = most
			} else {
				room -= most
			}
		}
		if room >= min(widest, wantedCell) || len(dispensable) == 0 {
			return shorten(rows, slices.Index(rows[0], elastic), max(room, leastCell))
		}
		if at := slices.Index(rows[0], dispensable[0]); at >= 0 {
			rows = without(rows, at)
		}
		dispensable = dispensable[1:]
	}
}

// without returns the rows without a column.
func without(rows [][]string, at int) [][]string {
	kept := make([][]string, len(rows))
	for i, row := range rows {
		if kept[i] = row; at < len(row) {
			kept[i] = slices.Delete(slices.Clone(row), at, at+1)
		}
	}
	return kept
}

// shorten returns the rows with no cell of a column wider than most.
func shorten(rows [][]string, at, most int) [][]string {
	for i, row := range rows {
		if at >= 0 && at < len(row) && columns(row[at]) > most {
			rows[i] = slices.Clone(row)
			rows[i][at] = Cut(row[at], most)
		}
	}
	return rows
}

// StackTable is a Table, or several below each other if it is wider than width: each has the first column and as many of the
// others as fit, but one at least. The head is printed as it is.
func StackTable(rows [][]string, width int, right ...string) string {
	var tables []string
	for from, to := 1, 0; from < len(rows[0]); from = to {
		part := func(to int) [][]string {
			var part [][]string
			for _, row := range rows {
				part = append(part, append([]string{row[0]}, row[from:to]...))
			}
			return part
		}
		to = from + 1
		table := render(part(to), text.FormatDefault, right)
		if text.LongestLineLen(table) > width { // a long value would push the short ones to its own end
			table = render(part(to), text.FormatDefault, nil)
		}
		for ; to < len(rows[0]); to++ {
			wider := render(part(to+1), text.FormatDefault, right)
			if text.LongestLineLen(wider) > width {
				break
			}
			table = wider
		}
		tables = append(tables, table)
	}
	return strings.Join(tables, "\n")
}
