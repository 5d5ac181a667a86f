// Package expositiontest reads a page of metrics in tests, as strictly as Prometheus does.
package expositiontest

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Page is what a page says.
type Page struct {
	Kinds   map[string]string  // by family
	Samples map[string]float64 // by series: name{label="value",…}
}

var (
	comment = regexp.MustCompile(`^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$`)
	sample  = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*")*\})? (\S+)$`)
)

// Read returns an error if the text is not a page, also for a series that is there twice, a family in two places, and a
// sample without its family.
func Read(text string) (Page, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	p := Page{map[string]string{}, map[string]float64{}}
	family, helped := "", ""
	if text != "" && !strings.HasSuffix(text, "\n") {
		fault("the last line has no end: %.100q", text[max(0, len(text)-100):])
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := comment.FindStringSubmatch(line); m != nil {
			if _, twice := p.Kinds[m[2]]; twice {
				fault("%s is in two places: %q", m[2], line)
			}
			if m[1] == "HELP" {
				helped = m[2]
				continue
			}
			if helped != "" && helped != m[2] {
				fault("help for %s stands before %q", helped, line)
			}
			switch m[3] {
			case "gauge", "counter", "summary", "untyped":
			default:
				fault("unknown type: %q", line)
			}
			family, helped = m[2], ""
			p.Kinds[family] = m[3]
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil {
			fault("not a line of the format: %q", line)
			continue
		}
		half := p.Kinds[family] == "summary" && (m[1] == family+"_count" || m[1] == family+"_sum")
		if m[1] != family && !half {
			fault("a sample of %s in the family %s", m[1], family)
		}
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			fault("%q: %w", line, err)
		}
		if _, twice := p.Samples[m[1]+m[2]]; twice {
			fault("twice: %q", line)
		}
		p.Samples[m[1]+m[2]] = value
	}
	return p, errors.Join(faults...)
}

// Series returns how many series of a name there are.
func (p Page) Series(name string) (n int) {
	for series := range p.Samples {
		if series == name || strings.HasPrefix(series, name+"{") {
			n++
		}
	}
	return n
}
