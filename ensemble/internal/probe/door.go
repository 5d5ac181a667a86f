package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/fourletter"
)

// Reasons why a door that was reached gave no answer.
var (
	ErrNotServing     = errors.New("the member does not serve: it has no leader, or is starting")
	ErrNotWhitelisted = errors.New("not in 4lw.commands.whitelist")
	ErrEmpty          = errors.New("the member closed the connection without an answer")
)

// Prober asks members. Its methods may be called from any goroutine.
type Prober struct {
	Client     client.Config // how to connect: TLS, identities, Dial; Servers are the members to begin with
	AdminPorts []int         // one for all, or one for each of Servers; none to leave the AdminServers alone

	packets sync.Map // what each member was sent: *tally by its name
	txns    tally    // of sessions
}

// Guard is that of the ensemble, or of any of the members.
func (p *Prober) Guard(members ...*Member) client.Guard {
	var addrs []client.Address
	for _, m := range members {
		addrs = append(addrs, m.Addresses...)
	}
	return p.Client.GuardOf(addrs...)
}

// tally counts what a member counts too, at some moment between begun and done.
type tally struct{ begun, done atomic.Int64 }

func (t *tally) begin(n int64) { t.begun.Add(n) }

// end ends what was begun. What the member did not get is not counted.
func (t *tally) end(n int64, got bool) {
	if got {
		t.done.Add(n)
	} else {
		t.begun.Add(-n)
	}
}

// share is how much of what a member has counted is zkctl's own.
type share struct{ least, most int64 }

func (t *tally) share() share { return share{t.done.Load(), t.begun.Load()} }

// own counts the words that the member was asked for and the requests in sessions; the member counts them as packets received.
func (p *Prober) own(m *Member) *tally {
	n, _ := p.packets.LoadOrStore(m.Name(), new(tally))
	return n.(*tally)
}

// Word asks the member for a four-letter word, which may be followed by its argument. A refusal by the whitelist and the
// answer of a member that does not serve are errors.
func (p *Prober) Word(ctx context.Context, m *Member, word string) ([]byte, error) {
	reply, err := p.RawWord(ctx, m, word)
	if err != nil {
		return nil, err
	}
	switch trimmed := bytes.TrimSpace(reply); {
	case string(trimmed) == fourletter.NotWhitelisted(word[:min(len(word), 4)]):
		return nil, ErrNotWhitelisted
	case bytes.Equal(trimmed, []byte(fourletter.NotServing)):
		return nil, ErrNotServing
	case len(reply) == 0 && word != "hash": // which is empty for a new tree
		return nil, ErrEmpty
	}
	return reply, nil
}

// Answer asks for a word and reads the answer, at the AdminServer if the word is not in the whitelist.
func (p *Prober) Answer(ctx context.Context, m *Member, w *answer.Word) (any, Door, error) {
	text, err := p.Word(ctx, m, w.Name)
	if err == nil {
		v, err := w.Text(text)
		fourletter.Free(text) // what is read is copied
		return v, Words, err
	}
	if !errors.Is(err, ErrNotWhitelisted) || w.Command == "" {
		return nil, Words, Reason(err)
	}
	o, adminErr := p.Admin(ctx, m, w.Command)
	if errors.Is(adminErr, ErrNoAdmin) {
		return nil, Admin, fmt.Errorf("%s is %w, and %w", w.Name, err, adminErr)
	}
	if adminErr != nil {
		return nil, Admin, fmt.Errorf("%s is %w, and its AdminServer on port %d: %w", w.Name, err, m.AdminPort, Reason(adminErr))
	}
	return w.Admin(o), Admin, nil
}

// RawWord returns the bytes of the answer to a four-letter word, whatever they are.
func (p *Prober) RawWord(ctx context.Context, m *Member, word string) ([]byte, error) {
	if len(m.Addresses) == 0 {
		return nil, errNoAddress
	}
	if w := answer.WordOf(word[:min(len(word), 4)]); w == nil || w.Changes {
		if err := p.Guard(m).Allow(ctx, "send "+strconv.Quote(word[:min(len(word), 4)])+" to "+m.Name(), true); err != nil {
			return nil, err
		}
	}
	own := p.own(m)
	own.begin(1)
	defer own.end(1, true)
	var dial fourletter.Dial
	if p.Client.Dial != nil || p.Client.TLS != nil {
		dial = p.Client.Dialer()
	}
	var failure error
	for i, a := range m.Addresses {
		ctx, cancel := shared(ctx, len(m.Addresses)-i)
		reply, err := fourletter.Ask(ctx, dial, a.String(), word)
		cancel()
		if err == nil {
			return reply, nil
		}
		failure = errors.Join(failure, broken(errors.Unwrap(err))) // without the member and the word, which the caller knows
	}
	return nil, failure
}

// broken rewords the error of an established connection, without its addresses.
func broken(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && (op.Op == "read" || op.Op == "write") && !op.Timeout() {
		return fmt.Errorf("the connection broke: %w", op.Err)
	}
	return err
}

var errNoAddress = errors.New("the ensemble's configuration has no client port for it; give its address with --members")

// shared limits ctx to one address's share of the remaining time.
func shared(ctx context.Context, shares int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok || shares < 2 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/time.Duration(shares))
}

// greeting is what a session reveals.
type greeting struct {
	config   []byte // of /zookeeper/config
	readOnly bool
	err      error // of config
}

// open opens a session with the member alone and asks for the ensemble's configuration.
func (p *Prober) open(ctx context.Context, m *Member) (greeting, error) {
	conn, end, err := p.brief(ctx, m, true)
	if err != nil {
		return greeting{}, err
	}
	defer end()
	g := greeting{readOnly: conn.State() == client.ConnectedReadOnly}
	g.config, _, g.err = conn.GetConfig(ctx, false)
	return g, nil
}

// brief opens a session for one request, and counts its packets and transactions: creating a session is one, and so is closing it,
// which end does.
func (p *Prober) brief(ctx context.Context, m *Member, readOnly bool) (conn *client.Conn, end func(), err error) {
	const packets, txns = 3, 2
	own := p.own(m)
	own.begin(packets)
	p.txns.begin(txns)
	over := func(got bool) {
		own.end(packets, got)
		p.txns.end(txns, got)
	}
	if conn, err = p.Session(ctx, m, readOnly); err != nil {
		over(false)
		return nil, nil, err
	}
	return conn, func() { over(conn.Close() == nil) }, nil
}

// Config asks for the ensemble's configuration in a session.
func (p *Prober) Config(ctx context.Context, m *Member) ([]byte, error) {
	g, err := p.open(ctx, m)
	return g.config, errors.Join(err, g.err)
}

// Session opens a session with the member, and with no other. It is connected.
func (p *Prober) Session(ctx context.Context, m *Member, readOnly bool) (*client.Conn, error) {
	return p.dial(ctx, m, readOnly, nil)
}

// Watching is a Session that is not read-only and passes its events to onEvent.
func (p *Prober) Watching(ctx context.Context, m *Member, onEvent func(client.Event)) (*client.Conn, error) {
	return p.dial(ctx, m, false, onEvent)
}

func (p *Prober) dial(ctx context.Context, m *Member, readOnly bool, onEvent func(client.Event)) (*client.Conn, error) {
	if len(m.Addresses) == 0 {
		return nil, errNoAddress
	}
	cfg := p.Client
	var list []string
	for _, a := range m.Addresses {
		list = append(list, a.String())
	}
	cfg.Guard = p.Guard(m)
	cfg.Servers, cfg.ReadOnly, cfg.Wait, cfg.OnEvent = strings.Join(list, ","), readOnly, false, onEvent
	if deadline, ok := ctx.Deadline(); ok {
		if left := time.Until(deadline); cfg.SessionTimeout == 0 || left < cfg.SessionTimeout {
			cfg.SessionTimeout = left
		}
	}
	conn, err := client.Open(cfg)
	if err != nil {
		return nil, err
	}
	if err := conn.WaitConnected(ctx); err != nil {
		go conn.Close() // which may wait for an attempt that is under way
		return nil, err
	}
	return conn, nil
}

// Reason reduces a door's error to one clause.
func Reason(err error) error {
	var op *net.OpError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return errTimeout
	case errors.As(err, &op) && op.Op == "dial":
		var dns *net.DNSError
		switch {
		case errors.As(err, &dns) && dns.IsNotFound:
			return fmt.Errorf("unknown host %s", dns.Name)
		case client.Refused(err):
			return errRefused
		case op.Timeout():
			return errTimeout
		}
	}
	var round *client.RoundError
	if errors.As(err, &round) && len(round.Attempts) == 1 {
		return round.Attempts[0].Err
	}
	return err
}

// Shut reports whether a door's error, or its Reason, means that nothing there could answer.
func Shut(err error) bool {
	err = Reason(err)
	return isRefused(err) || errors.Is(err, ErrForeign) || errors.Is(err, ErrNoAdmin)
}

var (
	errTimeout = errors.New("no answer in time")
	errRefused = errors.New("connection refused")
)
