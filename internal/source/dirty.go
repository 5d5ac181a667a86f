package source

import (
	"errors"
	"slices"
	"sync"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zpath"
)

// maxDirty bounds the bytes of the paths that are remembered as changed.
const maxDirty = 16 << 20

// Changes is which znodes have changed, from the events of a recursive watch. The zero value is ready for use, and safe for
// concurrent use.
type Changes struct {
	mu      sync.Mutex
	root    string // see reset
	paths   map[string]struct{}
	size    int
	missing error
	wake    chan struct{}
}

// Why changes may be missing.
var (
	errLost = errors.New("the connection was lost, and with it what has changed meanwhile")
	errOver = errors.New("too much changes at once")
)

// reset forgets everything. From then on the parent of a znode that is created or deleted counts as changed, too, unless that
// is the root.
func (c *Changes) reset(root string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.root, c.paths, c.size, c.missing = root, nil, 0, nil
}

// Event notes what changed; see client.Config.Watched.
func (c *Changes) Event(e client.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e.Type {
	case proto.EventNone:
		// A reconnect sets the watch again, but nothing reports what happened meanwhile.
		if e.State != proto.StateSyncConnected && e.State != proto.StateConnectedReadOnly && e.State != proto.StateSaslAuthenticated {
			c.miss(errLost)
		}
	case proto.EventNodeDataChanged:
		c.add(e.Path)
	case proto.EventNodeCreated, proto.EventNodeDeleted:
		c.add(e.Path)
		if c.root != "" && e.Path != c.root { // the parent's counters change, too
			c.add(zpath.Parent(e.Path))
		}
	case proto.EventPersistentWatchRemoved:
		c.miss(errLost)
	}
}

// Add adds paths.
func (c *Changes) Add(paths ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, path := range paths {
		c.add(path)
	}
}

func (c *Changes) add(path string) {
	c.signal()
	if _, known := c.paths[path]; known || c.missing == errOver { //nolint:errorlint // it is never wrapped
		return
	}
	if c.size += len(path) + 64; c.size > maxDirty {
		c.paths = nil
		c.miss(errOver)
		return
	}
	if c.paths == nil {
		c.paths = map[string]struct{}{}
	}
	c.paths[path] = struct{}{}
}

// Miss notes that changes may be missing.
func (c *Changes) Miss() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.miss(errLost)
}

func (c *Changes) miss(why error) {
	c.missing = why
	c.signal()
}

// Wake returns a channel that delivers once something has changed since the last delivery.
func (c *Changes) Wake() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waken()
	return c.wake
}

func (c *Changes) waken() {
	if c.wake == nil {
		c.wake = make(chan struct{}, 1)
	}
}

func (c *Changes) signal() {
	c.waken()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Take returns what has changed since the last call, in order, and why changes may be missing; nil if none are.
func (c *Changes) Take() (paths []string, missing error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	paths = make([]string, 0, len(c.paths))
	for path := range c.paths {
		paths = append(paths, path)
	}
	missing = c.missing
	c.paths, c.size, c.missing = nil, 0, nil
	slices.SortFunc(paths, Compare)
	return paths, missing
}

// Left returns how many znodes have changed since the last call of Take, and whether changes may be missing.
func (c *Changes) Left() (n int, missing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.paths), c.missing != nil
}
