package logs

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/logs/internal/catalogue"
	"github.com/zkctl/zkctl/logs/internal/format"
)

// tracer collects what the sources tell of a session.
type tracer struct {
	o                         *traceOptions
	sources                   *traceSources
	hex                       string // 0x…
	digits, decimal, unsigned string
	probe                     *source // that is being read
	witnesses                 []*witness
	ledger                    *witness // the transaction logs, nil if there are none
	nameless                  []*namelessHandle
	asked                     int64 // the timeout that the client asked for, ms; 0 if unknown
	moments                   []*moment
	from, to                  int64 // the window of what else is shown, by the reference's clock
	lives                     []life
	live                      *Live
	txns                      txnFacts
}

// namelessHandle is a client's session of which no line tells the id.
type namelessHandle struct {
	w *witness
	handle
}

func (t *tracer) begin() {
	t.hex = proto.Hex(t.o.id)
	t.digits, t.decimal, t.unsigned = digitsOf(t.o.id)
}

// read reads the sources: once for what is about the session and for the clocks, and again for what else happened around
// its end.
func (t *tracer) read(ctx context.Context) error {
	t.o.marks = max(mostMarks/max(len(t.sources.logs)/4, 1), 500) // of all together, about what four logs have
	var all []*source
	var seen []map[mark]sighting
	for i, s := range t.sources.logs {
		w := &witness{source: s, t: t}
		s.index = i
		t.witnesses = append(t.witnesses, w)
		marks := map[mark]sighting{}
		w.marks = marks
		t.probe = s.again()
		if err := t.probe.sight(ctx, marks, w.see); err != nil {
			return err
		}
		w.lost = t.probe.lost
		// How late a client notices that a server has closed its connection is what the trace has to find.
		maps.DeleteFunc(marks, func(k mark, _ sighting) bool { return k.name == "closed" })
		if !w.mixed {
			s.member = t.probe.member
		}
		for _, h := range w.handles {
			if h.id == "" && h.since > 0 {
				t.nameless = append(t.nameless, &namelessHandle{w, *h})
			}
		}
		all, seen = append(all, s), append(seen, marks)
	}
	if len(t.sources.txns) > 0 {
		s := &source{reading: &t.o.reading, index: len(all), name: "transaction logs", label: "txnlog", short: "txnlog"}
		t.ledger = &witness{source: s, t: t, txn: true}
		marks := map[mark]sighting{}
		if err := t.readTxns(ctx, marks); err != nil {
			return err
		}
		t.witnesses = append(t.witnesses, t.ledger)
		all, seen = append(all, s), append(seen, marks)
	}
	if len(all) > 1 {
		connect(all, seen)
	}
	t.nameOf()
	for _, w := range t.witnesses {
		t.moments = append(t.moments, w.own...)
	}
	t.window()
	return t.readContext(ctx)
}

// nearBy is how close, in ms, a client's session that has no id must be to the creation of the one that is traced, and no
// other may be.
const nearBy = 500

// nameOf finds the client that does not tell the session's id, as kazoo, by the time at which its session was made.
func (t *tracer) nameOf() {
	at, from := t.madeAt()
	if at == 0 {
		return
	}
	var found *namelessHandle
	for _, n := range t.nameless {
		if d := n.since - n.w.correction() - at; d > nearBy || d < -nearBy {
			continue
		}
		if found != nil {
			return
		}
		found = n
	}
	if found == nil || t.txns.others > 0 && from == t.ledger {
		return
	}
	found.w.adopt(&found.handle)
}

// madeAt is when the session was made, by the servers.
func (t *tracer) madeAt() (int64, *witness) {
	for _, w := range t.witnesses {
		for _, m := range w.own {
			if m.timed && (m.name == txnCreate || m.name == "session-global-commit" || m.name == "session-established-server") {
				return m.at(), w
			}
		}
	}
	return 0, nil
}

// window sets the time for which everything is shown: around the end of the session.
func (t *tracer) window() {
	end := t.endsAt()
	if end == 0 {
		return
	}
	around := max(t.o.around.Milliseconds(), 1000)
	t.from, t.to = end-around, end+around
	if made, _ := t.madeAt(); made > 0 && made < end { // what was before it cannot have ended it
		t.from = max(t.from, made-1000)
	}
}

// endsAt is roughly when the session ended, or was last heard of.
func (t *tracer) endsAt() (end int64) {
	best := 0
	for _, m := range t.moments {
		if !m.timed {
			continue
		}
		rank := 1
		switch m.name {
		case txnClose:
			rank = 5
		case "audit-entry":
			if m.auditsEnd() {
				rank = 4
			}
		case "session-expired", "session-closed-server", "session-close-submitted", "session-closing", "session-forcibly-expired":
			rank = 4
		case "client-closed", "c-client-closing":
			rank = 3
		case "client-expired", "session-invalid", "kazoo-expired", "kazoo-closed":
			rank = 2
		}
		switch {
		case rank > best, rank == best && rank == 1 && m.at() > end:
			best, end = rank, m.at()
		}
	}
	return end
}

// readContext reads the parts of the logs that are within the window.
func (t *tracer) readContext(ctx context.Context) error {
	c := catalogue.Load()
	var m catalogue.Match
	for _, w := range t.witnesses {
		if w.txn || t.to == 0 {
			continue
		}
		from, to := t.from+w.correction(), t.to+w.correction()
		t.probe = w.again()
		t.probe.quiet = true // it has complained already
		t.probe.files = slices.DeleteFunc(t.probe.files, func(name string) bool {
			return !slices.ContainsFunc(w.files, func(f fileSpan) bool { return f.name == name && f.from <= to && f.to >= from })
		})
		if err := w.around(ctx, from, to, c, &m); err != nil {
			return err
		}
		t.moments = append(t.moments, w.context...)
	}
	slices.SortStableFunc(t.moments, func(a, b *moment) int {
		if a.from == b.from && a.file == b.file && a.line > 0 && b.line > 0 && a.raw == b.raw {
			return cmp.Compare(a.line, b.line)
		}
		return cmp.Or(cmp.Compare(a.at(), b.at()), cmp.Compare(a.from.index, b.from.index), cmp.Compare(a.line, b.line))
	})
	return nil
}

// reacting is how long after the end, in ms, warnings of the client's program are shown: what it does about it.
const reacting = 10_000

func (w *witness) reacts(e *format.Event) bool {
	end := (w.t.from+w.t.to)/2 + w.correction()
	return len(w.own) > 0 && !w.server && e.Level == format.Warn && e.Time >= end-reacting && e.Time <= end+reacting
}

// ran notes that a member logged something. Times closer than tick are one.
func (w *witness) ran(member string, at, from, to int64) {
	const tick = 50
	if at < from-60_000 || at > to+60_000 {
		return
	}
	if w.alive == nil {
		w.alive = map[string][]int64{}
	}
	times := w.alive[member]
	if n := len(times); n > 0 && at-times[n-1] < tick || n >= mostAlive || n == 0 && len(w.alive) > 50 {
		return
	}
	w.alive[member] = append(times, at)
}

// around collects what a log tells within the window.
func (w *witness) around(ctx context.Context, from, to int64, c *catalogue.Catalogue, m *catalogue.Match) error {
	s := w.t.probe
	known := map[int64]string{} // the lines of the session
	for _, o := range w.own {
		known[o.line] = o.file
	}
	return s.each(ctx, func(e *format.Event) {
		if !e.Timed {
			return
		}
		w.ran(string(e.Member), e.Time, from, to)
		if e.Time < from || e.Time > to {
			return
		}
		if file, own := known[e.Line]; own && file == w.t.o.given(s.file) || len(w.context) >= mostContext {
			return
		}
		match := c.Match(e.Text, m)
		if match && contextual(m) || e.Level >= format.Error && (!match || m.Phrase.Rank >= catalogue.Notable) || w.reacts(e) {
			var phrase *catalogue.Match
			if match {
				phrase = m
			}
			w.context = append(w.context, w.t.moment(w, e, phrase))
		}
	})
}
