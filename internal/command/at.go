package command

import "github.com/zkctl/zkctl/internal/source"

// At names the location in an error about another than the session at hand.
func (env *Env) At(l source.Location, err error) error { return env.elsewhere(l, err) }

// Missing names what a walk could not read, and returns an error if there is any.
func (env *Env) Missing(l source.Location, r source.Report) error { return env.unread(l, r) }
