package shell

import (
	"fmt"
	"strings"

	"github.com/mattn/go-runewidth"
)

// menu is the list below the line.
type menu struct {
	rows     []menuRow
	selected int // -1 for none
	anchor   int // index into text of the word that the rows replace
	more     string
}

type menuRow struct{ label, help string }

// menuHeight is the maximum number of rows of a menu.
const menuHeight = 8

// visible returns which of n rows a menu of this height shows around the selected one.
func visible(n, selected, height int) (from, to int) {
	if height >= n {
		return 0, n
	}
	from = min(max(0, selected-height/2), n-height)
	return from, from + height
}

func (s *screen) menuRows(v view, l layout, space int) []string {
	m := v.menu
	if m == nil || len(m.rows) == 0 || s.width < 8 {
		return nil
	}
	height := min(menuHeight, space)
	footer := m.more
	if len(m.rows) > height && footer == "" {
		footer = fmt.Sprintf("%d in total", len(m.rows))
	}
	if footer != "" {
		height = min(height, space-1)
	}
	if height < 1 {
		return nil
	}
	from, to := visible(len(m.rows), m.selected, height)
	labelWidth, helpWidth := 0, 0
	for _, r := range m.rows[from:to] {
		labelWidth = max(labelWidth, runewidth.StringWidth(r.label))
		helpWidth = max(helpWidth, runewidth.StringWidth(r.help))
	}
	room := s.width - 1 // the last column stays free, so that no row wraps
	labelWidth = min(labelWidth, room-2)
	if helpWidth = min(helpWidth, room-labelWidth-5); helpWidth < 8 {
		helpWidth = 0
	}
	total := labelWidth + 2
	if helpWidth > 0 {
		total += helpWidth + 2
	}
	indent := strings.Repeat(" ", max(0, min(l.anchorCol-1, room-total)))
	var rows []string
	for i, r := range m.rows[from:to] {
		label := " " + fit(r.label, labelWidth) + " "
		help := ""
		if helpWidth > 0 {
			help = " " + fit(r.help, helpWidth) + " "
		}
		rows = append(rows, indent+s.menuRow(label, help, from+i == m.selected))
	}
	if footer != "" {
		rows = append(rows, indent+s.styled(" "+runewidth.Truncate(footer, max(1, room-len(indent)-1), "…"), "2"))
	}
	return rows
}

func (s *screen) menuRow(label, help string, selected bool) string {
	switch {
	case selected && s.color:
		return s.styled(label, "1;7") + s.styled(help, "7")
	case selected:
		return ">" + label[1:] + help
	case s.color:
		return s.styled(label, "36") + s.styled(help, "2")
	}
	return label + help
}

func (s *screen) styled(text, style string) string {
	if !s.color || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// fit truncates or pads text to the width.
func fit(text string, width int) string {
	return runewidth.FillRight(runewidth.Truncate(text, width, "…"), width)
}
