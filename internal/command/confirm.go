package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/escape"
)

// confirming returns a context in which guarded sessions ask a person, once for each ensemble: on a terminal the
// name of the ensemble is to be typed, even with -y, and elsewhere -y confirms it. If ctx is already such a
// context, as that of a script's lines, it stays.
func (env *Env) confirming(ctx context.Context) context.Context {
	if client.CanConfirm(ctx) {
		return ctx
	}
	c := &confirmation{env: env, answers: map[string]error{}}
	return client.WithConfirm(ctx, c.ask)
}

// Confirming returns a context in which all commands together ask once for each guarded ensemble.
func Confirming(ctx context.Context, env *Env) context.Context { return env.confirming(ctx) }

type confirmation struct {
	env     *Env
	mu      sync.Mutex
	answers map[string]error // by the name of the ensemble
}

func (c *confirmation) ask(ctx context.Context, g client.Guard, what string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := g.Name()
	if err, asked := c.answers[name]; asked {
		return err
	}
	err := c.env.confirmName(ctx, g, what)
	if ctx.Err() == nil {
		c.answers[name] = err
	}
	return err
}

func (env *Env) confirmName(ctx context.Context, g client.Guard, what string) error {
	refused := func(reason string) error { return &client.GuardError{Guard: g, What: what, Reason: reason} }
	switch {
	case !env.Streams.InTTY && !env.Yes:
		return refused("there is no terminal to confirm it on; -y confirms it")
	case !env.Streams.InTTY:
		return nil
	}
	name := escape.Line(g.Name())
	ok, err := env.Streams.AskName(ctx, fmt.Sprintf("%s is guarded. To %s, type %s:", name, what, name), g.Name())
	switch {
	case err != nil && ctx.Err() != nil:
		return errors.Join(context.Cause(ctx), err)
	case err != nil:
		return err
	case !ok:
		return refused("not confirmed")
	}
	return nil
}

// ConfirmChange is Confirm before a big change of what a session is connected to: unless n is at most some, it asks.
// If the session is guarded, its guard asks instead, whatever n. The question is an imperative, such as "Delete /a?".
func (env *Env) ConfirmChange(ctx context.Context, conn *client.Conn, n, some int, question, otherwise string) error {
	if g := conn.Guard(); g.Level != client.Unguarded {
		return g.Allow(ctx, strings.ToLower(question[:1])+strings.TrimSuffix(question[1:], "?"), true)
	}
	if n <= some {
		return nil
	}
	return env.Confirm(ctx, question, otherwise)
}
