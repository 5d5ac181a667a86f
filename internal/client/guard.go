package client

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// GuardLevel is what a guard keeps away, the stricter the higher.
type GuardLevel int

// The levels of guards.
const (
	Unguarded    GuardLevel = iota
	GuardConfirm            // what deletes or replaces something is done once a person has typed the name
	GuardAll                // every change is refused
)

// GuardLevels are the levels as settings name them.
var GuardLevels = []string{"none", "confirm", "readonly"}

func (l GuardLevel) String() string { return GuardLevels[l] }

// Set reads a level; it makes the type an option's.
func (l *GuardLevel) Set(text string) error {
	i := slices.Index(GuardLevels, text)
	if i < 0 {
		return fmt.Errorf("use %s", strings.Join(GuardLevels, ", "))
	}
	*l = GuardLevel(i)
	return nil
}

// Type is for an option.
func (*GuardLevel) Type() string { return "guard" }

// Guard keeps an ensemble from harm by this program. It stands in for nothing that the ensemble itself should refuse.
type Guard struct {
	Level   GuardLevel
	Profile string // of the ensemble; "" if it has none
	Servers string // its connect string
	Color   string // of its name in a prompt; "" for none
	Own     bool   // the profile says so of itself, so that it counts whatever other profiles say of its servers
}

// Name is what a person calls the ensemble.
func (g Guard) Name() string { return cmp.Or(g.Profile, g.Servers) }

// Shown reports whether a prompt shows the name of the ensemble.
func (g Guard) Shown() bool { return g.Level != Unguarded || g.Color != "" }

// Or returns the stricter of two guards. If they are equally strict, it is g, unless only the other has a name.
func (g Guard) Or(other Guard) Guard {
	if other.Level > g.Level || other.Level == g.Level && g.Profile == "" {
		g, other = other, g
	}
	g.Servers = cmp.Or(g.Servers, other.Servers)
	if g.Profile == "" || g.Profile == other.Profile {
		g.Profile, g.Color, g.Own = other.Profile, cmp.Or(g.Color, other.Color), g.Own || other.Own
	}
	return g
}

// Allow returns an error if a change must not be made. What it would do is said in the imperative; it destroys
// something if it deletes or replaces what is there, which a person may have to confirm.
func (g Guard) Allow(ctx context.Context, what string, destroys bool) error {
	switch {
	case g.Level == GuardAll:
		return &GuardError{Guard: g, What: what}
	case g.Level == Unguarded || !destroys:
		return nil
	}
	confirm, ok := ctx.Value(confirmKey{}).(Confirm)
	if !ok {
		return &GuardError{Guard: g, What: what, Reason: "nobody can confirm it here"}
	}
	return confirm(ctx, g, what)
}

// Confirm asks a person whether to do what a guard keeps away. It may be called from several goroutines at once.
type Confirm func(ctx context.Context, g Guard, what string) error

type confirmKey struct{}

// WithConfirm returns a context in which guarded sessions ask for confirmation.
func WithConfirm(ctx context.Context, c Confirm) context.Context {
	return context.WithValue(ctx, confirmKey{}, c)
}

// CanConfirm reports whether a context is one of WithConfirm.
func CanConfirm(ctx context.Context) bool { return ctx.Value(confirmKey{}) != nil }

// Unasked is for changes to what the caller itself has made, such as its own ephemeral znodes: they need no
// confirmation. A guard that refuses every change refuses them, too.
func Unasked(ctx context.Context) context.Context {
	return WithConfirm(ctx, func(context.Context, Guard, string) error { return nil })
}

// GuardError means that a guard has kept a change away. Nothing of it was sent.
type GuardError struct {
	Guard  Guard
	What   string // it would have done
	Reason string // why it was not confirmed; "" if it cannot be
}

func (e *GuardError) Error() string {
	text := fmt.Sprintf("%s: refused, because %q is guarded: %v", e.What, e.Guard.Name(), e.Guard.Level)
	if e.Reason != "" {
		text += "; " + e.Reason
	}
	return text + "; nothing was sent"
}

// Details are fields for programs, in addition to the sentence.
func (e *GuardError) Details() map[string]any {
	return map[string]any{"code": "GUARDED", "guard": e.Guard.Level.String(), "name": e.Guard.Name()}
}

// GuardOf returns the guard of a session with cfg's servers and others.
func (cfg *Config) GuardOf(others ...Address) Guard {
	g := cfg.Guard
	if cfg.Guards != nil && !g.Own {
		addrs, _, _ := ParseServers(cfg.Servers)
		g = g.Or(cfg.Guards(slices.Concat(addrs, others)))
	}
	g.Servers = cmp.Or(g.Servers, cfg.Servers)
	return g
}

// Guard returns the session's guard.
func (c *Conn) Guard() Guard { return c.guard }

// MayChange returns an error if the session's guard refuses every change, which a command can find out before it
// prepares one. What it would do is said in the imperative.
func (c *Conn) MayChange(what string) error {
	if c.guard.Level == GuardAll {
		return &GuardError{Guard: c.guard, What: what}
	}
	return nil
}

// guarded returns an error if the session's guard keeps a request away; path is as the caller sees it.
func (c *Conn) guarded(ctx context.Context, op proto.Op, req jute.Record) error {
	if c.guard.Level == Unguarded || !op.Writes() {
		return nil
	}
	return c.guard.Allow(ctx, c.imperative(op, req), destroys(op, req))
}

// destroys reports whether a request may delete or replace what is there.
func destroys(op proto.Op, req jute.Record) bool {
	multi, ok := req.(*proto.MultiRequest)
	if !ok {
		return op.Destroys()
	}
	return slices.ContainsFunc(multi.Ops, func(o proto.MultiOp) bool { return o.Type.Destroys() })
}

// imperative says what a request does.
func (c *Conn) imperative(op proto.Op, req jute.Record) string {
	path := escape.Line(c.shown(requestPath(req)))
	switch op {
	case proto.OpDelete, proto.OpDeleteContainer:
		return "delete " + path
	case proto.OpSetData:
		return "set the data of " + path
	case proto.OpSetACL:
		return "set the ACL of " + path
	case proto.OpReconfig:
		return "reconfigure the ensemble"
	case proto.OpMulti:
		multi, ok := req.(*proto.MultiRequest)
		if !ok || len(multi.Ops) == 0 {
			return "run a transaction"
		}
		first := c.imperative(multi.Ops[0].Type, multi.Ops[0].Request)
		if more := len(multi.Ops) - 1; more > 0 {
			first += fmt.Sprintf(" and make %d other changes", more)
		}
		return first
	}
	if op.Creates() {
		return "create " + path
	}
	return op.String() + " " + path
}

// Same reports whether two addresses are the same, as far as that is known without asking a name server. All names of
// this machine's loopback are.
func (a Address) Same(b Address) bool {
	return a.Port == b.Port && canonical(a.Host) == canonical(b.Host)
}

func canonical(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return host
	case ip.Unmap().IsLoopback():
		return "localhost"
	}
	return ip.Unmap().String()
}
