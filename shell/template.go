package shell

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// Prompt is what a person wants the prompt to look like. The zero value is zkCli's.
type Prompt struct{ parts []promptPart }

// promptPart is text, or a field of the label. A colour counts for the parts after it.
type promptPart struct{ text, field, style string }

// promptFields are what a prompt can show.
var promptFields = []string{"server", "host", "state", "path", "profile", "user", "number"}

// promptStyles are the parameters of SGR for the colours that a prompt can have.
var promptStyles = map[string]string{
	"plain": "", "bold": "1", "dim": "2", "black": "30", "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35",
	"cyan": "36", "white": "37",
}

// ParsePrompt parses a template: text with {field} and {colour}. {{ and }} stand for braces.
func ParsePrompt(template string) (p Prompt, err error) {
	if strings.ContainsFunc(template, unicode.IsControl) {
		return p, errors.New("prompt: it must be one row without control characters")
	}
	style, text := "", ""
	end := func() {
		if text != "" {
			p.parts = append(p.parts, promptPart{text: text, style: style})
		}
		text = ""
	}
	for rest := template; rest != ""; {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			text += rest
			break
		}
		text += rest[:i]
		rest = rest[i:]
		if len(rest) > 1 && rest[1] == rest[0] {
			text += rest[:1]
			rest = rest[2:]
			continue
		}
		name, after, ok := strings.Cut(rest[1:], "}")
		color, isColor := promptStyles[name]
		switch {
		case rest[0] == '}':
			return p, errors.New("prompt: } without {; write }} for a brace")
		case !ok:
			return p, errors.New("prompt: { without }; write {{ for a brace")
		case isColor:
			end()
			style = color
		case slices.Contains(promptFields, name):
			end()
			p.parts = append(p.parts, promptPart{field: name, style: style})
		default:
			return p, fmt.Errorf("prompt: unknown field {%s}; use {%s}, or a colour such as {red}, {bold} and {plain}", name,
				strings.Join(promptFields, "}, {"))
		}
		rest = after
	}
	end()
	return p, nil
}

// spans returns the prompt for a label. If it leaves less than 40% of the width for the line, the server is shortened; if that
// is not enough, it is zkCli's prompt in short.
func (p Prompt) spans(l label, width int) []span {
	if len(p.parts) == 0 {
		return l.spans(width)
	}
	room := width * 6 / 10
	all := p.fill(l)
	if over := spansWidth(all) - room; over > 0 {
		l.servers = shorten(l.servers, max(0, runewidth.StringWidth(l.servers)-over))
		if runewidth.StringWidth(l.servers) < 10 {
			return l.spans(width)
		}
		if all = p.fill(l); spansWidth(all) > room {
			return l.spans(width)
		}
	}
	return all
}

// fill fills in the fields. An empty one takes the space before it with it or, at the start, the space after it.
// The name of a guarded ensemble, or one with a colour, comes first, unless it has a place.
func (p Prompt) fill(l label) (spans []span) {
	shown := ""
	if l.name.text != "" && !slices.ContainsFunc(p.parts, func(p promptPart) bool { return p.field == "profile" }) {
		spans = []span{l.name, {" ", ""}}
		shown = l.name.text
	}
	for _, part := range p.parts {
		text, style := part.text, part.style
		switch part.field {
		case "server":
			text = l.servers
		case "host":
			text = l.server
		case "state":
			text = string(l.state)
			if style == "" {
				style = stateStyle(l.state)
			}
		case "path":
			text = l.dir
		case "profile":
			text = cmp.Or(l.name.text, l.profile)
			style = cmp.Or(l.name.style, style)
		case "user":
			text = l.user
		case "number":
			text = strconv.Itoa(l.number)
		}
		switch last := len(spans) - 1; {
		case part.field == "" && shown == "" && last >= 0:
			text = strings.TrimPrefix(text, " ")
		case part.field != "" && text == "" && last >= 0:
			spans[last].text = strings.TrimSuffix(spans[last].text, " ")
		}
		shown += text
		spans = append(spans, span{text, style})
	}
	return spans
}
