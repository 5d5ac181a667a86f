package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
)

// Where the server keeps quotas (org.apache.zookeeper.Quotas): the limits and the usage of
// /app are /zookeeper/quota/app/zookeeper_limits and …/zookeeper_stats.
const (
	quotaRoot  = "/zookeeper/quota"
	limitsNode = "zookeeper_limits"
	statsNode  = "zookeeper_stats"
)

func limitsPath(path string) string { return quotaRoot + path + "/" + limitsNode }
func statsPath(path string) string  { return quotaRoot + path + "/" + statsNode }

// Keys of a StatsTrack.
const (
	countKey     = "count"
	bytesKey     = "bytes"
	countHardKey = "countHardLimit"
	bytesHardKey = "byteHardLimit"
)

// StatsTrack is the content of a limits or stats znode (org.apache.zookeeper.StatsTrack):
// a number per key, -1 for no limit. Keys that zkctl does not know are kept.
type StatsTrack map[string]int64

// ParseStatsTrack reads "count=4,bytes=5=;byteHardLimit=10;countHardLimit=10".
func ParseStatsTrack(text string) (StatsTrack, error) {
	st := StatsTrack{}
	for _, pair := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' }) {
		key, value, ok := strings.Cut(pair, "=")
		value, _, _ = strings.Cut(value, "=")
		n := int64(-1)
		var err error
		if value != "" {
			n, err = strconv.ParseInt(value, 10, 64)
		}
		if !ok || key == "" || err != nil {
			return nil, fmt.Errorf("%q is not a quota: %q is not key=number", text, pair)
		}
		st[key] = n
	}
	return st, nil
}

// Get returns the key's number, -1 when it is absent.
func (st StatsTrack) Get(key string) int64 {
	if n, ok := st[key]; ok {
		return n
	}
	return -1
}

// String writes count and bytes first and further keys after "=;": servers before 3.7
// read the first two alone and stop at the spare "=".
func (st StatsTrack) String() string {
	b := fmt.Appendf(nil, "%s=%d,%s=%d", countKey, st.Get(countKey), bytesKey, st.Get(bytesKey))
	var more []string
	for key := range st {
		if key != countKey && key != bytesKey {
			more = append(more, key)
		}
	}
	slices.Sort(more)
	if len(more) > 0 {
		b = append(b, '=')
	}
	for _, key := range more {
		b = fmt.Appendf(b, ";%s=%d", key, st[key])
	}
	return string(b)
}

// quotaConn is the session, unless its chroot hides the quotas.
func quotaConn(env *command.Env) (*client.Conn, error) {
	c, err := env.Session.Conn()
	if err == nil && c.Chroot() != "" {
		return nil, fmt.Errorf("quotas are kept in %s, outside the chroot %s of this session; connect without the chroot", quotaRoot, c.Chroot())
	}
	return c, err
}

func readStatsTrack(ctx context.Context, c *client.Conn, path string) (StatsTrack, error) {
	data, _, err := c.Get(ctx, path, false)
	if err != nil {
		return nil, err
	}
	st, err := ParseStatsTrack(string(data))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return st, nil
}

// quotaAbove returns the nearest-to-the-root ancestor of path that has a quota, or "".
func quotaAbove(ctx context.Context, c *client.Conn, path string) (string, error) {
	for i := 1; i < len(path); i++ {
		if path[i] != '/' {
			continue
		}
		switch _, err := c.Exists(ctx, limitsPath(path[:i]), false); {
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
	children, _, err := c.Children(ctx, quotaRoot+path, false)
	if errors.Is(err, proto.ErrNoNode) {
		return "", nil
	}
	slices.Sort(children)
	for _, child := range children {
		if child == limitsNode || child == statsNode {
			continue
		}
		below := path + "/" + child
		switch _, err = c.Exists(ctx, limitsPath(below), false); {
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
