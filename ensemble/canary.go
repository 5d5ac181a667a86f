package ensemble

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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
	ctx = client.Unasked(ctx) // to delete what it creates itself
	var list []*canaryResult
	var wg sync.WaitGroup
	for _, r := range readings {
		if r.State != probe.Serving || r.ReadOnly() {
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
	fired := make(chan struct{}, 1)
	conn, err := p.Watching(ctx, m, func(e client.Event) {
		if e.Type == proto.EventNodeDeleted { // there is one watch
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
	path, err := createCanary(ctx, conn, parent)
	if err != nil {
		return err
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

// canaryNames is how many names canaries have. They are few, because servers keep metrics of each name below the root for
// ever (zk_*_per_namespace of mntr), and some, because others may send canaries at the same time.
const canaryNames = 16

// createCanary creates an ephemeral znode with a name that no other canary has now.
func createCanary(ctx context.Context, conn *client.Conn, parent string) (path string, err error) {
	first := rand.IntN(canaryNames)
	for i := range canaryNames {
		path = fmt.Sprintf("%s/zkctl-canary-%d", parent, (first+i)%canaryNames)
		if _, _, err = conn.Create(ctx, path, nil, proto.OpenACL, proto.Ephemeral, 0); !errors.Is(err, proto.ErrNodeExists) {
			break
		}
	}
	if err != nil {
		return "", fmt.Errorf("create %s: %w; --canary-path names another parent", path, err)
	}
	return path, nil
}
