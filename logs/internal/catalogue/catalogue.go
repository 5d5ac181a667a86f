// Package catalogue knows what ZooKeeper's servers and clients say in their logs, and what it means. The phrases are
// data: see the files in phrases, and the README there.
//
// catalogue.go reads the files, template.go matches one wording, match.go finds the wording of a
// message among all, reading.go says what a field's value gives away.
package catalogue

import (
	"embed"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed phrases/*.txt
var files embed.FS

// Rank is how much a phrase matters to a person who reads a log.
type Rank uint8

// The ranks.
const (
	Routine Rank = iota
	Notable      // timelines show it
	Problem      // it stands out
)

var rankNames = []string{"routine", "notable", "problem"}

func (r Rank) String() string { return rankNames[r] }

// Phrase is one thing that programs say, in all its wordings.
type Phrase struct {
	Name   string
	Kind   string // election, session, connection, quorum, disk, snapshot, security, configuration, process or request
	Rank   Rank
	Says   []string // the wordings, with holes
	Means  string
	Normal string // when it is nothing to worry about
	Do     string
	Source string // classes and versions
	Seen   string // versions of which the tests have a real line, or ""

	index int
}

// Index is the position of the phrase in Catalogue.Phrases.
func (p *Phrase) Index() int { return p.index }

// Catalogue is a set of phrases. It does not change, and is safe for concurrent use.
type Catalogue struct {
	Phrases []*Phrase

	templates []template // sorted by literal
	keys      []uint64   // of each template, the start of its literal
	parents   []int      // of each template, the one with the longest other literal that its own starts with, or -1
}

// Load returns the built-in catalogue, which it reads on first use.
var Load = sync.OnceValue(func() *Catalogue {
	c := &Catalogue{}
	names, err := files.ReadDir("phrases")
	for _, f := range names {
		var text []byte
		if text, err = files.ReadFile("phrases/" + f.Name()); err != nil {
			break
		}
		if err = c.add(strings.TrimSuffix(path.Base(f.Name()), ".txt"), string(text)); err != nil {
			break
		}
	}
	if err != nil {
		panic(err) // the tests read the same files
	}
	c.index()
	return c
})

// Parse reads phrases of one kind.
func Parse(kind, text string) (*Catalogue, error) {
	c := &Catalogue{}
	if err := c.add(kind, text); err != nil {
		return nil, err
	}
	c.index()
	return c, nil
}

func (c *Catalogue) add(kind, text string) error {
	var p *Phrase
	var last *string
	n := 0
	for line := range strings.Lines(text) {
		n++
		fail := func(what string) error { return fmt.Errorf("phrases of %s, line %d: %s", kind, n, what) }
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.TrimSpace(line) == "" || line[0] == '#':
			continue
		case line[0] == '[':
			if !strings.HasSuffix(line, "]") {
				return fail("the name has no end")
			}
			p = &Phrase{Name: line[1 : len(line)-1], Kind: kind, index: len(c.Phrases)}
			c.Phrases = append(c.Phrases, p)
			last = nil
			continue
		case p == nil:
			return fail("a line ahead of the first [name]")
		case line[0] == ' ':
			if last == nil {
				return fail("nothing to continue")
			}
			*last += " " + strings.TrimSpace(line)
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			return fail("no colon")
		}
		value = strings.TrimPrefix(value, " ")
		switch key {
		case "says":
			t, err := newTemplate(value, p)
			if err != nil {
				return fail(err.Error())
			}
			p.Says = append(p.Says, value)
			c.templates = append(c.templates, t)
			last = nil
		case "rank":
			i := slices.Index(rankNames, value)
			if i < 0 {
				return fail("unknown rank " + value)
			}
			p.Rank = Rank(i)
		case "means":
			p.Means, last = value, &p.Means
		case "normal":
			p.Normal, last = value, &p.Normal
		case "do":
			p.Do, last = value, &p.Do
		case "source":
			p.Source, last = value, &p.Source
		case "seen":
			p.Seen, last = value, &p.Seen
		default:
			return fail("unknown key " + key)
		}
	}
	if p == nil {
		return errors.New("phrases of " + kind + ": none")
	}
	return nil
}

// Named returns the phrase with that name, or nil.
func (c *Catalogue) Named(name string) *Phrase {
	for _, p := range c.Phrases {
		if p.Name == name {
			return p
		}
	}
	return nil
}
