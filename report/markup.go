package report

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

// markup is HTML or SVG of our own. Everything else is text, which put escapes.
type markup string

// text makes markup of a text from anywhere: control characters, invalid UTF-8 and characters that change the writing
// direction become visible, as on a terminal, and HTML's special characters become references. It is safe within elements and
// within quoted attributes.
func text(s string) markup {
	return markup(references.Replace(escape.Line(s)))
}

var references = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")

// builder collects markup.
type builder struct{ b strings.Builder }

// put adds a format, whose arguments are escaped unless they are markup or numbers. Integers have thousands separators with
// %v; with %d they have none.
func (m *builder) put(format string, args ...any) {
	fmt.Fprintf(&m.b, format, safe(args)...)
}

func (m *builder) markup() markup { return markup(m.b.String()) }

// safe makes arguments safe to put into markup.
func safe(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case markup:
			out[i] = string(a)
		case int:
			out[i] = number(a)
		case int64:
			out[i] = number(a)
		case float64:
			out[i] = a
		default:
			out[i] = string(text(fmt.Sprint(a)))
		}
	}
	return out
}

// number is an integer for people, or with %d for attributes.
type number int64

// Format implements fmt.Formatter.
func (n number) Format(s fmt.State, verb rune) {
	if verb == 'd' {
		fmt.Fprintf(s, fmt.FormatString(s, 'd'), int64(n))
		return
	}
	_, _ = s.Write([]byte(command.Thousands(int(n))))
}

// size is a number of bytes for people, with the exact number for programs.
func size(n int64) markup {
	var m builder
	m.put("<data value=\"%d\">%s</data>", n, ui.Bytes(n))
	return m.markup()
}

// page writes the document.
type page struct {
	w *bufio.Writer
}

func (p *page) put(format string, args ...any) {
	_, _ = fmt.Fprintf(p.w, format, safe(args)...) // the buffer keeps the first error
}

// column is a column of a table.
type column struct {
	name   string
	number bool // aligned right
	wrap   bool // long names may be broken anywhere
}

// table writes rows. A cell is a text, a number, or markup.
func (p *page) table(caption string, columns []column, rows [][]any) {
	p.put("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\">\n<table><caption>%s</caption>\n<thead><tr>", caption, caption)
	for _, c := range columns {
		p.put("<th scope=\"col\"%s>%s</th>", class(c), c.name)
	}
	p.put("</tr></thead>\n<tbody>\n")
	for _, row := range rows {
		p.put("<tr>")
		for i, cell := range row {
			p.put("<td%s>%v</td>", class(columns[i]), cell)
		}
		p.put("</tr>\n")
	}
	p.put("</tbody></table></div>\n")
}

func class(c column) markup {
	switch {
	case c.number:
		return ` class="n"`
	case c.wrap:
		return ` class="w"`
	}
	return ""
}

// details writes something that a person can open.
func (p *page) details(summary string, write func()) {
	p.put("<details><summary>%s</summary>\n", summary)
	write()
	p.put("</details>\n")
}
