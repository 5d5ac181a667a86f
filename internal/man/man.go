// Package man writes manual pages of section 1 for man(1).
package man

import (
	"fmt"
	"io"
	"strings"
)

// Page is one manual page.
type Page struct {
	Name     string // as man finds it: zkctl-ls
	Short    string // one line without a full stop
	Synopsis []string
	Sections []Section
	SeeAlso  []string // names of pages
}

// Section is a part of a page with a heading: paragraphs, then terms with their meanings, then
// preformatted text.
type Section struct {
	Title      string
	Paragraphs []string
	Terms      []Term
	Verbatim   string
}

// Term is an option, a command or an example, with its meaning.
type Term struct{ Term, Meaning string }

// Write writes the page in roff with the macros of man(7). version and date ("2026-01-02", or ""
// if not known) appear in its footer.
func (p *Page) Write(w io.Writer, version, date string) error {
	b := &strings.Builder{}
	fmt.Fprintf(b, ".TH %s 1 %s %s %s\n", quoted(strings.ToUpper(p.Name)), quoted(date), quoted(version), quoted("zkctl manual"))
	fmt.Fprintf(b, ".nh\n.ad l\n.SH NAME\n%s \\- %s\n", escape(p.Name), escape(p.Short))
	if len(p.Synopsis) > 0 {
		b.WriteString(".SH SYNOPSIS\n.nf\n")
		for _, line := range p.Synopsis {
			fmt.Fprintf(b, "%s\n", textLine("\\fB"+escape(line)+"\\fR"))
		}
		b.WriteString(".fi\n")
	}
	for _, s := range p.Sections {
		s.write(b)
	}
	if len(p.SeeAlso) > 0 {
		b.WriteString(".SH SEE ALSO\n")
		for i, name := range p.SeeAlso {
			end := ","
			if i == len(p.SeeAlso)-1 {
				end = ""
			}
			fmt.Fprintf(b, ".BR %s (1)%s\n", escape(name), end)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *Section) write(b *strings.Builder) {
	fmt.Fprintf(b, ".SH %s\n", quoted(strings.ToUpper(s.Title)))
	for _, paragraph := range s.Paragraphs {
		fmt.Fprintf(b, ".PP\n%s\n", textLine(escape(strings.Join(strings.Fields(paragraph), " "))))
	}
	for _, t := range s.Terms {
		fmt.Fprintf(b, ".TP\n%s\n", textLine("\\fB"+escape(t.Term)+"\\fR"))
		if t.Meaning != "" {
			fmt.Fprintf(b, "%s\n", textLine(escape(t.Meaning)))
		}
	}
	if s.Verbatim != "" {
		b.WriteString(".PP\n.nf\n")
		for line := range strings.SplitSeq(strings.Trim(s.Verbatim, "\n"), "\n") {
			fmt.Fprintf(b, "%s\n", textLine(escape(line)))
		}
		b.WriteString(".fi\n")
	}
}

var escaper = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`)

// escape escapes roff's special characters in plain text, so that what a page shows can be
// pasted.
func escape(text string) string { return escaper.Replace(text) }

// textLine keeps a line that looks like a request from being one.
func textLine(line string) string {
	if line == "" || line[0] == '.' {
		return `\&` + line
	}
	return line
}

// quoted quotes a macro argument.
func quoted(text string) string {
	return `"` + strings.ReplaceAll(escape(text), `"`, `\(dq`) + `"`
}
