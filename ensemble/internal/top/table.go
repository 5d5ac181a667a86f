package top

import (
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

// column is a column of a table.
type column[T any] struct {
	head  string
	right bool
	least int // width in terminal columns; more if a cell is wider, up to most
	most  int
	keep  int // columns with the smallest are left out first
	cell  func(T) string
	order func(a, b T) int // nil if the table cannot be sorted by it
	down  bool             // the largest first, unless reversed
	paint func(T, string) string
}

// table shows rows in columns, sorted by one of them, filtered, with one row selected.
type table[T any] struct {
	columns  []column[T]
	key      func(T) string // identifies a row from one frame to the next
	text     func(T) string // what the filter matches
	sort     int            // index into columns
	reversed bool
	filter   string
	selected string // key
	offset   int    // rows scrolled out of view
	at       int    // index of the selected row in the last frame
	rows     []T    // of the last frame
}

// arrange filters and sorts rows, and keeps the selection.
func (t *table[T]) arrange(rows []T) {
	if t.filter != "" {
		want := strings.ToLower(t.filter)
		rows = slices.DeleteFunc(slices.Clone(rows), func(r T) bool { return !strings.Contains(strings.ToLower(t.text(r)), want) })
	} else {
		rows = slices.Clone(rows)
	}
	c := t.columns[t.sort]
	slices.SortStableFunc(rows, func(a, b T) int {
		n := c.order(a, b)
		if c.down != t.reversed {
			n = -n
		}
		if n == 0 {
			n = strings.Compare(t.key(a), t.key(b))
		}
		return n
	})
	t.rows = rows
	if i := slices.IndexFunc(rows, func(r T) bool { return t.key(r) == t.selected }); i >= 0 {
		t.at = i
	}
	t.at = max(0, min(t.at, len(rows)-1))
	if t.selected != "" && len(rows) > 0 {
		t.selected = t.key(rows[t.at])
	}
}

// current returns the selected row.
func (t *table[T]) current() (row T, ok bool) {
	if len(t.rows) == 0 {
		return row, false
	}
	return t.rows[t.at], true
}

// move selects another row.
func (t *table[T]) move(by int) {
	if len(t.rows) > 0 {
		t.at = max(0, min(t.at+by, len(t.rows)-1))
		t.selected = t.key(t.rows[t.at])
	}
}

// sortBy sorts by another visible column.
func (t *table[T]) sortBy(step int) {
	for i := (t.sort + step + len(t.columns)) % len(t.columns); i != t.sort; i = (i + step + len(t.columns)) % len(t.columns) {
		if t.columns[i].order != nil {
			t.sort, t.reversed = i, false
			return
		}
	}
}

// lines draws the head and at most height-1 rows.
func (t *table[T]) lines(width, height int, focused bool, style *style) []string {
	if height < 1 {
		return nil
	}
	shown := max(0, height-1)
	t.offset = max(0, min(t.offset, len(t.rows)-shown))
	if t.at < t.offset {
		t.offset = t.at
	} else if shown > 0 && t.at >= t.offset+shown {
		t.offset = t.at - shown + 1
	}
	visible := t.rows[t.offset:min(len(t.rows), t.offset+shown)]
	cells := make([][]string, len(visible))
	for i, r := range visible {
		for _, c := range t.columns {
			cells[i] = append(cells[i], escape.Line(c.cell(r)))
		}
	}
	widths := t.fit(width, cells)
	var head []string
	for i, c := range t.columns {
		if widths[i] > 0 {
			head = append(head, pad(t.title(i), widths[i], c.right))
		}
	}
	lines := []string{style.head(pad(" "+strings.Join(head, "  "), width, false), focused)}
	for n, r := range visible {
		chosen := focused && t.offset+n == t.at
		var parts []string
		for i, c := range t.columns {
			if widths[i] == 0 {
				continue
			}
			part := pad(cells[n][i], widths[i], c.right)
			if c.paint != nil && !chosen {
				part = c.paint(r, part)
			}
			parts = append(parts, part)
		}
		line := strings.Join(parts, "  ")
		if chosen {
			lines = append(lines, style.chosen(pad(">"+line, width, false)))
		} else {
			lines = append(lines, " "+line)
		}
	}
	return lines
}

func (t *table[T]) title(i int) string {
	c := t.columns[i]
	switch {
	case i != t.sort:
		return c.head
	case c.down != t.reversed:
		return c.head + "▼"
	}
	return c.head + "▲"
}

// fit returns the widths of the columns, 0 for those left out.
func (t *table[T]) fit(width int, cells [][]string) []int {
	widths := make([]int, len(t.columns))
	for i, c := range t.columns {
		widths[i] = max(c.least, ui.Width(t.title(i)))
		for _, row := range cells {
			widths[i] = max(widths[i], min(ui.Width(row[i]), max(c.most, c.least)))
		}
	}
	for {
		total, weakest := 0, -1
		for i, w := range widths {
			if w == 0 {
				continue
			}
			total += w + 2
			if k := t.columns[i].keep; i != t.sort && k > 0 && (weakest < 0 || k < t.columns[weakest].keep) {
				weakest = i
			}
		}
		over := total - 1 - width // one gap less, plus the mark of the selected row
		switch {
		case over <= 0:
			return widths
		case weakest >= 0:
			widths[weakest] = 0
		default: // the widest column shrinks
			widest := 0
			for i, w := range widths {
				if w > widths[widest] {
					widest = i
				}
			}
			if widths[widest] -= over; widths[widest] < 1 {
				widths[widest] = 1
				return widths
			}
		}
	}
}

// pad cuts or fills text to exactly the given width.
func pad(text string, width int, right bool) string {
	text = ui.Cut(text, width)
	gap := strings.Repeat(" ", max(0, width-ui.Width(text)))
	if right {
		return gap + text
	}
	return text + gap
}
