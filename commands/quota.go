package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
)

// quotaLimits are the limits of a quota, with the options of setquota and delquota for them.
var quotaLimits = []struct {
	limit  command.Text
	remove command.Flag
	key    string
	least  int64
	what   string
}{
	{command.NewText("n", "val", command.Number, "soft limit of the number of znodes"),
		command.NewFlag("n", "the soft limit of the number of znodes"), proto.QuotaCount, 1, "num"},
	{command.NewText("b", "val", command.Number, "soft limit of the bytes of data"),
		command.NewFlag("b", "the soft limit of the bytes of data"), proto.QuotaBytes, 0, "bytes"},
	{command.NewText("N", "val", command.Number, "hard limit of the number of znodes"),
		command.NewFlag("N", "the hard limit of the number of znodes"), proto.QuotaHardCount, 1, "num"},
	{command.NewText("B", "val", command.Number, "hard limit of the bytes of data"),
		command.NewFlag("B", "the hard limit of the bytes of data"), proto.QuotaHardBytes, 0, "bytes"},
}

// quotaConn returns the session, unless its chroot hides the quotas.
func quotaConn(env *command.Env) (*client.Conn, error) {
	c, err := env.Conn()
	if err == nil && c.Chroot() != "" {
		return nil, fmt.Errorf("quotas are kept in %s, outside the chroot %s of this session; connect without the chroot", proto.QuotaPath, c.Chroot())
	}
	return c, err
}

func readStatsTrack(ctx context.Context, c *client.Conn, path string) (proto.StatsTrack, error) {
	data, _, err := c.Get(ctx, path, false)
	if err != nil {
		return nil, err
	}
	st, err := proto.ParseStatsTrack(string(data))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return st, nil
}

// quotaAbove returns the ancestor of path nearest to the root that has a quota, or "".
func quotaAbove(ctx context.Context, c *client.Conn, path string) (string, error) {
	for i := 1; i < len(path); i++ {
		if path[i] != '/' {
			continue
		}
		switch _, err := c.Exists(ctx, proto.LimitsPath(path[:i]), false); {
		case err == nil:
			return path[:i], nil
		case !errors.Is(err, proto.ErrNoNode):
			return "", err
		}
	}
	return "", nil
}

// quotaBelow returns a descendant of path that has a quota, or "".
func quotaBelow(ctx context.Context, c *client.Conn, path string) (string, error) {
	children, _, err := c.Children(ctx, proto.QuotaPath+path, false)
	if errors.Is(err, proto.ErrNoNode) {
		return "", nil
	}
	slices.Sort(children)
	for _, child := range children {
		if child == proto.LimitsNode || child == proto.StatsNode {
			continue
		}
		below := path + "/" + child
		switch _, err = c.Exists(ctx, proto.LimitsPath(below), false); {
		case err == nil:
			return below, nil
		case !errors.Is(err, proto.ErrNoNode):
			return "", err
		}
		if found, err := quotaBelow(ctx, c, below); found != "" || err != nil {
			return found, err
		}
	}
	return "", err
}
