package bench

import (
	"context"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/load"
	"github.com/zkctl/zkctl/internal/proto"
)

// caller opens what makes the operations of the mix, if their requests wait for each other; else it is nil.
func (r *run) caller() func(ctx context.Context, i int, server client.Address) (load.Caller, error) {
	switch {
	case r.plan.mix.has(opConnect):
		return func(_ context.Context, _ int, server client.Address) (load.Caller, error) {
			return &connecting{r.cfg, server}, nil
		}
	case r.plan.mix.has(opLock):
		return r.locker
	}
	return nil
}

// connecting opens sessions and closes them.
type connecting struct {
	cfg    client.Config
	server client.Address
}

func (c *connecting) Call(ctx context.Context) (requests int, err error) {
	w, err := client.OpenWire(ctx, c.cfg, c.server, nil, 0)
	if err != nil {
		return 1, err
	}
	err = w.Call(1, proto.OpCloseSession, nil, nil)
	_ = w.Close()
	return 2, err
}

func (*connecting) Close() int { return 0 }

// locking takes a lock that nobody else wants, and releases it.
type locking struct {
	conn *client.Conn
	path string
}

// locker opens a session and makes its lock.
func (r *run) locker(ctx context.Context, i int, server client.Address) (load.Caller, error) {
	cfg := r.cfg
	cfg.Servers = server.String() + r.conn.Chroot()
	conn, err := client.Open(cfg)
	if err != nil {
		return nil, err
	}
	c := &locking{conn: conn, path: r.at.folderPath(i%r.plan.clients) + "/l" + string(appendNumber(nil, uint64(i/r.plan.clients)))}
	if _, _, err = conn.Create(ctx, c.path, nil, proto.OpenACL, proto.Persistent, 0); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

// Call takes the lock as recipes do: create, look who is first, delete.
func (c *locking) Call(ctx context.Context) (requests int, err error) {
	path, _, err := c.conn.Create(ctx, c.path+"/lock-", nil, proto.OpenACL, proto.EphemeralSequential, 0)
	if err != nil {
		return 1, err
	}
	if _, _, err = c.conn.Children(ctx, c.path, false); err != nil {
		return 2, err
	}
	return 3, c.conn.Delete(ctx, path, -1)
}

func (c *locking) Close() int {
	_ = c.conn.Close()
	return 3 // with the session's begin, and the create of the lock
}
