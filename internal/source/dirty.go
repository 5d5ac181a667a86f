package source

import (
	"sync"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zpath"
)

// maxDirty bounds the bytes of the paths that are remembered as changed.
const maxDirty = 16 << 20

// dirt is which znodes have changed since they were read, from the events of a recursive watch. It is safe for concurrent
// use.
type dirt struct {
	mu    sync.Mutex
	root  string
	paths map[string]struct{}
	size  int
	over  bool // there were too many
	lost  bool // the connection or the watch was lost, so that changes may be missing
}

// reset forgets everything.
func (d *dirt) reset(root string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.root, d.paths, d.size, d.over, d.lost = root, nil, 0, false, false
}

// event notes what changed; see client.Config.Watched.
func (d *dirt) event(e client.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch e.Type {
	case proto.EventNone:
		d.lost = d.lost || e.State != proto.StateSyncConnected && e.State != proto.StateConnectedReadOnly && e.State != proto.StateSaslAuthenticated
	case proto.EventNodeDataChanged:
		d.add(e.Path)
	case proto.EventNodeCreated, proto.EventNodeDeleted:
		d.add(e.Path)
		if e.Path != d.root { // the parent's counters change, too
			d.add(zpath.Parent(e.Path))
		}
	case proto.EventPersistentWatchRemoved:
		d.lost = true
	}
}

// add adds a path.
func (d *dirt) add(path string) {
	if _, known := d.paths[path]; known || d.over {
		return
	}
	if d.size += len(path) + 64; d.size > maxDirty {
		d.over, d.paths = true, nil
		return
	}
	if d.paths == nil {
		d.paths = map[string]struct{}{}
	}
	d.paths[path] = struct{}{}
}

// mark adds paths that were found to have changed.
func (d *dirt) mark(paths map[string]struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for path := range paths {
		d.add(path)
	}
}

// take returns what has changed since the last call. whole is false if changes may be missing.
func (d *dirt) take() (paths map[string]struct{}, whole bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	paths, d.paths, d.size = d.paths, nil, 0
	return paths, !d.over && !d.lost
}

// left returns how many have changed since the last call of take.
func (d *dirt) left() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.paths)
}
