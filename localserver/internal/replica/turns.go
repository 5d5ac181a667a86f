package replica

import (
	"encoding/binary"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// A connection whose reads take long must not keep the others waiting: the loop is for all.
const (
	// turnTime is for how long one connection's reads are answered in a round of the loop
	// before the others have had theirs.
	turnTime = 2 * time.Millisecond

	// turnsTime is for how long those are answered then who have had their time, all together.
	turnsTime = 4 * time.Millisecond
)

// turn is how much of a round a connection's reads have taken.
type turn struct {
	round uint64
	spent time.Duration
	over  bool // is in Replica.later
}

// took accounts for an answer that has just been given. What else the loop has done since the
// one before is taken for a part of it, which only makes somebody wait for the end of the round.
func (c *conn) took() {
	s := c.s
	if c.turn.round != s.round {
		c.turn.round, c.turn.spent = s.round, 0
	}
	if at := c.stats.lastAt; at.After(s.clock) {
		c.turn.spent += at.Sub(s.clock)
		s.clock = at
	}
	if c.turn.spent > turnTime && !c.turn.over {
		c.turn.over = true
		s.later = append(s.later, c)
	}
}

// takeTurns goes on with those who have had their time.
func (s *Replica) takeTurns() {
	if len(s.later) == 0 {
		return
	}
	s.clock = time.Now()
	for end := s.clock.Add(turnsTime); len(s.later) > 0 && s.clock.Before(end); {
		c := s.later[0]
		s.later[0] = nil
		s.later = s.later[1:]
		c.turn = turn{round: s.round}
		c.touch()
		c.advance()
		s.clock = time.Now()
	}
}

// weigh is how many bytes the reply to a read has, about, before it is made.
func (s *Replica) weigh(r *request) int {
	if r.weight == 0 {
		r.weight = 100 + s.weightOf(r.Session, r.Type, r.Body)
	}
	return r.weight
}

func (s *Replica) weightOf(session int64, op proto.Op, body []byte) int {
	switch op {
	case proto.OpGetData, proto.OpGetChildren, proto.OpGetChildren2, proto.OpGetACL:
		n := s.tree.Get(firstString(body))
		switch {
		case n == nil:
			return 0
		case op == proto.OpGetData:
			return len(n.Data)
		case op == proto.OpGetACL:
			if list := s.tree.ACLList(n.ACL); list != nil {
				return 64 * len(list.List)
			}
			return 0
		}
		return n.NamesLength()
	case proto.OpGetEphemerals:
		return 64 * s.tree.EphemeralsOf(session)
	case proto.OpMultiRead:
		var multi proto.MultiRequest
		if jute.Unmarshal(body, &multi) != nil {
			return 0
		}
		sum := 0
		for _, part := range multi.Ops {
			if q, ok := part.Request.(*proto.PathWatchRequest); ok {
				if n := s.tree.Get(q.Path); n != nil && part.Type == proto.OpGetData {
					sum += len(n.Data)
				} else if n != nil {
					sum += n.NamesLength()
				}
			}
		}
		return sum
	case proto.OpSetWatches, proto.OpSetWatches2:
		return 7 * len(body) // of events, if all fire, and the paths are short
	}
	return 0
}

// firstString is the string that a request begins with, "" where there is none.
func firstString(body []byte) string {
	if len(body) < 4 {
		return ""
	}
	n := int32(binary.BigEndian.Uint32(body))
	if n < 0 || int(n) > len(body)-4 {
		return ""
	}
	return string(body[4 : 4+n])
}
