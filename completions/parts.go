package completions

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
)

// Class is what a part of a line is.
type Class int

// The classes. What has none of them is Plain.
const (
	Plain    Class = iota
	Name           // of a command, a subcommand or an alias
	Option         // a known one
	Znode          // a path that exists
	Quoted         // a word in quotes
	Operator       // |, > or >>
	Comment        // from # on
	Wrong          // a command, an option, an argument or a znode that does not exist
)

// Part is a range of bytes of a line.
type Part struct {
	Start, End int
	Class      Class
}

// Parts classifies the words of a line at once, from what is known: whether a znode exists is looked up in the background, and
// Changed is called. A word at whose end the cursor is, at byte pos, may grow, so it is wrong only if nothing begins with it.
func (c *Completer) Parts(line string, pos int, dir string) (parts []Part) {
	tokens, _ := command.Lex(line)
	end := len(line)
	var words []word
	var at []int // of words, in parts
	redirect := false
	add := func(from, to int, class Class) { parts = append(parts, Part{from, to, class}) }
	for _, t := range tokens {
		if t.Operator && t.Text == "|" {
			add(t.Start, t.End, Operator)
			end = t.End
			break
		}
		class := Plain
		switch {
		case t.Operator:
			class = Operator
		case t.Quoted:
			class = Quoted
		}
		if !t.Operator && !redirect {
			words = append(words, word{Word: t.Word, grows: t.End == pos, open: t.Open != 0})
			at = append(at, len(parts))
		}
		redirect = t.Operator
		add(t.Start, t.End, class)
	}
	for i, class := range c.classes(words, dir) {
		if class != Plain {
			parts[at[i]].Class = class
		}
	}
	return comments(parts, line[:end])
}

// comments adds what is between the words: comments, and backslashes at the ends of rows.
func comments(parts []Part, line string) []Part {
	var all []Part
	gap := func(from, to int) {
		for from < to {
			row := line[from:to]
			if n := strings.IndexByte(row, '\n'); n >= 0 {
				row = row[:n]
			}
			if text := strings.TrimLeft(row, " \t\v\f\r"); text != "" {
				all = append(all, Part{from + len(row) - len(text), from + len(row), Comment})
			}
			from += len(row) + 1
		}
	}
	end := 0
	for _, p := range parts {
		gap(end, p.Start)
		all = append(all, p)
		end = p.End
	}
	gap(end, len(line))
	return all
}

// word is one of the words that a command consists of.
type word struct {
	command.Word
	grows bool // the cursor is at its end
	open  bool // so is its quote
}

// classes classifies a command's words. Plain means what the word's quotes say.
func (c *Completer) classes(words []word, dir string) []Class {
	classes := make([]Class, len(words))
	if len(words) == 0 {
		return classes
	}
	env := c.cfg.Env
	name := words[0]
	if v := env.Verb(name.Text); v != nil {
		classes[0] = Name
		c.ofVerb(v, words[1:], classes[1:])
		return classes
	}
	cmd := env.Commands.Lookup(name.Text)
	if cmd != nil {
		classes[0] = Name
		c.ofCommand(cmd, words[1:], classes[1:], dir)
		return classes
	}
	if a, ok := env.Alias(name.Word); ok {
		tokens, _ := command.Lex(a.Line)
		var line []word
		for _, t := range tokens {
			if t.Operator {
				line = nil
				break
			}
			line = append(line, word{Word: t.Word})
		}
		if n := len(line); n > 0 {
			copy(classes[1:], c.classes(append(line, words[1:]...), dir)[n:])
		}
		classes[0] = Name
		return classes
	}
	if !name.grows || c.commandNames(name.Text).Total == 0 {
		classes[0] = Wrong
	}
	return classes
}

// ofCommand classifies the words after a command's name.
func (c *Completer) ofCommand(cmd *command.Command, words []word, classes []Class, dir string) {
	w := walker{cmd: cmd}
	for i, word := range words {
		opt, what := w.next(word.Text)
		switch what {
		case isValue:
			classes[i] = c.ofValue(opt.Kind, word, dir)
		case isOption:
			classes[i] = Option
		case noOption:
			classes[i] = ofUnknown(cmd, word, w.given)
		case isArgument:
			arg := argAt(cmd, w.position-1)
			switch {
			case arg == nil && w.position > len(cmd.Args):
				classes[i] = Wrong
			case arg == nil: // an old form
			case arg.Kind == command.Line:
				copy(classes[i:], c.classes(words[i:], dir))
				return
			default:
				classes[i] = c.ofValue(arg.Kind, word, dir)
			}
		}
	}
}

// ofUnknown classifies what looks like an option but is not the name of one: joined letters, a number, or a mistake.
func ofUnknown(cmd *command.Command, w word, given map[string]bool) Class {
	letters := strings.TrimPrefix(w.Text, "-")
	if strings.Trim(letters, "0123456789.") == "" {
		return Plain
	}
	for i, r := range letters {
		opt := cmd.FindOption("-" + string(r))
		if opt == nil {
			break
		}
		if opt.Value != "" || i+len(string(r)) == len(letters) {
			return Option
		}
	}
	if w.grows && options(cmd, w.Text, given).Total > 0 {
		return Plain
	}
	return Wrong
}

// ofValue classifies an argument or an option's value.
func (c *Completer) ofValue(kind command.Kind, w word, dir string) Class {
	switch kind {
	case command.Path, command.Location:
	default:
		return Plain
	}
	if w.Text == "" || w.Text == "-" || w.open || !w.Quoted && strings.ContainsAny(w.Text, "*?[") ||
		kind == command.Location && !strings.HasPrefix(w.Text, "/") && strings.Contains(w.Text, ":") {
		return Plain
	}
	node, err := command.Resolve(dir, w.Text)
	if err != nil {
		return Plain
	}
	switch exists, known := c.exists(path.Clean(node)); {
	case exists:
		return Znode
	case !known, w.grows && c.paths(w.Text, "", dir).Total > 0:
		return Plain
	}
	return Wrong
}

// exists reports whether a znode exists, as far as that is known. What is not known, or was some time ago, is looked up in the
// background.
func (c *Completer) exists(node string) (exists, known bool) {
	if node == "/" {
		return true, true
	}
	tree := c.cfg.Tree()
	c.mu.Lock()
	defer c.mu.Unlock()
	parent, name := path.Split(node)
	if l := c.levels[path.Clean(parent)]; l != nil && l.known && !l.missing {
		if tree != nil && !l.fetching && !time.Now().Before(l.due) {
			l.fetching = true
			go c.fetch(tree, path.Clean(parent), l)
		}
		_, exists = slices.BinarySearch(l.names, name)
		return exists, true
	}
	z := c.stats[node]
	if tree != nil && (z == nil || !z.fetching && !time.Now().Before(z.due)) {
		if z == nil {
			z = &znode{}
			c.stats[node] = z
		}
		z.fetching = true
		go c.stat(tree, []string{node})
	}
	if z == nil {
		return false, false
	}
	return z.known && !z.missing, z.known || z.missing
}

// ofVerb classifies the words after a verb's name.
func (c *Completer) ofVerb(v *command.Verb, words []word, classes []Class) {
	c.trees.Lock()
	defer c.trees.Unlock()
	tree := c.verbs[v.Name]
	if tree == nil {
		tree = v.Tree(c.cfg.Env.Silent())
		if c.verbs == nil {
			c.verbs = map[string]*cobra.Command{}
		}
		c.verbs[v.Name] = tree
	}
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.Text
	}
	for i, role := range command.Roles(tree, texts) {
		switch role {
		case command.Subcommand:
			classes[i] = Name
		case command.OptionName:
			classes[i] = Option
		case command.NoOption:
			if !words[i].grows || !command.BeginsOption(tree, texts[:i], texts[i]) {
				classes[i] = Wrong
			}
		}
	}
}
