package command

import (
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/source"
)

// At names the location in an error about another than the session at hand.
func (env *Env) At(l source.Location, err error) error { return env.elsewhere(l, err) }

// Missing names what a walk could not read, and returns an error if there is any.
func (env *Env) Missing(l source.Location, r source.Report) error { return env.unread(l, r) }

// Live reads a location on a live ensemble, for a verb that opens sessions of its own with the configuration.
func (env *Env) Live(text string) (l source.Location, cfg client.Config, err error) {
	if l, err = source.Parse(text, time.Now()); err != nil {
		return l, cfg, err
	}
	if env.Session == nil {
		return l, cfg, session.ErrNone
	}
	switch l.Form {
	case source.Here:
		if l.Path, err = Absolute(env.Dir, text); err == nil {
			err = client.ValidatePath(l.Path)
		}
		if err == nil {
			cfg, err = env.Session.Apart()
		}
	case source.Named:
		if cfg, err = env.Session.ConfigOf(l.Name); err != nil {
			err = &source.LocationError{Location: l, Reason: err.Error()}
		}
	case source.Servers:
		cfg = env.Session.PlainConfig(l.Servers)
	default:
		err = &source.LocationError{Location: l, Reason: "name znodes of a live ensemble"}
	}
	return l, cfg, err
}
