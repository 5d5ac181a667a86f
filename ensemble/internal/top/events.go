package top

import (
	"fmt"
	"slices"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/escape"
)

// event is something that happened to the ensemble.
type event struct {
	At   time.Time
	Text string
	Bad  bool
}

func (e event) line() string { return e.At.Format(time.TimeOnly) + " " + escape.Line(e.Text) }

// chronicle records what happens between surveys.
type chronicle struct {
	events []event // the newest last
	total  int     // ever recorded
	states map[string]probe.State
	leader string
	lostAt time.Time // when the leader was lost; zero while there is one
}

// maxEvents limits how many events are kept.
const maxEvents = 200

func (c *chronicle) note(at time.Time, bad bool, format string, a ...any) {
	c.total++
	c.events = append(c.events, event{at, fmt.Sprintf(format, a...), bad})
	if len(c.events) > maxEvents {
		c.events = c.events[1:]
	}
}

// observe compares a survey with the previous ones.
func (c *chronicle) observe(at time.Time, s *probe.Survey) {
	if c.states == nil {
		c.states = map[string]probe.State{}
	}
	listed := map[string]bool{}
	for _, r := range s.Readings {
		listed[r.Name()] = true
		c.member(at, r)
	}
	for name := range c.states {
		if listed[name] {
			continue
		}
		delete(c.states, name)
		if !slices.Contains(s.Twice, name) {
			c.note(at, false, "%s left the ensemble", name)
		} else if name == c.leader {
			c.leader = "" // it leads at another address
		}
	}
	c.election(at, s)
}

func (c *chronicle) member(at time.Time, r *probe.Reading) {
	before, known := c.states[r.Name()]
	if r.State == probe.Asked {
		return
	}
	c.states[r.Name()] = r.State
	switch {
	case before != probe.Serving:
	case r.Restarted:
		c.note(at, true, "%s was restarted", r.Label())
	case r.Reset:
		c.note(at, false, "%s was restarted, or its statistics were reset", r.Label())
	}
	switch {
	case known && before == r.State, !known && r.State == probe.Serving:
	case r.State == probe.Serving:
		c.note(at, false, "%s serves again%s", r.Label(), as(r.Mode))
	case r.State == probe.NotServing:
		c.note(at, true, "%s does not serve: it has no leader, or is starting", r.Label())
	case r.Error != nil:
		c.note(at, true, "%s is %s: %v", r.Label(), r.State, r.Error)
	default:
		c.note(at, true, "%s is %s", r.Label(), r.State)
	}
}

func as(mode string) string {
	if mode == "" {
		return ""
	}
	return " as " + mode
}

// election records that a leader was lost or found.
func (c *chronicle) election(at time.Time, s *probe.Survey) {
	var leader *probe.Reading
	for _, r := range s.Readings {
		if r.Leads() && (leader == nil || r.Epoch().Or(0) > leader.Epoch().Or(0)) {
			leader = r
		}
	}
	asked := false // whether the leader may still be alive
	for _, r := range s.Readings {
		asked = asked || r.State == probe.Asked && (c.leader == "" || r.Name() == c.leader)
	}
	switch {
	case leader == nil && c.leader != "" && c.lostAt.IsZero() && !asked:
		c.lostAt = at
		c.note(at, true, "no leader: %s led", c.leader)
	case leader == nil:
	case c.leader == "":
		c.leader = leader.Name()
	case c.leader != leader.Name() || !c.lostAt.IsZero():
		text := leader.Label() + " leads"
		if c.leader == leader.Name() {
			text += " again"
		}
		if !c.lostAt.IsZero() {
			text += fmt.Sprintf(", after about %v without a leader", at.Sub(c.lostAt).Round(100*time.Millisecond))
		}
		if c.leader != leader.Name() {
			text += "; before, " + c.leader + " did"
		}
		c.note(at, false, "%s", text)
		c.leader, c.lostAt = leader.Name(), time.Time{}
	}
}
