package ensemble

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
)

// canaryResult is the result of one member's canary. Times are in ms.
type canaryResult struct {
	Address string  `json:"address"`
	Connect float64 `json:"connect"` // to open the session
	Create  float64 `json:"create"`  // to create an ephemeral znode
	Watch   float64 `json:"watch"`   // to delete it, and to receive the event
	Close   float64 `json:"close"`   // to close the session

	err error
}

// MarshalJSON includes the error.
func (c *canaryResult) MarshalJSON() ([]byte, error) {
	type plain canaryResult
	text := ""
	if c.err != nil {
		text = c.err.Error()
	}
	return escape.MarshalJSON(struct {
		*plain
		Error string `json:"error,omitempty"`
	}{(*plain)(c), text})
}

// canaryParent returns the znode below which canaries are created, without a trailing slash.
func canaryParent(servers, path string) (string, error) {
	_, chroot, err := client.ParseServers(servers)
	if err != nil {
		return "", err
	}
	return chroot + strings.TrimSuffix(path, "/"), nil
}

// canaries runs one through each member that serves and accepts writes.
func canaries(ctx context.Context, p *probe.Prober, readings []*probe.Reading, parent string) []*canaryResult {
	var list []*canaryResult
	var wg sync.WaitGroup
	for _, r := range readings {
		if r.State != probe.Serving || r.Mode == "read-only" {
			continue
		}
		c := &canaryResult{Address: r.Name()}
		list = append(list, c)
		wg.Go(func() { c.err = c.sing(ctx, p, &r.Member, parent) })
	}
	wg.Wait()
	return list
}

// sing opens a session, creates an ephemeral znode, watches it, deletes it and waits for the watch. The znode is
// deleted with the session, which is closed in any case; if this process dies, the session expires.
func (c *canaryResult) sing(ctx context.Context, p *probe.Prober, m *probe.Member, parent string) (err error) {
	last := time.Now()
	lap := func(ms *float64) {
		now := time.Now()
		*ms = float64(now.Sub(last).Microseconds()) / 1000
		last = now
	}
	var random [8]byte
	_, _ = rand.Read(random[:])
	path := parent + "/zkctl-canary-" + hex.EncodeToString(random[:])
	fired := make(chan struct{}, 1)
	conn, err := p.Watching(ctx, m, func(e client.Event) {
		if e.Type == proto.EventNodeDeleted && e.Path == path {
			select {
			case fired <- struct{}{}:
			default:
			}
		}
	})
	if err != nil {
		return fmt.Errorf("open a session: %w", probe.Reason(err))
	}
	defer func() {
		last = time.Now()
		closeErr := conn.Close()
		lap(&c.Close)
		if err == nil && closeErr != nil {
			err = fmt.Errorf("close the session: %w", closeErr)
		}
	}()
	lap(&c.Connect)
	if _, _, err := conn.Create(ctx, path, nil, proto.OpenACL, proto.Ephemeral, 0); err != nil {
		return fmt.Errorf("create %s: %w; --canary-path names another parent", path, err)
	}
	lap(&c.Create)
	if _, err := conn.Exists(ctx, path, true); err != nil {
		return fmt.Errorf("watch %s: %w", path, err)
	}
	last = time.Now()
	if err := conn.Delete(ctx, path, -1); err != nil {
		return fmt.Errorf("delete %s: %w", path, err)
	}
	select {
	case <-fired:
	case <-ctx.Done():
		return errNoEvent
	}
	lap(&c.Watch)
	return nil
}
