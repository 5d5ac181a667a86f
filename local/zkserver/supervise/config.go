package supervise

import (
	"bytes"
	"slices"

	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// configuration is zoo.cfg as the running server read it, and as it is now.
type configuration struct {
	started []byte   // the text when the server started
	seen    []byte   // the text at the last look
	changed []string // the keys that a person has changed since; nil for none
	fault   string   // why the file on disk cannot be read
}

// look reads the file again. It reports whether what a person has changed is not what it was at the last look, and whether
// the text is not.
func (c *configuration) look(file string) (byPerson, rewritten bool) {
	fault, changed := "", c.changed
	text, err := infile.Regular(file)
	if err == nil && bytes.Equal(text, c.seen) && c.fault == "" {
		return false, false
	}
	if err == nil {
		changed, err = zoocfg.Changed(c.started, text)
	}
	if err != nil {
		fault, changed = err.Error(), c.changed
	} else {
		rewritten = !bytes.Equal(text, c.seen)
		c.seen = text
	}
	byPerson = fault != c.fault || !slices.Equal(changed, c.changed)
	c.changed, c.fault = changed, fault
	return byPerson, rewritten
}
