package logs

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
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
	strong    int    // pairs that no two ensembles have in common
	why       string // it is not known, if there is something to say
}

func (s *skew) String() string {
	switch {
	case s.reference:
		return "the reference"
	case !s.known && s.why != "":
		return "could not be compared: " + s.why
	case !s.known:
		return "could not be compared"
	}
	way := "ahead"
	ms := s.ms
	if ms < 0 {
		way, ms = "behind", -ms
	}
	text := fmt.Sprintf("%s %s, within %s", ui.Duration(ms), way, ui.Duration(s.within))
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
	weak   bool   // other ensembles may have it, too: what every new one does
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
		return append(dst, mark{"vote", member != field("sid"), key, early(m.Field("zxid"))})
	case "session-established-server":
		return append(dst, mark{"established", false, hexText(m.Field("session")), false})
	case "session-global-commit":
		id := hexText(m.Field("session")) // its client hears of it later
		return append(dst, mark{"committed", true, id, false}, mark{"established", false, id, false})
	case "session-closed-server":
		return append(dst, mark{"processed", true, hexText(m.Field("session")), false})
	case "session-expired":
		return append(dst, mark{"ended", false, hexText(m.Field("session")), false})
	case "client-established", "go-authenticated":
		return append(dst, mark{"established", true, hexText(m.Field("session")), false})
	case "server-closed-socket":
		if id := m.Field("session"); id != nil {
			return append(dst, mark{"closed", false, hexText(id), false})
		}
	case "client-server-closed":
		return append(dst, mark{"closed", true, hexText(m.Field("session")), false})
	case "sending-diff":
		if id := m.Field("zxid"); id != nil {
			return append(dst, mark{"diff to " + field("sid"), false, hexText(id), early(id)})
		}
	case "follower-diff":
		return append(dst, mark{"diff to " + member, true, hexText(m.Field("zxid")), early(m.Field("zxid"))})
	case "quorum-of-supporters":
		return append(dst, mark{ledEpoch, false, epochOf(m.Field("zxid")), true})
	case "newleader-ack":
		return append(dst, mark{"newleader of " + field("sid"), true, "", true})
	}
	return dst
}

// ledEpoch is the mark of a leader that has a quorum.
const ledEpoch = "epoch"

// early reports whether a zxid is one of the first of its epoch, which other ensembles have soon, too.
func early(zxid []byte) bool {
	n, err := strconv.ParseUint(hexText(zxid)[2:], 16, 64)
	return err != nil || n&0xffff_ffff < 4096
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
	for _, apart := range connect(all, seen) {
		ui.Warn(r.streams.Err, "%s; read the logs of one ensemble at a time", escape.Line(apart))
	}
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
