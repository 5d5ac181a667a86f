package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/fourletter"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// impatience is the fraction of the deadline after which the next doors are tried beside a silent one. A door that could
// only add to what is known gets no longer either.
const impatience = 4

// piece is the result of one question at one door. It fills in what a reading does not know yet.
type piece struct {
	door Door
	what string
	take func(*Reading) // nil if err is not
	err  error
}

// hint is what one member reports about the others before its reading is complete.
type hint struct {
	member Member
	config *Config // nil if it serves in an ensemble, but only a session can read the configuration
}

// take asks one member until ctx ends. crowded says that other members are on its host, so an AdminServer there may
// belong to one of them. At most one hint is sent, unless hints is nil.
func (p *Prober) take(ctx context.Context, m Member, crowded bool, q questions, hints chan<- hint) *Reading {
	own := p.own(&m)
	r := &Reading{Member: m, At: time.Now(), State: Failed, own: own.share(), ownTxns: p.txns.share(), asked: q}
	defer func() { r.Took = time.Since(r.At) }()
	if len(m.Addresses) == 0 {
		r.Error = errNoAddress
		return r
	}
	deadline, _ := ctx.Deadline()
	brief := time.Until(deadline) / impatience
	t := &taking{p: p, m: &r.Member, crowded: crowded, pieces: make(chan piece, 8)}
	words := func(list []string) {
		for _, word := range list {
			t.ask(ctx, Words, word, func(ctx context.Context) (func(*Reading), error) { return p.wordPiece(ctx, &m, word) })
		}
	}
	first := len(q.words)
	if q.inTurn {
		first = min(first, 1)
	}
	words(q.words[:first])
	if len(q.admin) > 0 {
		t.askAdmin(ctx, q.admin...)
	}
	late := time.NewTimer(brief)
	defer late.Stop()
	outcome := map[string]error{}
	for t.pending > 0 {
		select {
		case <-late.C:
			if outcome["srvr"] == nil && len(r.Doors) == 0 {
				t.askAdmin(ctx)
				t.askSession(ctx)
			}
			continue
		case <-ctx.Done():
			t.expire(outcome)
			continue
		case got := <-t.pieces:
			t.pending--
			delete(t.open, got.what)
			outcome[got.what] = got.err
			if got.what == "srvr" {
				r.own.most, r.ownTxns.most = own.begun.Load()-1, p.txns.begun.Load() // without srvr itself
				words(q.words[first:])
			}
			if got.err == nil {
				got.take(r)
				r.opened(got.door)
				r.told = append(r.told, got.what)
				if got.what == "session" || got.what == "srvr" || got.what == "admin" && r.Mode != "" {
					r.State = Serving
				}
			}
		}
		told := r.Config != nil || r.State == Serving && r.Mode != "standalone" && t.asked["conf"] && !t.open["conf"] && !t.asked["session"]
		if told && hints != nil {
			hints <- hint{r.Member, r.Config}
			hints = nil
		}
		if isForeign(outcome["session"]) && !t.open["admin"] { // no word will be answered
			t.expire(outcome)
			continue
		}
		switch err := outcome["srvr"]; {
		case t.open["srvr"]:
		case err == nil: // more may be learned
			if outcome["mntr"] != nil || outcome["conf"] != nil {
				t.askAdmin(bounded(ctx, brief))
			}
		case errors.Is(err, ErrNotServing):
			t.askAdmin(bounded(ctx, brief))
		default:
			t.askAdmin(ctx)
			if !t.open["admin"] && len(r.Doors) == 0 && !isRefused(err) {
				t.askSession(ctx)
			}
		}
	}
	r.conclude(outcome)
	return r
}

// bounded returns a context that ends after d, or with ctx.
func bounded(ctx context.Context, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(ctx, d)
	context.AfterFunc(ctx, cancel)
	return ctx
}

// taking is a reading being taken.
type taking struct {
	p       *Prober
	m       *Member
	crowded bool
	pieces  chan piece
	pending int
	asked   map[string]bool
	open    map[string]bool // questions not answered yet
}

func (t *taking) ask(ctx context.Context, door Door, what string, question func(context.Context) (func(*Reading), error)) {
	if t.asked[what] {
		return
	}
	if t.asked == nil {
		t.asked, t.open = map[string]bool{}, map[string]bool{}
	}
	t.asked[what], t.open[what] = true, true
	t.pending++
	go func() {
		take, err := question(ctx)
		t.pieces <- piece{door, what, take, Reason(err)}
	}()
}

// askAdmin asks the AdminServer for the commands, or for all useful ones if there are none.
func (t *taking) askAdmin(ctx context.Context, commands ...string) {
	if len(commands) == 0 {
		commands = []string{adminConfiguration, adminStats, adminMonitor}
	}
	if t.m.AdminPort != 0 {
		m := *t.m
		t.ask(ctx, Admin, "admin", func(ctx context.Context) (func(*Reading), error) { return t.p.adminPiece(ctx, &m, t.crowded, commands) })
	}
}

func (t *taking) askSession(ctx context.Context) {
	m := *t.m
	t.ask(ctx, Session, "session", func(ctx context.Context) (func(*Reading), error) {
		g, err := t.p.open(ctx, &m)
		if err != nil {
			return nil, err
		}
		return func(r *Reading) {
			if g.readOnly && r.Mode == "" {
				r.Mode = "read-only"
			}
			r.takeConfig(string(g.config), Session)
		}, nil
	})
}

// expire gives up on the questions not answered yet.
func (t *taking) expire(outcome map[string]error) {
	for what := range t.open {
		outcome[what] = errTimeout
	}
	t.pending = 0
}

func (r *Reading) opened(d Door) {
	for _, known := range r.Doors {
		if known == d {
			return
		}
	}
	r.Doors = append(r.Doors, d)
}

// conclude sets the state and the reason of a member that does not serve, and lists the doors that stayed closed.
func (r *Reading) conclude(outcome map[string]error) {
	words := outcome["srvr"]
	if words == nil {
		if words = outcome["mntr"]; words == nil {
			words = outcome["conf"]
		}
	}
	for _, a := range []Attempt{{Words, words}, {Admin, outcome["admin"]}, {Session, outcome["session"]}} {
		switch {
		case errors.Is(a.Err, ErrNotServing): // which is an answer
			r.opened(a.Door)
		case a.Err != nil:
			r.Tried = append(r.Tried, a)
		}
	}
	if r.State == Serving {
		return
	}
	session := outcome["session"]
	r.Error = outcome["srvr"]
	switch {
	case errors.Is(r.Error, ErrNotServing) || errors.Is(outcome["admin"], ErrNotServing):
		r.State, r.Error = NotServing, ErrNotServing
	case isRefused(r.Error):
		r.State = Down
	case session != nil && !isTimeout(session):
		r.Error = session // it describes the port best
	case isTimeout(r.Error):
		r.State = Silent
	}
}

func isRefused(err error) bool { return errors.Is(err, errRefused) }

// isForeign reports whether a session failed because the port speaks another protocol.
func isForeign(err error) bool {
	var foreign *client.ProtocolError
	return errors.As(err, &foreign)
}

func isTimeout(err error) bool {
	return errors.Is(err, errTimeout) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// wordPiece asks for srvr, mntr or conf.
func (p *Prober) wordPiece(ctx context.Context, m *Member, word string) (func(*Reading), error) {
	text, err := p.Word(ctx, m, word)
	if err != nil {
		return nil, err
	}
	defer fourletter.Free(text) // what is read is copied
	switch word {
	case "srvr":
		s, err := answer.ParseSrvr(text)
		if err != nil {
			return nil, err
		}
		switch {
		case s.Mode == "": // which every server that serves tells
			return nil, errHalf
		case !slices.Contains(modes, s.Mode):
			return nil, fmt.Errorf("srvr reports the mode %q, which no release has", s.Mode)
		}
		return func(r *Reading) { r.takeSrvr(s) }, nil
	case "mntr":
		metrics, err := answer.ParseMntr(text)
		if err != nil {
			return nil, err
		}
		return func(r *Reading) { r.takeMetrics(metrics) }, nil
	}
	s, err := answer.ParseSettings(text)
	if err != nil {
		return nil, err
	}
	id := number(s.Get("serverId"))
	return func(r *Reading) {
		r.Settings = s
		r.takeID(id, s.Membership != "")
		r.takeConfig(s.Membership, Words)
	}, nil
}

// errHalf is for an answer that ends too soon.
var errHalf = errors.New("the connection was closed in the middle of the answer to srvr")

func number(s string) (id answer.Opt[int64]) {
	if n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64); err == nil {
		id = answer.Some(n)
	}
	return id
}

// takeID notes the id that a member reports. A standalone server reports 0.
func (r *Reading) takeID(id answer.Opt[int64], member bool) {
	if n, ok := id.Get(); ok && (n > 0 || member) {
		r.ID.Fill(id)
	}
}

// takeConfig notes the configuration that a member has.
func (r *Reading) takeConfig(text string, door Door) {
	if text == "" || r.Config != nil {
		return
	}
	if v, err := zoocfg.ParseVerifier([]byte(text)); err == nil && len(v.Members()) > 0 {
		r.Config = &Config{QuorumVerifier: v, From: r.Name(), Door: door}
	}
}

// adminPiece asks the AdminServer for commands. If its configuration is among them, the answers count only if the
// AdminServer is the member's.
func (p *Prober) adminPiece(ctx context.Context, m *Member, crowded bool, commands []string) (func(*Reading), error) {
	type reply struct {
		answer.Object
		clock answer.Opt[int64]
		err   error
	}
	replies := make([]reply, len(commands))
	var wg sync.WaitGroup
	for i, command := range commands {
		wg.Go(func() { replies[i].Object, replies[i].clock, replies[i].err = p.AdminAndClock(ctx, m, command) })
	}
	wg.Wait()
	find := func(command string) (answer.Object, bool) {
		i := slices.Index(commands, command)
		if i < 0 || replies[i].err != nil {
			return answer.Object{}, false
		}
		return replies[i].Object, true
	}
	monitor := slices.Index(commands, adminMonitor)
	if err := replies[monitor].err; err != nil {
		// It does not ask for a role, and since 3.6 it fails without one, with status 500.
		if slices.ContainsFunc(replies, func(r reply) bool { return errors.Is(r.err, ErrNotServing) }) {
			err = ErrNotServing
		}
		return nil, err
	}
	configuration, _ := find(adminConfiguration)
	if slices.Contains(commands, adminConfiguration) && crowded {
		switch port, known := configuration.ClientPort().Get(); {
		case !known:
			return nil, fmt.Errorf("the AdminServer on port %d does not reveal which member of that host it belongs to", m.AdminPort)
		case port > 0 && !m.listens(int(port)):
			return nil, fmt.Errorf("the AdminServer on port %d belongs to the member with client port %d", m.AdminPort, port)
		}
	}
	return func(r *Reading) {
		r.Clock = replies[monitor].clock
		stats, serves := find(adminStats)
		if serves {
			r.takeSrvr(stats.Srvr())
		}
		mode := r.Mode
		r.takeMetrics(replies[monitor].Metrics())
		if !serves { // it does not serve, whatever its previous mode
			r.Mode = mode
		}
		if configuration, ok := find(adminConfiguration); ok {
			if r.Settings == nil {
				r.Settings = configuration.Settings()
			}
			r.takeID(configuration.ServerID(), r.Mode != "standalone")
		}
	}, nil
}

func (m *Member) listens(port int) bool {
	for _, a := range m.Addresses {
		if a.Port == port {
			return true
		}
	}
	return false
}
