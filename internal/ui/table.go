package ui

import (
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Table is rows of cells in columns, without rules; the first row is the head. Columns whose head is in right are aligned
// there.
func Table(rows [][]string, right ...string) string {
	tw := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	tw.SetStyle(style)
	var configs []table.ColumnConfig
	for i, head := range rows[0] {
		if slices.Contains(right, head) {
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
	for _, name := range dispensable {
		if text.LongestLineLen(Table(rows)) <= width {
			break
		}
		at := slices.Index(rows[0], name)
		for i, row := range rows {
			if at >= 0 && at < len(row) {
				rows[i] = slices.Delete(slices.Clone(row), at, at+1)
			}
		}
	}
	return rows
}
