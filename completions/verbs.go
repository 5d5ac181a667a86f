package completions

import "strings"

func (c *Completer) verb(name string) *Verb {
	for i := range c.cfg.Verbs {
		if strings.EqualFold(c.cfg.Verbs[i].Name, name) {
			return &c.cfg.Verbs[i]
		}
	}
	return nil
}

// verbWord completes a word of a verb, which knows what can stand there.
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
	list, files := v.Complete(words, typed)
	if len(list) == 0 && files {
		return c.files(typed[len(lead):], lead)
	}
	return among(list, typed[len(lead):], lead)
}
