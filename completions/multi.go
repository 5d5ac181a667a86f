package completions

import (
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
)

// operation completes an operation of multi: a line in a single word, or words up to a ;.
func (c *Completer) operation(all command.Set, before []token, at token, dir string) Result {
	if at.quoted || strings.ContainsAny(at.text, " \t") {
		return c.operationLine(all, at.text, dir)
	}
	for i, w := range slices.Backward(before) {
		if w.text == ";" {
			before = before[i+1:]
			break
		}
	}
	if n := len(before); n > 0 && strings.ContainsAny(before[n-1].text, " \t") {
		return Result{} // the operation was in one word
	}
	r := c.operationWords(all, append(slices.Clone(before), at), dir)
	if at.outer && len(before) == 0 { // it may be the start of a quoted line
		for i := range r.Suggestions {
			r.Suggestions[i].Final = false
		}
	}
	return r
}

// operationLine completes a line in a single word, whose quote stays open.
func (c *Completer) operationLine(all command.Set, line, dir string) Result {
	words, start, ok := split(line, len(line))
	if !ok {
		return Result{}
	}
	r := c.operationWords(all, words, dir)
	r.quote()
	for i := range r.Suggestions {
		s := &r.Suggestions[i]
		s.Open = true
		if s.Final { // the space is inside the quote
			s.Text, s.Final = s.Text+" ", false
		}
	}
	r.prepend(line[:start])
	return r
}

func (c *Completer) operationWords(all command.Set, words []token, dir string) Result {
	name, at := words[0], words[len(words)-1]
	if len(words) == 1 {
		var list []Suggestion
		for _, op := range all {
			list = append(list, Suggestion{Text: op.Name, Help: op.Short, Final: true})
		}
		return Among(list, name.text, "")
	}
	if op := all.Lookup(name.text); op != nil {
		return c.argument(op, words[1:len(words)-1], at, dir)
	}
	return Result{}
}
