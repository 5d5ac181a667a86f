package logs

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/zkctl/zkctl/logs/internal/catalogue"
	"github.com/zkctl/zkctl/logs/internal/format"
)

// skew is how far the clock of a log is ahead of the reference's.
type skew struct {
	known     bool
	reference bool
	ms        int64 // ahead; negative is behind
	within    int64 // the uncertainty
	pairs     int
	oneWay    bool // all pairs go in one direction, so what a message takes is in ms
}

func (s *skew) String() string {
	switch {
	case s.reference:
		return "the reference"
	case !s.known:
		return "could not be compared"
	}
	way := "ahead"
	ms := s.ms
	if ms < 0 {
		way, ms = "behind", -ms
	}
	text := fmt.Sprintf("%s %s, within %s", stretch(ms), way, stretch(s.within))
	if s.pairs == 1 {
		return text + ", from one pair of events"
	}
	return fmt.Sprintf("%s, from %d pairs of events", text, s.pairs)
}

// correction is what is subtracted from the times of a log: its skew, if that is certain to be one.
func (s *source) correction() int64 {
	if s.reading.asLogged || !s.skew.known || max(s.skew.ms, -s.skew.ms) <= s.skew.within {
		return 0
	}
	return s.skew.ms
}

// mostMarks limits how many events of a log are remembered to find them in another one.
const mostMarks = 20000

// mark is an event that two logs tell of: one causes the other, or both are the same message.
type mark struct {
	name   string // the kind of the event
	effect bool   // the later one
	key    string // what the two have in common
}

// sighting is when a log had a mark.
type sighting struct {
	at    int64
	twice bool // the mark is not unique
}

// marks adds what an event can be compared with in other logs. A server's own vote reaches itself when it reaches the
// others; a learner is sent its data before it says so; a server answers a client before the client says so.
func marks(dst []mark, member string, m *catalogue.Match) []mark {
	field := func(name string) string { return string(m.Field(name)) }
	switch m.Phrase.Name {
	case "notification":
		// The sender's id tells the two apart: it is a cause in the sender's own log.
		key := fmt.Sprint(field("sid"), " ", field("leader"), " ", field("zxid"), " ", field("round"), " ", field("peerstate"), " ", field("epoch"))
		return append(dst, mark{"vote", member != field("sid"), key})
	case "session-established-server":
		return append(dst, mark{"established", false, hexText(m.Field("session"))})
	case "session-global-commit":
		id := hexText(m.Field("session")) // its client hears of it later
		return append(dst, mark{"committed", true, id}, mark{"established", false, id})
	case "session-closed-server":
		return append(dst, mark{"processed", true, hexText(m.Field("session"))})
	case "session-expired":
		return append(dst, mark{"ended", false, hexText(m.Field("session"))})
	case "client-established":
		return append(dst, mark{"established", true, hexText(m.Field("session"))})
	case "server-closed-socket":
		if id := m.Field("session"); id != nil {
			return append(dst, mark{"closed", false, hexText(id)})
		}
	case "client-server-closed":
		return append(dst, mark{"closed", true, hexText(m.Field("session"))})
	case "sending-diff":
		if id := m.Field("zxid"); id != nil {
			return append(dst, mark{"diff to " + field("sid"), false, hexText(id)})
		}
	case "follower-diff":
		return append(dst, mark{"diff to " + member, true, hexText(m.Field("zxid"))})
	case "quorum-of-supporters":
		return append(dst, mark{"epoch", false, epochOf(m.Field("zxid"))})
	case "newleader-ack":
		return append(dst, mark{"newleader of " + field("sid"), true, ""})
	}
	return dst
}

// epochOf is the upper half of a zxid.
func epochOf(zxid []byte) string {
	text := hexText(zxid)[2:]
	if len(text) <= 8 {
		return "0"
	}
	return text[:len(text)-8]
}

// estimateSkews compares the clocks of the logs, which it reads for that. Standard input and pipes, which can be read only
// once, stay unknown.
func (r *reading) estimateSkews(ctx context.Context, all []*source) error {
	if len(all) < 2 {
		return nil
	}
	seen := make([]map[mark]sighting, len(all))
	for i, s := range all {
		seen[i] = map[mark]sighting{}
		if !rereadable(s.files) {
			continue
		}
		probe := s.again()
		probe.quiet = true
		if err := probe.sight(ctx, seen[i], nil); err != nil {
			return err
		}
		s.member = probe.member
	}
	connect(all, seen)
	return nil
}

// sight reads a log and notes its marks. visit, unless it is nil, is called with each event and with the phrase that it
// is, or nil.
func (s *source) sight(ctx context.Context, seen map[mark]sighting, visit func(*format.Event, *catalogue.Match)) error {
	c := catalogue.Load()
	var m catalogue.Match
	var found []mark
	return s.each(ctx, func(e *format.Event) {
		if visit == nil && (!e.Timed || e.Level == format.Debug) {
			return
		}
		known := c.Match(e.Text, &m)
		if known {
			s.learn(&m)
		}
		if visit != nil && known {
			visit(e, &m)
		} else if visit != nil {
			visit(e, nil)
		}
		if !known || !e.Timed || e.Level == format.Debug {
			return
		}
		found = marks(found[:0], s.member, &m)
		for _, k := range found {
			if old, again := seen[k]; again {
				old.twice = true
				seen[k] = old
			} else if len(seen) < cmp.Or(s.reading.marks, mostMarks) {
				seen[k] = sighting{at: e.Time}
			}
		}
	})
}

// learn takes a server's id from what it says itself, for layouts without myid.
func (s *source) learn(m *catalogue.Match) {
	switch m.Phrase.Name {
	case "new-election", "starting-quorum-peer":
		if id := m.Field("myid"); id != nil && s.member == "" {
			s.member = string(id)
		}
	}
}

// connect finds the skews from what the logs have seen. The reference is the log with the most pairs; others are
// reached from it through as few logs as possible.
func connect(all []*source, seen []map[mark]sighting) {
	n := len(all)
	between := make([][]skew, n)
	total := make([]int, n)
	for i := range n {
		between[i] = make([]skew, n)
	}
	for i := range n {
		for j := i + 1; j < n; j++ {
			s := compare(seen[i], seen[j])
			between[i][j] = s
			s.ms = -s.ms
			between[j][i] = s
			total[i] += s.pairs
			total[j] += s.pairs
		}
	}
	reference := 0
	for i, t := range total {
		if t > total[reference] {
			reference = i
		}
	}
	if total[reference] == 0 {
		return
	}
	all[reference].skew = skew{known: true, reference: true}
	for queue := []int{reference}; len(queue) > 0; queue = queue[1:] {
		from := queue[0]
		for to := range n {
			if step := between[from][to]; step.known && !all[to].skew.known {
				step.ms += all[from].skew.ms
				step.within += all[from].skew.within
				all[to].skew = step
				queue = append(queue, to)
			}
		}
	}
}

// compare returns how far the second log's clock is ahead of the first's.
func compare(first, second map[mark]sighting) skew {
	var there, back []int64 // the differences of pairs whose cause is in the first log, and in the second
	for k, a := range first {
		if a.twice {
			continue
		}
		other := k
		other.effect = !k.effect
		b, ok := second[other]
		if !ok || b.twice {
			continue
		}
		if k.effect {
			back = append(back, b.at-a.at)
		} else {
			there = append(there, b.at-a.at)
		}
	}
	s := skew{known: len(there)+len(back) > 0, pairs: len(there) + len(back)}
	switch {
	case !s.known:
	case len(there) == 0:
		s.ms, s.oneWay, s.within = median(back), true, oneWayWithin
	case len(back) == 0:
		s.ms, s.oneWay, s.within = median(there), true, oneWayWithin
	default:
		// An effect is later than its cause, so there is skew + delay, and back is skew - delay.
		t, b := median(there), median(back)
		s.ms = (t + b) / 2
		s.within = max((max(t-b, b-t)+1)/2, 1)
	}
	return s
}

// oneWayWithin is the uncertainty, in ms, if all pairs go one way: what a message may take on a busy machine.
const oneWayWithin = 50

func median(list []int64) int64 {
	slices.Sort(list)
	return list[len(list)/2]
}
