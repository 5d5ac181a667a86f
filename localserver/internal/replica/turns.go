package replica

import (
	"encoding/binary"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// A connection with slow reads must not keep the others waiting for the loop.
const (
	// turnTime is how long one connection's reads are answered in a round of the loop before it is
	// the others' turn.
	turnTime = 2 * time.Millisecond

	// turnsTime is how long, in total, connections that have used their turn are then answered.
	turnsTime = 4 * time.Millisecond
)

// turn is how much of a round a connection's reads have taken.
type turn struct {
	round uint64
	spent time.Duration
	over  bool // is in Replica.later
}

// took accounts for the answer just given. It includes whatever the loop has done since the
// previous one; at worst a connection waits for the end of the round.
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

// takeTurns continues with the connections that have used their turn.
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

// weigh estimates the bytes of the reply to a read before it is made.
func (s *Replica) weigh(r *request) int {
	if r.weight == 0 {
		r.weight = 100
		if o := operationOf(r.Type); o != nil && o.weigh != nil {
			r.weight += o.weigh(s, r)
		}
	}
	return r.weight
}

// weighZnode weighs the reply about the znode whose path starts the request.
func weighZnode(weigh func(*Replica, *ztree.Node) int) func(*Replica, *request) int {
	return func(s *Replica, r *request) int {
		n := s.tree.Get(firstString(r.Body))
		if n == nil {
			return 0
		}
		return weigh(s, n)
	}
}

func (s *Replica) weighData(n *ztree.Node) int { return len(n.Data()) }

func (s *Replica) weighNames(n *ztree.Node) int { return n.NamesLength() }

func (s *Replica) weighACL(n *ztree.Node) int {
	if list := s.tree.ACLList(n.ACL); list != nil {
		return 64 * len(list.List)
	}
	return 0
}

func (s *Replica) weighEphemerals(r *request) int { return 64 * s.tree.EphemeralsOf(r.Session) }

// weighEvents assumes that all watches fire, and short paths.
func (s *Replica) weighEvents(r *request) int { return 7 * len(r.Body) }

func (s *Replica) weighMultiRead(r *request) (sum int) {
	var multi proto.MultiRequest
	if jute.Unmarshal(r.Body, &multi) != nil {
		return 0
	}
	for _, part := range multi.Ops {
		if q, ok := part.Request.(*proto.PathWatchRequest); ok {
			if n := s.tree.Get(q.Path); n != nil && part.Type == proto.OpGetData {
				sum += len(n.Data())
			} else if n != nil {
				sum += n.NamesLength()
			}
		}
	}
	return sum
}

// firstString returns the string at the start of a request, or "" if there is none.
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
