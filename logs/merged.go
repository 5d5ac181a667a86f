package logs

import (
	"container/heap"
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/zkctl/zkctl/logs/internal/catalogue"
	"github.com/zkctl/zkctl/logs/internal/format"
)

// merged reads the events of several logs in the order of their corrected times.
type merged struct {
	heads []*head
	last  *head // whose event was returned last
}

// head is the next event of a log.
type head struct {
	source *source
	event  *format.Event
	at     int64 // ms since 1970, by which it is sorted; it never decreases within a log
}

// newMerged reads the first event of each log.
func newMerged(ctx context.Context, all []*source) (*merged, error) {
	m := &merged{}
	for _, s := range all {
		h := &head{source: s}
		if ok, err := h.advance(ctx); err != nil {
			m.close()
			return nil, err
		} else if ok {
			m.heads = append(m.heads, h)
		}
	}
	heap.Init(m)
	return m, nil
}

// advance reads the next event of the log. An event without a time, or with one before its predecessor's, because the
// clock was set back, stays behind its predecessor.
func (h *head) advance(ctx context.Context) (bool, error) {
	e, err := h.source.next(ctx)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	h.event = e
	if e.Timed {
		h.at = max(h.at, e.Time-h.source.correction())
	}
	return true, nil
}

// next returns the next event with its log, or nil at the end. The event is valid until the next call.
func (m *merged) next(ctx context.Context) (*head, error) {
	if m.last != nil {
		ok, err := m.last.advance(ctx)
		switch {
		case err != nil:
			return nil, err
		case ok:
			heap.Fix(m, 0)
		default:
			heap.Pop(m)
		}
		m.last = nil
	}
	if len(m.heads) == 0 {
		return nil, nil
	}
	m.last = m.heads[0]
	return m.last, nil
}

// each calls visit with each event that is left, in the order of time; its match is nil if it is no known phrase.
func (m *merged) each(ctx context.Context, visit func(*head, *catalogue.Match) error) error {
	c := catalogue.Load()
	var found catalogue.Match
	for n := 1; ; n++ {
		h, err := m.next(ctx)
		if err != nil || h == nil {
			return err
		}
		if n&0xfff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		var match *catalogue.Match
		if c.Match(h.event.Text, &found) {
			match = &found
			h.source.learn(match)
		}
		if err := visit(h, match); err != nil {
			return err
		}
	}
}

func (m *merged) close() {
	for _, h := range m.heads {
		h.source.close()
	}
}

// Len implements heap.Interface.
func (m *merged) Len() int { return len(m.heads) }

// Less implements heap.Interface.
func (m *merged) Less(i, j int) bool {
	a, b := m.heads[i], m.heads[j]
	if a.at != b.at {
		return a.at < b.at
	}
	return a.source.index < b.source.index
}

// Swap implements heap.Interface.
func (m *merged) Swap(i, j int) { m.heads[i], m.heads[j] = m.heads[j], m.heads[i] }

// Push implements heap.Interface.
func (m *merged) Push(x any) { m.heads = append(m.heads, x.(*head)) }

// Pop implements heap.Interface.
func (m *merged) Pop() any {
	n := len(m.heads) - 1
	h := m.heads[n]
	m.heads = m.heads[:n]
	return h
}

// label gives each log the shortest end of its path that no other log has.
func label(all []*source) {
	for _, s := range all {
		parts := strings.Split(filepath.ToSlash(s.name), "/")
		for n := 1; n <= len(parts); n++ {
			s.label = strings.Join(parts[len(parts)-n:], "/")
			unique := true
			for _, other := range all {
				if other != s && (other.name == s.label || strings.HasSuffix(filepath.ToSlash(other.name), "/"+s.label)) {
					unique = false
				}
			}
			if unique {
				break
			}
		}
	}
}
