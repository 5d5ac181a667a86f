package ensemble

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
)

// Clients asks the members of an ensemble for the client of each session, for commands of other rooms. If a member does not tell, err says
// so, and the others' clients are returned.
func Clients(ctx context.Context, cfg client.Config) (clients map[int64]string, err error) {
	opt := asker(cfg)
	p, widen, err := opt.prober()
	if err != nil {
		return nil, err
	}
	s, err := survey(ctx, p, widen, opt.timeout)
	if err != nil {
		return nil, err
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var shut, silent []string
	for _, r := range s.Readings {
		if r.Unseen() {
			silent = append(silent, r.Name())
		}
	}
	clients = map[int64]string{}
	for _, r := range s.Readings {
		if r.State != probe.Serving {
			continue
		}
		m := r.Member
		all.Go(func() {
			conns, err := answerOf[[]*answer.Connection](ctx, p, &m, "cons")
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, probe.ErrNotWhitelisted):
				shut = append(shut, m.Name())
			case err != nil:
				silent = append(silent, m.Name())
			}
			for _, c := range conns {
				if id, ok := c.Session.Get(); ok {
					clients[int64(id)] = c.Address
				}
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return clients, errors.New("not all members answered in time")
	}
	var unknown []string
	if shut != nil {
		unknown = append(unknown, does(shut)+" not tell connections (4lw.commands.whitelist=cons in zoo.cfg, or the AdminServer, opens them)")
	}
	if silent != nil {
		unknown = append(unknown, does(silent)+" not answer")
	}
	if unknown != nil {
		return clients, errors.New(strings.Join(unknown, "; "))
	}
	return clients, nil
}

func does(names []string) string {
	if len(names) == 1 {
		return names[0] + " does"
	}
	return strings.Join(names, ", ") + " do"
}
