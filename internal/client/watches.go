package client

import (
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// watchKind is a table of ZKWatchManager.
type watchKind int

const (
	dataWatch watchKind = iota
	existWatch
	childWatch
	persistentWatch
	recursiveWatch
	watchKinds
)

// watchTable holds the watches that the session has on the server, by the server's path, so
// that they can be set again after a reconnect. (ZKWatchManager)
type watchTable struct {
	mu     sync.Mutex
	tables [watchKinds]map[string]struct{}
}

// setWatchesLimit is the maximum number of bytes of paths in a setWatches; the last path may
// exceed it. (ClientCnxn.SET_WATCHES_MAX_LENGTH)
const setWatchesLimit = 128 << 10

// watchWish is what a request does to the table once its reply has arrived.
type watchWish struct {
	op     proto.Op
	path   string
	kind   proto.WatcherType  // removeWatches
	mode   proto.AddWatchMode // addWatch
	local  bool               // removeWatches: even if the server cannot be reached
	exists bool               // there is anything to do at all
}

// wishOf returns what a request does to the watches.
func wishOf(op proto.Op, req jute.Record) watchWish {
	switch r := req.(type) {
	case *proto.PathWatchRequest:
		return watchWish{op: op, path: r.Path, exists: r.Watch}
	case *proto.AddWatchRequest:
		return watchWish{op: op, path: r.Path, mode: r.Mode, exists: true}
	case *proto.WatchesRequest:
		return watchWish{op: op, path: r.Path, kind: r.Type, exists: op == proto.OpRemoveWatches}
	}
	return watchWish{}
}

// replied updates the table for a reply and returns the events caused by removing watches.
func (t *watchTable) replied(w watchWish, code proto.Error) []proto.EventType {
	t.mu.Lock()
	defer t.mu.Unlock()
	ok := code == proto.OK
	switch w.op {
	case proto.OpRemoveWatches:
		if ok {
			return t.removeLocked(w.path, w.kind)
		}
	case proto.OpExists:
		if ok {
			t.add(dataWatch, w.path)
		} else if code == proto.ErrNoNode {
			t.add(existWatch, w.path)
		}
	case proto.OpGetData:
		if ok {
			t.add(dataWatch, w.path)
		}
	case proto.OpGetChildren, proto.OpGetChildren2:
		if ok {
			t.add(childWatch, w.path)
		}
	case proto.OpAddWatch:
		if ok && w.mode == proto.WatchPersistentRecursive {
			t.add(recursiveWatch, w.path)
		} else if ok {
			t.add(persistentWatch, w.path)
		}
	}
	return nil
}

func (t *watchTable) add(k watchKind, path string) {
	if t.tables[k] == nil {
		t.tables[k] = make(map[string]struct{})
	}
	t.tables[k][path] = struct{}{}
}

func (t *watchTable) drop(k watchKind, path string) bool {
	_, ok := t.tables[k][path]
	delete(t.tables[k], path)
	return ok
}

// tablesOf returns the tables that a kind selects.
func tablesOf(kind proto.WatcherType) []watchKind {
	switch kind {
	case proto.WatcherChildren:
		return []watchKind{childWatch}
	case proto.WatcherData:
		return []watchKind{dataWatch, existWatch}
	case proto.WatcherPersistent:
		return []watchKind{persistentWatch}
	case proto.WatcherPersistentRecursive:
		return []watchKind{recursiveWatch}
	}
	return []watchKind{childWatch, dataWatch, existWatch, persistentWatch, recursiveWatch}
}

// has reports whether the session has a watch of the kind on the server's path.
func (t *watchTable) has(path string, kind proto.WatcherType) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range tablesOf(kind) {
		if _, ok := t.tables[k][path]; ok {
			return true
		}
	}
	return false
}

// only reports whether all of the session's watches on the server's path are of the kind.
func (t *watchTable) only(path string, kind proto.WatcherType) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, table := range t.tables {
		if _, ok := table[path]; ok && !slices.Contains(tablesOf(kind), watchKind(k)) {
			return false
		}
	}
	return true
}

// lasting returns the modes of the persistent watches on the server's path.
func (t *watchTable) lasting(path string) (modes []proto.AddWatchMode) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.tables[persistentWatch][path]; ok {
		modes = append(modes, proto.WatchPersistent)
	}
	if _, ok := t.tables[recursiveWatch][path]; ok {
		modes = append(modes, proto.WatchPersistentRecursive)
	}
	return modes
}

// remove forgets watches and returns the events that report it.
func (t *watchTable) remove(path string, kind proto.WatcherType) []proto.EventType {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.removeLocked(path, kind)
}

func (t *watchTable) removeLocked(path string, kind proto.WatcherType) (events []proto.EventType) {
	for _, k := range tablesOf(kind) {
		if !t.drop(k, path) {
			continue
		}
		e := proto.EventPersistentWatchRemoved
		switch k {
		case childWatch:
			e = proto.EventChildWatchRemoved
		case dataWatch, existWatch:
			e = proto.EventDataWatchRemoved
		}
		if len(events) == 0 || events[len(events)-1] != e {
			events = append(events, e)
		}
	}
	return events
}

// fired removes the one-shot watches that an event uses up, and reports whether any watch wanted
// it. (ZKWatchManager.materialize)
func (t *watchTable) fired(e proto.EventType, path string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	wanted := false
	use := func(k watchKind) { wanted = t.drop(k, path) || wanted }
	switch e {
	case proto.EventNodeCreated, proto.EventNodeDataChanged:
		use(dataWatch)
		use(existWatch)
	case proto.EventNodeChildrenChanged:
		use(childWatch)
	case proto.EventNodeDeleted:
		use(dataWatch)
		use(existWatch)
		use(childWatch)
	default:
		return true // a type from a later release: show it
	}
	if _, ok := t.tables[persistentWatch][path]; ok {
		return true
	}
	// A recursive watch gets no child events; the server sends them for one-shot and persistent
	// watches on the same connection.
	if e == proto.EventNodeChildrenChanged || len(t.tables[recursiveWatch]) == 0 {
		return wanted
	}
	for p := path; ; {
		if _, ok := t.tables[recursiveWatch][p]; ok {
			return true
		}
		i := strings.LastIndexByte(p, '/')
		if i < 0 || p == "/" {
			return wanted
		}
		p = p[:max(i, 1)]
	}
}

func (t *watchTable) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tables = [watchKinds]map[string]struct{}{}
}

// resets returns the requests that set all watches again on a new connection.
func (t *watchTable) resets(zxid int64) (ops []proto.Op, reqs []jute.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var batch [watchKinds][]string
	size := 0
	flush := func() {
		if size == 0 {
			return
		}
		if batch[persistentWatch] == nil && batch[recursiveWatch] == nil {
			ops = append(ops, proto.OpSetWatches)
			reqs = append(reqs, &proto.SetWatches{RelativeZxid: zxid, DataWatches: batch[dataWatch],
				ExistWatches: batch[existWatch], ChildWatches: batch[childWatch]})
		} else {
			ops = append(ops, proto.OpSetWatches2)
			reqs = append(reqs, &proto.SetWatches2{RelativeZxid: zxid, DataWatches: batch[dataWatch],
				ExistWatches: batch[existWatch], ChildWatches: batch[childWatch],
				PersistentWatches: batch[persistentWatch], PersistentRecursiveWatches: batch[recursiveWatch]})
		}
		batch, size = [watchKinds][]string{}, 0
	}
	for k, table := range t.tables {
		paths := make([]string, 0, len(table))
		for p := range table {
			paths = append(paths, p)
		}
		sort.Strings(paths)
		for _, p := range paths {
			batch[k] = append(batch[k], p)
			if size += len(p); size >= setWatchesLimit {
				flush()
			}
		}
	}
	flush()
	return ops, reqs
}
