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

// watches is who watches what, with the semantics of DataTree and of its two WatchManagers. A W is
// a connection. The table must not be told of a W whose removeAll is past.
//
// Paths, watchers and watches have numbers, from 1, and those that became free are used
// again. A watch is a member of two rings, that of its path and that of its watcher, which
// keep the order of arrival. So each operation takes the same time however many watches
// there are, and the garbage collector meets no pointer but one for each path and watcher.
type watches[W comparable] struct {
	// several reports whether a path can have watches of several modes of one watcher, of which
	// each can be asked for and removed, and a recursive one is in the table of data alone
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
	hits       []W            // of the trigger under way
	round      uint64         // number of the change under way
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
	known [2]bool // had a watch, which is what ZooKeeper counts
	told  uint64  // the last change that it was told of
}

func newWatches[W comparable](several func() bool) *watches[W] {
	return &watches[W]{several: several, index: map[watchKey]uint32{}, numbers: map[string]uint32{}, ids: map[W]uint32{}, recurring: map[uint32]int{}}
}

// add leaves a watch. In 3.8 the last mode holds where there was a watch before, even if that
// makes a persistent one a one-shot (ZOOKEEPER-4466).
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

// setModes gives a watch other modes.
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

// take takes a watch out, and its path's number back when the path has no other.
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

// emit is told of an event for a watcher. It may call remove and removeAll, and nothing else.
type emit[W comparable] func(w W, path string, event proto.EventType)

// created tells of a new znode.
func (t *watches[W]) created(path string, tell emit[W]) {
	t.round++
	t.trigger(path, dataWatches, proto.EventNodeCreated, tell)
	t.childrenChanged(path, tell)
}

// deleted tells of a znode that is gone. Who watches both its data and its children is told
// once of that.
func (t *watches[W]) deleted(path string, tell emit[W]) {
	t.round++
	t.trigger(path, dataWatches, proto.EventNodeDeleted, tell)
	t.trigger(path, childWatches, proto.EventNodeDeleted, tell)
	t.childrenChanged(path, tell)
}

// dataChanged tells of new data.
func (t *watches[W]) dataChanged(path string, tell emit[W]) {
	t.round++
	t.trigger(path, dataWatches, proto.EventNodeDataChanged, tell)
}

// childrenChanged tells those who watch the parent's children.
func (t *watches[W]) childrenChanged(path string, tell emit[W]) {
	up := parentOf(path)
	if up == "" {
		return
	}
	t.round++
	t.trigger(up, childWatches, proto.EventNodeChildrenChanged, tell)
}

// trigger tells each watcher that this round has not told yet, and takes the one-shots out.
// ZooKeeper has no recursive watch that is told of children: the creation or deletion below
// it has been told.
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

// parentOf is the path above, "" for the root's and for what is no path.
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

// forget takes modes off a watch, and it out with its last.
func (t *watches[W]) forget(n uint32, modes watchModes) {
	switch e := t.watches.get(n); {
	case e.modes&^modes == 0:
		t.take(n)
	case e.modes&modes != 0:
		t.setModes(e, e.modes&^modes)
	}
}

// modesOf are the modes that a kind selects: in 3.8 all, whatever the kind (ZOOKEEPER-4471).
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

// own calls visit with the watches of a client that a kind selects (DataTree.removeWatch). visit
// may take them out.
func (t *watches[W]) own(path string, w W, kind proto.WatcherType, visit func(n uint32)) {
	for _, k := range kindsOf(kind) {
		n, ok := t.index[watchKey{t.numbers[path]<<1 | uint32(k), t.ids[w]}]
		if ok && t.watches.get(n).modes&t.modesOf(kind) != 0 {
			visit(n)
		}
	}
}

// remove takes watches of a client away and reports whether there was one.
func (t *watches[W]) remove(path string, w W, kind proto.WatcherType) (removed bool) {
	t.own(path, w, kind, func(n uint32) {
		k := t.watches.get(n).place & 1
		t.forget(n, t.modesOf(kind))
		// In 3.9 a watcher that has removed all that it had counts no longer.
		if by := t.watchers.get(t.ids[w]); t.several() && by.count[k] == 0 {
			by.known[k] = false
		}
		removed = true
	})
	return removed
}

// contains is what checkWatches asks. In 3.8 anybody's watch at the path will do
// (WatchManager.containsWatcher).
func (t *watches[W]) contains(path string, w W, kind proto.WatcherType) (found bool) {
	if t.several() {
		t.own(path, w, kind, func(uint32) { found = true })
		return found
	}
	number := t.numbers[path]
	return number != 0 && slices.ContainsFunc(kindsOf(kind), func(k watchKind) bool { return t.places.get(number).first[k] != 0 })
}

// lost reports whether the search for a watch fails that in 3.8 looks for parents in what is no path
// (PathParentIterator).
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

// resetWatches leaves the watches that a client had before it reconnected, or tells at once
// what it missed since the zxid that it saw last (DataTree.setWatches). lookup says when a
// znode's data and its children changed last.
func (t *watches[W]) resetWatches(w W, r *proto.SetWatches2, lookup func(path string) (mzxid, pzxid int64, found bool), tell emit[W]) {
	for _, path := range r.DataWatches {
		mzxid, _, found := lookup(path)
		switch {
		case !found:
			tell(w, path, proto.EventNodeDeleted)
		case mzxid > r.RelativeZxid:
			tell(w, path, proto.EventNodeDataChanged)
		default:
			t.add(path, w, dataWatches, oneShot)
		}
	}
	for _, path := range r.ExistWatches {
		if _, _, found := lookup(path); found {
			tell(w, path, proto.EventNodeCreated)
		} else {
			t.add(path, w, dataWatches, oneShot)
		}
	}
	for _, path := range r.ChildWatches {
		_, pzxid, found := lookup(path)
		switch {
		case !found:
			tell(w, path, proto.EventNodeDeleted)
		case pzxid > r.RelativeZxid:
			tell(w, path, proto.EventNodeChildrenChanged)
		default:
			t.add(path, w, childWatches, oneShot)
		}
	}
	for _, path := range r.PersistentWatches {
		t.addWatch(path, w, proto.WatchPersistent)
	}
	for _, path := range r.PersistentRecursiveWatches {
		t.addWatch(path, w, proto.WatchPersistentRecursive)
	}
}
