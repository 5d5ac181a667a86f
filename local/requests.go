package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/localserver"
)

// request is something to ask of the process of a named server; its fields are sent as JSON. R is
// the type of the reply.
type request[R any] interface {
	name() string
	answer(ctx context.Context, p *process) (R, error) // in the process
}

// answers holds every request by name.
var answers = func() map[string]func(context.Context, *process, json.RawMessage) (any, error) {
	m := map[string]func(context.Context, *process, json.RawMessage) (any, error){}
	add[statusRequest](m)
	add[stopRequest](m)
	add[Kill](m)
	add[Halt](m)
	add[Restart](m)
	add[Pause](m)
	add[Resume](m)
	add[Partition](m)
	add[Heal](m)
	add[Add](m)
	add[Remove](m)
	return m
}()

func add[Q request[R], R any](m map[string]func(context.Context, *process, json.RawMessage) (any, error)) {
	var zero Q
	m[zero.name()] = func(ctx context.Context, p *process, body json.RawMessage) (any, error) {
		var q Q
		if err := json.Unmarshal(body, &q); err != nil {
			return nil, fmt.Errorf("read the request %s: %w", q.name(), err)
		}
		return q.answer(ctx, p)
	}
}

// statusRequest asks for a server as it sees itself.
type statusRequest struct{}

func (statusRequest) name() string { return "status" }

func (statusRequest) answer(ctx context.Context, p *process) (*Status, error) {
	return p.status(ctx), nil
}

// stopRequest ends the process.
type stopRequest struct{}

func (stopRequest) name() string { return "stop" }

func (stopRequest) answer(_ context.Context, p *process) (struct{}, error) {
	select {
	case p.stop <- struct{}{}:
	default: // already stopping
	}
	return struct{}{}, nil
}

// Action is something to do to a running server: Kill, Halt, Restart, Pause, Resume, Partition, Heal, Add or Remove.
type Action = request[Done]

// NameOf returns the name of an action, such as kill.
func NameOf(a Action) string { return a.name() }

// Done is the result of an Action.
type Done struct {
	Members []int64 `json:"members,omitempty"` // the numbers of the members concerned, or of the leader that was found
}

// Do makes the server's process perform an action.
func (s *Server) Do(ctx context.Context, action Action) (Done, error) { return ask(ctx, s, action) }

// Members says which members are meant. A standalone server need not be named.
type Members struct {
	IDs    []int64 `json:"ids,omitempty"`
	Leader bool    `json:"leader,omitempty"` // also the current leader
}

// ParseMembers parses member numbers and the word leader.
func ParseMembers(words []string) (m Members, err error) {
	for _, word := range words {
		if strings.EqualFold(word, "leader") {
			m.Leader = true
			continue
		}
		id, err := strconv.ParseInt(word, 10, 64)
		if err != nil || id < 1 {
			return Members{}, fmt.Errorf("invalid member %q; use its number, or leader", word)
		}
		m.IDs = append(m.IDs, id)
	}
	return m, nil
}

// empty reports whether no member is named.
func (m Members) empty() bool { return len(m.IDs) == 0 && !m.Leader }

// find returns the named members.
func (m Members) find(ctx context.Context, p *process) (list []*localserver.Member, err error) {
	for _, id := range m.IDs {
		member := p.ensemble.Member(id)
		if member == nil {
			return nil, fmt.Errorf("%s has no member %d", p.server.Name, id)
		}
		list = append(list, member)
	}
	if m.Leader {
		leader, err := p.leader(ctx)
		if err != nil {
			return nil, err
		}
		list = append(list, leader)
	}
	if len(list) > 0 {
		return list, nil
	}
	if all := p.ensemble.Members(); len(all) == 1 {
		return all, nil
	}
	return nil, fmt.Errorf("which member of %s? Use its number, or leader", p.server.Name)
}

func (p *process) leader(ctx context.Context) (*localserver.Member, error) {
	return p.ensemble.Leader(ctx)
}

// each calls do for the named members, one after another.
func (m Members) each(ctx context.Context, p *process, do func(*localserver.Member) error) (done Done, err error) {
	list, err := m.find(ctx, p)
	if err != nil {
		return done, err
	}
	return toEach(list, do)
}

func toEach(list []*localserver.Member, do func(*localserver.Member) error) (done Done, err error) {
	for _, member := range list {
		if err := do(member); err != nil {
			return Done{}, err
		}
		done.Members = append(done.Members, member.ID())
	}
	return done, nil
}

// Kill kills members as kill -9 does.
type Kill struct{ Members }

func (Kill) name() string { return "kill" }

func (q Kill) answer(ctx context.Context, p *process) (Done, error) {
	return q.each(ctx, p, (*localserver.Member).Kill)
}

// Halt stops members gracefully; the others continue.
type Halt struct{ Members }

func (Halt) name() string { return "halt" }

func (q Halt) answer(ctx context.Context, p *process) (Done, error) {
	return q.each(ctx, p, (*localserver.Member).Stop)
}

// Restart stops running members and starts them.
type Restart struct{ Members }

func (Restart) name() string { return "restart" }

func (q Restart) answer(ctx context.Context, p *process) (Done, error) {
	return q.each(ctx, p, func(m *localserver.Member) error { return m.Restart(ctx) })
}

// Pause suspends members as SIGSTOP does.
type Pause struct{ Members }

func (Pause) name() string { return "pause" }

func (q Pause) answer(ctx context.Context, p *process) (Done, error) {
	return q.each(ctx, p, (*localserver.Member).Pause)
}

// Resume resumes paused members; all of them if none is named.
type Resume struct{ Members }

func (Resume) name() string { return "resume" }

func (q Resume) answer(ctx context.Context, p *process) (Done, error) {
	if all := p.ensemble.Members(); q.empty() && len(all) > 1 {
		paused := slices.DeleteFunc(all, func(m *localserver.Member) bool { return !m.Paused() })
		return toEach(paused, (*localserver.Member).Resume)
	}
	return q.each(ctx, p, (*localserver.Member).Resume)
}

// Partition cuts the links between members of different sides. Members that are not named form another side.
type Partition struct {
	Sides []Members `json:"sides"`
}

func (Partition) name() string { return "partition" }

func (q Partition) answer(ctx context.Context, p *process) (done Done, err error) {
	var sides [][]int64
	for _, side := range q.Sides {
		ids := side.IDs
		if side.Leader {
			if done.Members == nil {
				leader, err := p.leader(ctx)
				if err != nil {
					return done, err
				}
				done.Members = []int64{leader.ID()}
			}
			ids = append(ids, done.Members[0])
		}
		sides = append(sides, ids)
	}
	if err := p.ensemble.Partition(sides...); err != nil {
		return done, err
	}
	if len(p.ensemble.CutLinks()) == 0 {
		return done, errors.New("partition: all members are on one side, so no link is cut")
	}
	return done, nil
}

// Heal restores the links of members that Partition cut; all links if none is named.
type Heal struct{ Members }

func (Heal) name() string { return "heal" }

func (q Heal) answer(ctx context.Context, p *process) (Done, error) {
	if q.empty() {
		p.ensemble.HealAll()
		return Done{}, nil
	}
	return q.each(ctx, p, func(m *localserver.Member) error {
		for _, other := range p.ensemble.Members() {
			p.ensemble.Heal(m.ID(), other.ID())
		}
		return nil
	})
}

// Add adds a member by reconfiguration; Done has its number.
type Add struct {
	Observer bool `json:"observer,omitempty"` // an observer, which does not vote
	Apache   bool `json:"apache,omitempty"`   // an Apache ZooKeeper process
}

func (Add) name() string { return "add" }

func (q Add) answer(ctx context.Context, p *process) (Done, error) {
	engine := localserver.Embedded
	if q.Apache {
		engine = localserver.Apache
	}
	m, err := p.ensemble.Add(ctx, localserver.AddOptions{Observer: q.Observer, Engine: engine})
	if err != nil {
		return Done{}, adviseStandalone(err)
	}
	return Done{Members: []int64{m.ID()}}, p.membersChanged()
}

// Remove removes members by reconfiguration, and stops them.
type Remove struct{ Members }

func (Remove) name() string { return "remove" }

func (q Remove) answer(ctx context.Context, p *process) (Done, error) {
	done, err := q.each(ctx, p, func(m *localserver.Member) error { return adviseStandalone(p.ensemble.Remove(ctx, m.ID())) })
	return done, errors.Join(err, p.membersChanged()) // the first may be removed even if the next stays
}

// adviseStandalone says how to start a server that can be reconfigured.
func adviseStandalone(err error) error {
	if errors.Is(err, localserver.ErrStandalone) {
		return fmt.Errorf("%w (zkctl local start --set standaloneEnabled=false)", err)
	}
	return err
}

// membersChanged stores the new connect string for those who connect by name.
func (p *process) membersChanged() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server.ConnectString, p.server.TLS = p.ensemble.ConnectString(), newTLS(p.ensemble)
	return p.server.save()
}
