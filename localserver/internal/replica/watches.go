package replica

import (
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/proto"
)

// watchKind is one of ZooKeeper's two tables of watches.
type watchKind uint8

const (
	dataWatches  watchKind = iota // left by exists and getData
	childWatches                  // left by getChildren
)

// watchModes are the modes of a watch (WatcherMode, WatchStats).
type watchModes uint8

const (
	oneShot    watchModes = 1 << iota
	persistent            // stays when it fires
	recursive             // persistent, and for everything below
	anyMode    = oneShot | persistent | recursive
)

// watches records who watches what, with the semantics of DataTree and its two WatchManagers. A W
// is a connection. It must not be used after removeAll(w).
//
// Paths, watchers and watches are numbered from 1, and free numbers are reused. A watch is in two
// rings, its path's and its watcher's, in order of arrival. So each operation takes the same time
// however many watches there are, and the garbage collector sees only one pointer for each path and
// watcher.
type watches[W comparable] struct {
	// several reports whether one watcher can have watches of several modes on a path, each of
	// which can be checked and removed, with recursive ones in the data table only
	// (release.WatchModes).
	several func() bool

	index    map[watchKey]uint32
	watches  pool[watch]
	numbers  map[string]uint32
	places   pool[place]
	ids      map[W]uint32
	watchers pool[watcher[W]]

	recursives [2]int         // watches of that mode, by kind
	recurring  map[uint32]int // the same by place
	prefixes   prefixes       // those places
	paths      [2]int         // paths with a watch, by kind
	hits       []W            // of the current trigger
	round      uint64         // number of the current change
}

type watchKey struct {
	place   uint32 // twice the path's number, plus the kind
	watcher uint32
}

type watch struct {
	watchKey
	ofPath    link // the other watches of the path
	ofWatcher link // the other watches of the watcher
	modes     watchModes
}

// link is a watch's place in a ring.
type link struct{ next, prev uint32 }

type place struct {
	path  string
	first [2]uint32 // watch, by kind; 0 for none
}

type watcher[W comparable] struct {
	who   W
	first [2]uint32 // watch, by kind; 0 for none
	count [2]int32
	known [2]bool // has had a watch, which is what ZooKeeper counts
	told  uint64  // the last change that it was notified of
}

func newWatches[W comparable](several func() bool) *watches[W] {
	return &watches[W]{several: several, index: map[watchKey]uint32{}, numbers: map[string]uint32{}, ids: map[W]uint32{}, recurring: map[uint32]int{}}
}

// add sets a watch. In 3.8 it replaces the mode of an existing watch, even if that turns a
// persistent one into a one-shot (ZOOKEEPER-4466).
func (t *watches[W]) add(path string, w W, kind watchKind, mode watchModes) {
	number := t.numbers[path]
	if number == 0 {
		number = t.places.add()
		path = strings.Clone(path)
		t.numbers[path] = number
		t.places.get(number).path = path
	}
	id := t.ids[w]
	if id == 0 {
		id = t.watchers.add()
		t.ids[w] = id
		t.watchers.get(id).who = w
	}
	key := watchKey{number<<1 | uint32(kind), id}
	n, found := t.index[key]
	if !found {
		n = t.enter(key)
	}
	e := t.watches.get(n)
	if t.several() {
		mode |= e.modes
	}
	t.setModes(e, mode)
}

// setModes changes the modes of a watch.
func (t *watches[W]) setModes(e *watch, modes watchModes) {
	was, is := e.modes&recursive != 0, modes&recursive != 0
	if e.modes = modes; was == is {
		return
	}
	kind, number := e.place&1, e.place>>1
	path := t.places.get(number).path
	if is {
		t.recursives[kind]++
		if t.recurring[number]++; t.recurring[number] == 1 {
			t.prefixes.put(path, number)
		}
		return
	}
	t.recursives[kind]--
	if t.recurring[number]--; t.recurring[number] == 0 {
		delete(t.recurring, number)
		t.prefixes.drop(path)
	}
}

// addWatch is DataTree.addWatch: a persistent watch is in both tables.
func (t *watches[W]) addWatch(path string, w W, mode proto.AddWatchMode) {
	m := persistent
	if mode == proto.WatchPersistentRecursive {
		m = recursive
	}
	t.add(path, w, dataWatches, m)
	if m != recursive || !t.several() {
		t.add(path, w, childWatches, m)
	}
}

// enter makes a watch without a mode and puts it at the end of its two rings.
func (t *watches[W]) enter(key watchKey) uint32 {
	kind := key.place & 1
	at, by := t.places.get(key.place>>1), t.watchers.get(key.watcher)
	n := t.watches.add()
	t.index[key] = n
	t.watches.get(n).watchKey = key
	if at.first[kind] == 0 {
		t.paths[kind]++
	}
	t.join(&at.first[kind], n, ofPath)
	t.join(&by.first[kind], n, ofWatcher)
	by.count[kind]++
	by.known[kind] = true
	return n
}

// take removes a watch, and frees its path's number if the path has no other.
func (t *watches[W]) take(n uint32) {
	e := t.watches.get(n)
	kind, number := e.place&1, e.place>>1
	at, by := t.places.get(number), t.watchers.get(e.watcher)
	t.part(&at.first[kind], n, ofPath)
	t.part(&by.first[kind], n, ofWatcher)
	by.count[kind]--
	if at.first[kind] == 0 {
		t.paths[kind]--
	}
	t.setModes(e, 0)
	delete(t.index, e.watchKey)
	t.watches.drop(n)
	if at.first == [2]uint32{} {
		delete(t.numbers, at.path)
		t.places.drop(number)
	}
	if len(t.index) == 0 { // a map never shrinks
		t.index, t.numbers = map[watchKey]uint32{}, map[string]uint32{}
		t.watches, t.places = pool[watch]{}, pool[place]{}
	}
}

// emit sends an event to a watcher. It may call remove and removeAll, and nothing else.
type emit[W comparable] func(w W, path string, event proto.EventType)

// created fires the watches of a new znode.
func (t *watches[W]) created(path string, tell emit[W]) {
	t.round++
	t.trigger(path, dataWatches, proto.EventNodeCreated, tell)
	t.childrenChanged(path, tell)
}

// deleted fires the watches of a deleted znode. A watcher of both its data and its children gets
// one event.
func (t *watches[W]) deleted(path string, tell emit[W]) {
	t.round++
	t.trigger(path, dataWatches, proto.EventNodeDeleted, tell)
	t.trigger(path, childWatches, proto.EventNodeDeleted, tell)
	t.childrenChanged(path, tell)
}

// dataChanged fires the watches of changed data.
func (t *watches[W]) dataChanged(path string, tell emit[W]) {
	t.round++
	t.trigger(path, dataWatches, proto.EventNodeDataChanged, tell)
}

// childrenChanged fires the watches of the parent's children.
func (t *watches[W]) childrenChanged(path string, tell emit[W]) {
	up := parentOf(path)
	if up == "" {
		return
	}
	t.round++
	t.trigger(up, childWatches, proto.EventNodeChildrenChanged, tell)
}

// trigger notifies each watcher not yet notified in this round, and removes the one-shots. In
// ZooKeeper, recursive watches do not report changed children: they have reported the creation or
// deletion itself.
func (t *watches[W]) trigger(path string, kind watchKind, event proto.EventType, tell emit[W]) {
	hits := t.hits[:0]
	hit := func(id uint32) {
		if by := t.watchers.get(id); by.told != t.round {
			by.told = t.round
			hits = append(hits, by.who)
		}
	}
	tellOf := func(number uint32, modes watchModes) {
		for n, e := range t.ring(t.places.get(number).first[kind], ofPath) {
			if due := e.modes & modes; due != 0 {
				hit(e.watcher)
				t.forget(n, due&oneShot)
			}
		}
	}
	modes := anyMode
	if event == proto.EventNodeChildrenChanged {
		modes = oneShot | persistent
	}
	if number := t.numbers[path]; number != 0 {
		tellOf(number, modes)
	}
	if modes&recursive != 0 && t.recursives[kind] > 0 {
		t.prefixes.above(path, func(number uint32) { tellOf(number, recursive) })
	}
	t.hits = nil // tell may come back here by way of a bug; it must not overwrite hits
	for _, w := range hits {
		tell(w, path, event)
	}
	clear(hits)
	if cap(hits) <= 1<<12 {
		t.hits = hits[:0]
	}
}

// parentOf returns the parent's path, or "" for the root and for an invalid path.
func parentOf(path string) string {
	i := strings.LastIndexByte(path, '/')
	if i > 0 {
		return path[:i]
	}
	if i == 0 && path != "/" {
		return "/"
	}
	return ""
}

func kindsOf(kind proto.WatcherType) []watchKind {
	switch kind {
	case proto.WatcherChildren:
		return []watchKind{childWatches}
	case proto.WatcherData:
		return []watchKind{dataWatches}
	}
	return []watchKind{childWatches, dataWatches}
}

// forget removes modes from a watch, and the watch with its last mode.
func (t *watches[W]) forget(n uint32, modes watchModes) {
	switch e := t.watches.get(n); {
	case e.modes&^modes == 0:
		t.take(n)
	case e.modes&modes != 0:
		t.setModes(e, e.modes&^modes)
	}
}

// modesOf returns the modes that a kind selects: in 3.8 always all (ZOOKEEPER-4471).
func (t *watches[W]) modesOf(kind proto.WatcherType) watchModes {
	if t.several() {
		switch kind {
		case proto.WatcherChildren, proto.WatcherData:
			return oneShot
		case proto.WatcherPersistent:
			return persistent
		case proto.WatcherPersistentRecursive:
			return recursive
		}
	}
	return anyMode
}

// own calls visit with a client's watches of a kind (DataTree.removeWatch). visit may remove them.
func (t *watches[W]) own(path string, w W, kind proto.WatcherType, visit func(n uint32)) {
	for _, k := range kindsOf(kind) {
		n, ok := t.index[watchKey{t.numbers[path]<<1 | uint32(k), t.ids[w]}]
		if ok && t.watches.get(n).modes&t.modesOf(kind) != 0 {
			visit(n)
		}
	}
}

// remove removes a client's watches of a kind and reports whether there were any.
func (t *watches[W]) remove(path string, w W, kind proto.WatcherType) (removed bool) {
	t.own(path, w, kind, func(n uint32) {
		k := t.watches.get(n).place & 1
		t.forget(n, t.modesOf(kind))
		// In 3.9, a watcher that has removed all its watches no longer counts.
		if by := t.watchers.get(t.ids[w]); t.several() && by.count[k] == 0 {
			by.known[k] = false
		}
		removed = true
	})
	return removed
}

// contains answers checkWatches. In 3.8 anyone's watch on the path counts
// (WatchManager.containsWatcher).
func (t *watches[W]) contains(path string, w W, kind proto.WatcherType) (found bool) {
	if t.several() {
		t.own(path, w, kind, func(uint32) { found = true })
		return found
	}
	number := t.numbers[path]
	return number != 0 && slices.ContainsFunc(kindsOf(kind), func(k watchKind) bool { return t.places.get(number).first[k] != 0 })
}

// lost reports whether 3.8's search for a watch fails because it looks for the parents of an invalid
// path (PathParentIterator).
func (t *watches[W]) lost(path string, kind proto.WatcherType) bool {
	if t.several() || path == "" || path[0] == '/' {
		return false
	}
	return strings.IndexByte(path, '/') < 0 || slices.ContainsFunc(kindsOf(kind), func(k watchKind) bool {
		number := t.numbers[path]
		return t.recursives[k] > 0 && (number == 0 || t.places.get(number).first[k] == 0)
	})
}

// removeAll forgets a client whose connection is closed.
func (t *watches[W]) removeAll(w W) {
	id := t.ids[w]
	if id == 0 {
		return
	}
	for kind := range 2 {
		for by := t.watchers.get(id); by.first[kind] != 0; {
			t.take(by.first[kind])
		}
	}
	delete(t.ids, w)
	t.watchers.drop(id)
}

// resetWatches restores the watches that a client had before it reconnected, or sends at once what
// it has missed since the last zxid that it saw (DataTree.setWatches). lookup returns when a
// znode's data and its children last changed.
func (t *watches[W]) resetWatches(w W, r *proto.SetWatches2, lookup func(path string) (mzxid, pzxid int64, found bool), tell emit[W]) {
	reset := func(paths []string, kind watchKind, changed proto.EventType) {
		for _, path := range paths {
			mzxid, pzxid, found := lookup(path)
			last := mzxid
			if kind == childWatches {
				last = pzxid
			}
			switch {
			case !found:
				tell(w, path, proto.EventNodeDeleted)
			case last > r.RelativeZxid:
				tell(w, path, changed)
			default:
				t.add(path, w, kind, oneShot)
			}
		}
	}
	reset(r.DataWatches, dataWatches, proto.EventNodeDataChanged)
	for _, path := range r.ExistWatches {
		if _, _, found := lookup(path); found {
			tell(w, path, proto.EventNodeCreated)
		} else {
			t.add(path, w, dataWatches, oneShot)
		}
	}
	reset(r.ChildWatches, childWatches, proto.EventNodeChildrenChanged)
	for _, path := range r.PersistentWatches {
		t.addWatch(path, w, proto.WatchPersistent)
	}
	for _, path := range r.PersistentRecursiveWatches {
		t.addWatch(path, w, proto.WatchPersistentRecursive)
	}
}
