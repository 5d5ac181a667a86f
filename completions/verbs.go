package completions

import (
	"io"
	"strings"

	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/verb"
)

// NewVerb returns the verb created by construct.
func NewVerb(construct verb.Constructor) Verb {
	c := construct(&ui.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
	return Verb{
		Name: c.Name(), Short: c.Short,
		Complete: func(words []string, word string) (list []Suggestion, place verb.Place) {
			choices, place := verb.Complete(construct, words, word)
			for _, c := range choices {
				list = append(list, Suggestion{Text: c.Text, Help: c.Help, Final: !c.Open})
			}
			return list, place
		},
	}
}

func (c *Completer) verb(name string) *Verb {
	for i := range c.cfg.Verbs {
		if strings.EqualFold(c.cfg.Verbs[i].Name, name) {
			return &c.cfg.Verbs[i]
		}
	}
	return nil
}

// verbWord completes a word of a verb, which knows what can be there.
func (c *Completer) verbWord(v *Verb, before []token, typed string) Result {
	words := make([]string, len(before))
	for i, w := range before {
		words[i] = w.text
	}
	lead := ""
	if strings.HasPrefix(typed, "-") {
		if eq := strings.IndexByte(typed, '='); eq >= 0 {
			lead = typed[:eq+1]
		}
	}
	list, place := v.Complete(words, typed)
	switch place {
	case verb.AFile:
		return c.files(typed[len(lead):], lead)
	case verb.AFolder:
		return c.onlyFolders(typed[len(lead):], lead)
	}
	return Among(list, typed[len(lead):], lead)
}
