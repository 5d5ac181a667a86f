package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
)

// end is one of the two ensembles between which something is copied.
type end struct {
	location source.Location
	path     string
	cfg      client.Config
	event    func(client.Event)
	conn     *client.Conn
}

// newEnd reads a location.
func newEnd(env *command.Env, text string) (*end, error) {
	l, cfg, err := env.Live(text)
	if err != nil {
		return nil, err
	}
	return &end{location: l, path: l.Path, cfg: cfg}, nil
}

// name is what the state file calls the place.
func (e *end) name() string { return "zk://" + e.cfg.Servers + e.path }

// real is the path on the ensemble, without the chroot.
func (e *end) real() string {
	if chroot := e.conn.Chroot(); chroot != "" {
		return strings.TrimSuffix(chroot+e.path, "/")
	}
	return e.path
}

// open waits for the session, which is a new one if the last has ended: then it is fresh.
func (e *end) open(ctx context.Context) (fresh bool, err error) {
	if e.conn == nil || !e.conn.State().Alive() {
		if e.conn != nil {
			_ = e.conn.Close() // it has ended
		}
		cfg := e.cfg
		cfg.OnEvent, cfg.Watched = nil, e.event
		if e.conn, err = client.Open(cfg); err != nil {
			return false, err
		}
		fresh = true
	}
	return fresh, e.conn.WaitConnected(ctx)
}

// sameEnsemble finds out whether both sessions are with the same ensemble, without writing anything: zxids of one ensemble only
// grow, whichever session sees them. A request that fails takes one, too (PrepRequestProcessor.pRequest), which tells an
// ensemble from an idle copy of it.
func sameEnsemble(ctx context.Context, env *command.Env, src, dst *end) (bool, error) {
	const rounds = 3 // others may write meanwhile, to either
	last := int64(0)
	grows := func(e *end) (bool, error) {
		if err := e.conn.Sync(ctx, e.path); err != nil {
			return false, env.At(e.location, err)
		}
		before := last
		last = e.conn.Zxid()
		return last >= before, nil
	}
	absent := fmt.Sprintf("%s/zkctl-absent-%016x", strings.TrimSuffix(dst.path, "/"), uint64(dst.conn.SessionID()))
	for range rounds {
		var op *client.OpError
		if err := dst.conn.Delete(client.Unasked(ctx), absent, -1); err != nil && (!errors.As(err, &op) || op.Code == proto.ErrNotReadOnly) {
			return false, env.At(dst.location, env.Explain(ctx, err))
		}
		for _, e := range []*end{dst, src} {
			if yes, err := grows(e); err != nil || !yes {
				return false, err
			}
		}
	}
	return true, nil
}
