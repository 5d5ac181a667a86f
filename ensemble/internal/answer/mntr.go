package answer

import (
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/escape"
)

// Metric is one line of mntr.
type Metric struct {
	Name   string       // including zk_
	Text   string       // as the member wrote it
	Number Opt[float64] // unknown for a text such as zk_version
}

// Metrics is the answer to mntr, and to monitor, in the member's order.
type Metrics struct {
	List  []Metric
	index map[string]int
}

// maxMetrics limits how many lines of mntr are kept: a server has about 500, and a few for each quota and learner.
const maxMetrics = 100_000

// ParseMntr parses the answer to mntr.
func ParseMntr(text []byte) (*Metrics, error) {
	m := newMetrics()
	for line := range lines(text) {
		name, value, ok := strings.Cut(line, "\t")
		if ok && name != "" {
			m.add(name, value)
		}
	}
	// All releases name their metrics so.
	if !slices.ContainsFunc(m.List, func(m Metric) bool { return strings.HasPrefix(m.Name, "zk_") }) {
		return nil, notUnderstood("mntr", text)
	}
	return m, nil
}

func newMetrics() *Metrics { return &Metrics{index: map[string]int{}} }

func (m *Metrics) add(name, value string) {
	if _, twice := m.index[name]; twice || len(m.List) == maxMetrics {
		return
	}
	m.index[name] = len(m.List)
	m.List = append(m.List, Metric{name, value, number(value)})
}

// Text returns a metric as the member wrote it, or "" if there is none of that name.
func (m *Metrics) Text(name string) string {
	if i, ok := m.index[name]; ok {
		return m.List[i].Text
	}
	return ""
}

// Number returns a metric's number.
func (m *Metrics) Number(name string) Opt[float64] {
	if i, ok := m.index[name]; ok {
		return m.List[i].Number
	}
	return Opt[float64]{}
}

// Int returns a metric's number as an integer.
func (m *Metrics) Int(name string) Opt[int64] { return asInt(m.Number(name)) }

// MarshalJSON writes an object of numbers and strings, in the member's order.
func (m *Metrics) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, metric := range m.List {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := escape.MarshalJSON(metric.Name)
		if err != nil {
			return nil, err
		}
		var value []byte
		if n, ok := metric.Number.Get(); ok {
			value, err = escape.MarshalJSON(n)
		} else {
			value, err = escape.MarshalJSON(metric.Text)
		}
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}
