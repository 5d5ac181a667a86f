// Package exposition writes metrics in Prometheus's text format, version 0.0.4.
package exposition

import (
	"bytes"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ContentType is the media type of a Page.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Kind is what # TYPE says.
type Kind string

// Kinds.
const (
	Gauge   Kind = "gauge"
	Counter Kind = "counter"
	Summary Kind = "summary"
	Untyped Kind = "untyped"
)

// Label distinguishes the samples of a family. Its Name is a Go identifier.
type Label struct{ Name, Value string }

// Page is what one scrape returns. The zero Page is empty.
type Page struct {
	families []*Family
	byName   map[string]*Family
	seen     map[string]bool // series
}

// Family are the samples of one name. Prometheus wants them in one place, so a Page keeps them together however they
// were added.
type Family struct {
	name, help string
	kind       Kind
	samples    bytes.Buffer
	seen       map[string]bool // of the page
}

// Family returns the family of a name, which becomes a legal one (Name); the first caller gives it its kind and help.
// A later caller with another kind gets a family that is not part of the page: Prometheus has one kind for a name.
func (p *Page) Family(name string, kind Kind, help string) *Family {
	if p.byName == nil {
		p.byName, p.seen = map[string]*Family{}, map[string]bool{}
	}
	name = Name(name)
	f := p.byName[name]
	switch {
	case f == nil:
		f = &Family{name: name, help: help, kind: kind, seen: p.seen}
	case f.kind != kind:
		return &Family{name: name, kind: kind, seen: map[string]bool{}}
	default:
		return f
	}
	p.byName[name] = f
	p.families = append(p.families, f)
	return f
}

// Add adds a sample. One with the name and labels of an earlier one is dropped: Prometheus would refuse the whole page.
func (f *Family) Add(value float64, labels ...Label) { f.sample("", value, labels) }

// Quantile, Count and Sum add the samples of a Summary.
func (f *Family) Quantile(q, value float64, labels ...Label) {
	f.sample("", value, append(slices.Clip(labels), Label{"quantile", number(q)}))
}
func (f *Family) Count(value float64, labels ...Label) { f.sample("_count", value, labels) }
func (f *Family) Sum(value float64, labels ...Label)   { f.sample("_sum", value, labels) }

func (f *Family) sample(suffix string, value float64, labels []Label) {
	var b strings.Builder
	b.WriteString(f.name + suffix)
	for i, l := range labels {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(l.Name + `="` + labelValue.Replace(strings.ToValidUTF8(l.Value, "\uFFFD")) + `"`)
	}
	if len(labels) > 0 {
		b.WriteByte('}')
	}
	series := b.String()
	if f.seen[series] {
		return
	}
	f.seen[series] = true
	f.samples.WriteString(series + " " + number(value) + "\n")
}

var (
	labelValue = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	helpText   = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
)

// number is a value as Go's ParseFloat, by which Prometheus reads it, understands it.
func number(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case v == math.Trunc(v) && math.Abs(v) < 1<<53:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// WriteTo writes the families in the order in which they were named. One without samples is left out.
func (p *Page) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	for _, f := range p.families {
		if f.samples.Len() == 0 {
			continue
		}
		if f.help != "" {
			b.WriteString("# HELP " + f.name + " " + helpText.Replace(strings.ToValidUTF8(f.help, "\uFFFD")) + "\n")
		}
		b.WriteString("# TYPE " + f.name + " " + string(f.kind) + "\n")
		b.Write(f.samples.Bytes())
	}
	return b.WriteTo(w)
}

// Name turns a text into a legal name of a metric: letters, digits, _ and :, the first no digit.
func Name(s string) string {
	legal := strings.Map(func(r rune) rune {
		if r == '_' || r == ':' || r < 0x80 && (r|0x20 >= 'a' && r|0x20 <= 'z' || r >= '0' && r <= '9') {
			return r
		}
		return '_'
	}, s)
	if legal == "" || legal[0] >= '0' && legal[0] <= '9' {
		legal = "_" + legal
	}
	return legal
}
