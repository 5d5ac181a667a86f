package outer

import (
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/zkctl/zkctl/completions"
)

// The values of bash's COMP_TYPE.
const (
	listing     = "63" // the suggestions are shown; if there are several, none is inserted
	menu        = "37" // they are inserted one after another
	insertEvery = "42"
)

// bash replaces the request's word with the common prefix of the lines, or with the only line. It
// quotes nothing.
func (r *Request) bash(found completions.Result) []string {
	type entry struct {
		text string
		completions.Suggestion
	}
	var entries []entry
	for _, s := range found.Suggestions {
		if text, ok := r.inserted(s.Text); ok {
			entries = append(entries, entry{text, s})
		}
	}
	var lines []string
	if len(entries) > 1 && r.mode == listing {
		labels := 0
		for _, e := range entries {
			labels = max(labels, runewidth.StringWidth(label(e.Suggestion)))
		}
		for _, e := range entries {
			if e.Help != "" {
				e.Label = runewidth.FillRight(label(e.Suggestion), min(labels, r.width/2))
			}
			lines = append(lines, runewidth.Truncate(shown(e.Suggestion), r.width-1, "…"))
		}
		if slices.Sort(lines); lines[0] != lines[len(lines)-1] {
			return lines
		}
		return nil // bash would insert it
	}
	for _, e := range entries {
		switch {
		case e.Final && r.quote == 0: // readline closes a quote
			e.text += " "
		case !e.Final && r.quote != 0 && len(entries) == 1:
			// Two make it a choice, so that readline leaves the quote open.
			lines = append(lines, e.text+"/")
		case e.Parent && len(entries) == 1 && e.Text == r.Word:
			e.text += "/"
		}
		lines = append(lines, e.text)
	}
	if len(entries) > 1 && r.mode != menu && r.mode != insertEvery {
		// What is shared ends here, whatever the quoted words continue with: half of \$ is not
		// part of a name, and there may be more suggestions than these.
		if text, ok := r.inserted(found.Common); ok && text != "" && shared(lines) != text {
			lines = append(lines, text)
		}
	}
	return lines
}

// inserted returns what bash is to insert for a word. The part already typed is kept as typed.
func (r *Request) inserted(word string) (text string, ok bool) {
	kept := len(r.raw) - len(r.replaced) // bytes of the word that bash leaves alone
	if kept < 0 || !strings.HasSuffix(r.raw, r.replaced) {
		return "", false
	}
	typed := r.raw
	if r.dangling {
		typed = typed[:len(typed)-1]
	}
	rest, begun := strings.CutPrefix(word, r.Word)
	if !begun { // upper and lower case differ
		rest = word
		switch typed {
		case r.Word:
			typed = ""
		case string(rune(r.quote)) + r.Word:
			typed = typed[:1]
		default:
			return "", false
		}
	}
	quoted, ok := quotePosix(rest, r.quote)
	if typed += quoted; !ok || kept > len(typed) {
		return "", false
	}
	text = typed[kept:]
	// readline mistakes a quote there for the open one (insert_match).
	if r.quote != 0 && text != "" && text[0] == r.quote {
		return "", false
	}
	return text, true
}

// shared returns the common prefix of all lines.
func shared(lines []string) string {
	head := lines[0]
	for _, l := range lines[1:] {
		for !strings.HasPrefix(l, head) {
			head = head[:len(head)-1]
		}
	}
	return head
}
