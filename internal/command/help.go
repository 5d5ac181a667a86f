package command

import (
	"bytes"
	"context"
	"strings"
	"unicode/utf8"

	"github.com/fatih/color"

	"github.com/zkctl/zkctl/internal/ui"
)

// Help explains the command or the verb, and its subcommand, that the words name; without words
// it lists them all.
func (env *Env) Help(ctx context.Context, words ...string) error {
	if len(words) == 0 {
		return env.printCommandList()
	}
	if v := env.Verb(words[0]); v != nil {
		return v.Run(ctx, env, append(words[1:len(words):len(words)], "--help"))
	}
	c := env.Commands.Lookup(words[0])
	if c == nil {
		return env.unknownCommand(words[0])
	}
	return env.printCommandHelp(c)
}

var groups = []Group{Reading, Writing, ACLGroup, Quotas, Watches, Ensemble, ShellCmd}

func (env *Env) printCommandList() error {
	if env.Output == ui.JSON {
		list := []commandJSON{}
		for _, c := range env.Commands {
			list = append(list, jsonCommand(c))
		}
		for _, v := range env.Listed() {
			list = append(list, commandJSON{Name: v.Name, Group: v.Group, Usage: v.Name, Short: v.Short})
		}
		return env.PrintJSON(Object{"commands": list})
	}
	p := newPage(env.Streams)
	widest := 0
	for _, c := range env.Commands {
		widest = max(widest, len(c.Name))
	}
	for _, g := range groups {
		p.heading(string(g))
		for _, c := range env.Commands {
			if c.Group == g {
				p.entry(c.Name, c.Short, widest)
			}
		}
		if g == Ensemble {
			above := g
			for _, v := range env.Listed() {
				if v.Group != above {
					p.heading(string(v.Group))
					above = v.Group
				}
				p.entry(v.Name, v.Short, widest)
			}
		}
	}
	p.heading("Notes")
	p.entry("help command", "usage, options and examples", 12)
	p.entry("-o json", "with any command: print JSON", 12)
	p.entry("-y", "with any command: do not ask for confirmation", 12)
	return p.flush()
}

// printCommandHelp explains a command.
func (env *Env) printCommandHelp(c *Command) error {
	if env.Output == ui.JSON {
		return env.PrintJSON(jsonCommand(c))
	}
	p := newPage(env.Streams)
	p.text(c.UsageLine(), 0, 4)
	p.line("")
	p.text(upperFirst(c.Short)+".", 0, 0)
	for i, paragraph := range strings.Split(c.Long, "\n\n") {
		if i > 0 {
			p.line("")
		}
		p.text(paragraph, 0, 0)
	}
	if len(c.Aliases) > 0 {
		p.text("Also: "+strings.Join(c.Aliases, ", "), 0, 0)
	}
	widest := 0
	options := c.OptionRows()
	for _, o := range options {
		widest = max(widest, utf8.RuneCountInString(o[0]))
	}
	p.heading("Options")
	for _, o := range options {
		p.entry(o[0], o[1], widest)
	}
	explained := 0
	for _, a := range c.Args {
		if a.Help != "" {
			explained = max(explained, utf8.RuneCountInString(a.Name))
		}
	}
	if explained > 0 {
		p.heading("Arguments")
		for _, a := range c.Args {
			if a.Help != "" {
				p.entry(a.Name, a.Help, explained)
			}
		}
	}
	if c.Exits != nil {
		p.heading("Exit codes")
		for _, row := range c.Exits.Rows() {
			p.entry(row[0], row[1], len(row[0]))
		}
	}
	if len(c.Examples) > 0 {
		p.heading("Examples")
		widest = 0
		for _, e := range c.Examples {
			widest = max(widest, utf8.RuneCountInString(e[0]))
		}
		for _, e := range c.Examples {
			p.entry(e[0], e[1], widest)
		}
	}
	if c.Differs != "" {
		p.heading("Unlike zkCli")
		p.text(c.Differs, 2, 2)
	}
	return p.flush()
}

// OptionRows lists the command's options, including the global ones, with what they do.
func (c *Command) OptionRows() (rows [][2]string) {
	for _, list := range []Options{c.Options, GlobalOptions} {
		for _, o := range list.List() {
			if c.FindOption(strings.Fields(o.Spelling())[0]) != o {
				continue // the command uses the letter for something else
			}
			help := o.Help
			if o.Repeat {
				help += " (repeatable)"
			}
			rows = append(rows, [2]string{o.Spelling(), help})
		}
	}
	return rows
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// page is a help page, wrapped to the width of the terminal.
type page struct {
	s     *ui.Streams
	width int
	b     bytes.Buffer
}

func newPage(s *ui.Streams) *page {
	width := s.Width
	if width <= 0 {
		width = 80
	}
	return &page{s: s, width: min(max(width, narrowestHelp), widestHelp)}
}

func (p *page) line(s string) { p.b.WriteString(s + "\n") }

func (p *page) heading(s string) {
	if p.b.Len() > 0 {
		p.line("")
	}
	p.line(p.s.Paint(s, color.Bold))
}

// entry writes a term and its meaning: side by side, or on two lines if the terms are too wide.
func (p *page) entry(term, meaning string, widest int) {
	column := widest + 4
	if column > p.width/2 {
		p.text(term, 2, 6)
		p.text(meaning, 6, 6)
		return
	}
	var b strings.Builder
	wrap(&b, meaning, column, column, p.width)
	text := strings.TrimLeft(b.String(), " ")
	if text == "" {
		text = "\n"
	}
	pad := column - 2 - utf8.RuneCountInString(term)
	p.b.WriteString("  " + p.s.Paint(term, color.FgCyan) + strings.Repeat(" ", max(pad, 1)) + text)
}

// text writes a paragraph; first and rest are the indents of its lines.
func (p *page) text(s string, first, rest int) {
	var b strings.Builder
	wrap(&b, s, first, rest, p.width)
	p.b.WriteString(b.String())
}

func wrap(b *strings.Builder, s string, first, rest, width int) {
	at := 0
	for _, word := range strings.Fields(s) {
		n := utf8.RuneCountInString(word)
		switch {
		case at == 0:
			b.WriteString(strings.Repeat(" ", first))
			at = first
		case at+1+n > width:
			b.WriteString("\n" + strings.Repeat(" ", rest))
			at = rest
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	if at > 0 {
		b.WriteByte('\n')
	}
}

func (p *page) flush() error {
	_, err := p.s.Out.Write(p.b.Bytes())
	return err
}

type commandJSON struct {
	Name    string       `json:"name"`
	Aliases []string     `json:"aliases,omitempty"`
	Group   Group        `json:"group"`
	Usage   string       `json:"usage"`
	Short   string       `json:"short"`
	Long    string       `json:"long,omitempty"`
	Options []optionJSON `json:"options,omitempty"`
}

type optionJSON struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
	Help  string `json:"help"`
}

func jsonCommand(c *Command) commandJSON {
	j := commandJSON{Name: c.Name, Aliases: c.Aliases, Group: c.Group, Usage: c.UsageLine(), Short: c.Short, Long: c.Long}
	for _, o := range c.Options.List() {
		j.Options = append(j.Options, optionJSON{o.Name, o.Value, o.Help})
	}
	return j
}
