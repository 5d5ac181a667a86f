package ensemble

import (
	"context"

	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
)

// Role is a member that serves, and what it does.
type Role struct {
	Address client.Address
	ID      int64 // -1 if unknown
	Mode    string
}

// Roles asks an ensemble for the members that serve.
func Roles(ctx context.Context, cfg client.Config) (list []Role, err error) {
	opt := asker(cfg)
	p, widen, err := opt.prober()
	if err != nil {
		return nil, err
	}
	s, err := survey(ctx, p, widen, opt.timeout)
	if err != nil {
		return nil, err
	}
	for _, r := range s.Readings {
		if r.State == probe.Serving && len(r.Addresses) > 0 {
			list = append(list, Role{r.Addresses[0], r.ID.Or(-1), r.Mode})
		}
	}
	return list, nil
}
