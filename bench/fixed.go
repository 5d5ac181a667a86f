package bench

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/load"
)

// Fixed is a load for another room: writes at a fixed rate.
type Fixed struct {
	Clients  int
	PerSec   float64
	Size     int // bytes of data
	Keys     int // znodes
	Duration time.Duration
}

// fixedInFlight is more than a client needs at any rate at which a server that is fit for it answers.
const fixedInFlight = 256

// Measure loads the ensemble of env as the verb does, after the same question, and returns what was recorded of all writes instead of
// printing it. It leaves nothing behind.
func Measure(ctx context.Context, env *command.Env, members Members, f Fixed) (*load.Report, *load.Figures, error) {
	o := &options{env: env, members: members, mix: opSet.String(), clients: f.Clients, inFlight: fixedInFlight, rate: f.PerSec, duration: f.Duration,
		warmUp: min(defaultWarmUp, f.Duration/10), size: strconv.Itoa(f.Size), keys: f.Keys, path: defaultPath}
	p, err := o.check(nil)
	if err != nil {
		return nil, nil, err
	}
	r := &run{options: o, env: env, plan: p, started: time.Now()}
	if r.conn, err = env.Conn(); err != nil {
		return nil, nil, err
	}
	if err := r.conn.MayChange("load the ensemble"); err != nil {
		return nil, nil, err
	}
	if err := r.ready(ctx); err != nil {
		return nil, nil, err
	}
	report, _, cleaned, err := r.measured(ctx)
	if err = errors.Join(err, cleaned); err != nil {
		return nil, nil, err
	}
	all := load.NewFigures()
	for _, list := range report.Figures {
		all.Add(list[0])
	}
	return report, all, nil
}
