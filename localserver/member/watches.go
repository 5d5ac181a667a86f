package member

import (
	"iter"
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

// watchMode is the mode of a watch (WatcherMode).
type watchMode uint8

const (
	oneShot watchMode = iota
	persistent
	recursive // persistent, and for everything below
)

// watches is who watches what, with the semantics of DataTree and of its two WatchManagers
// in 3.8. A W is a connection. The table must not be told of a W whose removeAll is past.
//
// Paths, watchers and watches have numbers, from 1, and those that became free are used
// again. A watch is a member of two rings, that of its path and that of its watcher, which
// keep the order of arrival. So each operation takes the same time however many watches
// there are, and the garbage collector meets no pointer but one for each path and watcher.
type watches[W comparable] struct {
	index    map[watchKey]uint32
	watches  pool[watch]
	numbers  map[string]uint32
	places   pool[place]
	ids      map[W]uint32
	watchers pool[watcher[W]]

	recursives [2]int // watches of that mode, by kind
	paths      [2]int // paths with a watch, by kind
	hits       []W    // of the trigger under way
	round      uint64 // number of the change under way
}

type watchKey struct {
	place   uint32 // twice the path's number, plus the kind
	watcher uint32
}

type watch struct {
	watchKey
	ofPath    link // the other watches of the path
	ofWatcher link // the other watches of the watcher
	mode      watchMode
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
	known [2]bool // had a watch ever, which is what ZooKeeper counts
	told  uint64  // the last change that it was told of
}

func newWatches[W comparable]() *watches[W] {
	return &watches[W]{index: map[watchKey]uint32{}, numbers: map[string]uint32{}, ids: map[W]uint32{}}
}

// pool numbers records from 1. It grows in pieces, so that it never copies at once what a
// million watches need.
type pool[T any] struct {
	pieces [][]T
	used   uint32
	free   []uint32
}

const poolPiece = 1 << 10

func (p *pool[T]) get(n uint32) *T { return &p.pieces[(n-1)/poolPiece][(n-1)%poolPiece] }

func (p *pool[T]) add() uint32 {
	if n := len(p.free); n > 0 {
		id := p.free[n-1]
		p.free = p.free[:n-1]
		return id
	}
	if p.used%poolPiece == 0 {
		p.pieces = append(p.pieces, make([]T, poolPiece))
	}
	p.used++
	return p.used
}

func (p *pool[T]) drop(n uint32) {
	*p.get(n) = *new(T)
	p.free = append(p.free, n)
}

// add leaves a watch. As in 3.8 the last mode holds where there was a watch before, also
// when that makes a persistent one a one-shot (ZOOKEEPER-4466).
func (t *watches[W]) add(path string, w W, kind watchKind, mode watchMode) {
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
	if e.mode == recursive {
		t.recursives[kind]--
	}
	if e.mode = mode; mode == recursive {
		t.recursives[kind]++
	}
}

// addWatch is DataTree.addWatch: a persistent watch is in both tables.
func (t *watches[W]) addWatch(path string, w W, mode proto.AddWatchMode) {
	m := persistent
	if mode == proto.WatchPersistentRecursive {
		m = recursive
	}
	t.add(path, w, dataWatches, m)
	t.add(path, w, childWatches, m)
}

// enter makes a one-shot and puts it at the end of its two rings.
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

func ofPath(e *watch) *link    { return &e.ofPath }
func ofWatcher(e *watch) *link { return &e.ofWatcher }

// join puts a watch at the end of a ring, the first of which it becomes when there is none.
func (t *watches[W]) join(first *uint32, n uint32, of func(*watch) *link) {
	l := of(t.watches.get(n))
	if *first == 0 {
		*first = n
		*l = link{n, n}
		return
	}
	head := of(t.watches.get(*first))
	*l = link{next: *first, prev: head.prev}
	of(t.watches.get(head.prev)).next = n
	head.prev = n
}

// part takes a watch out of a ring.
func (t *watches[W]) part(first *uint32, n uint32, of func(*watch) *link) {
	l := of(t.watches.get(n))
	if l.next == n {
		*first = 0
		return
	}
	if *first == n {
		*first = l.next
	}
	of(t.watches.get(l.prev)).next = l.next
	of(t.watches.get(l.next)).prev = l.prev
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
	if e.mode == recursive {
		t.recursives[kind]--
	}
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
	if path == "/" {
		return
	}
	t.round++
	t.trigger(parentOf(path), childWatches, proto.EventNodeChildrenChanged, tell)
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
	for at, below := path, false; at != ""; at, below = parentOf(at), true {
		if number := t.numbers[at]; number != 0 {
			for n, e := range t.ring(t.places.get(number).first[kind], ofPath) {
				switch {
				case e.mode == recursive:
					if event != proto.EventNodeChildrenChanged {
						hit(e.watcher)
					}
				case !below:
					hit(e.watcher)
					if e.mode == oneShot {
						t.take(n)
					}
				}
			}
		}
		if t.recursives[kind] == 0 {
			break
		}
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

// ring goes once round. The watch that it is at may be taken out.
func (t *watches[W]) ring(first uint32, of func(*watch) *link) iter.Seq2[uint32, *watch] {
	return func(yield func(uint32, *watch) bool) {
		if first == 0 {
			return
		}
		last := of(t.watches.get(first)).prev
		for n := first; ; {
			e := t.watches.get(n)
			next := of(e).next
			if !yield(n, e) || n == last {
				return
			}
			n = next
		}
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
	case proto.WatcherAny:
		return []watchKind{childWatches, dataWatches}
	}
	return nil
}

// remove takes watches of a client away, of whatever mode, and tells whether there was one.
func (t *watches[W]) remove(path string, w W, kind proto.WatcherType) bool {
	removed := false
	for _, k := range kindsOf(kind) {
		key := watchKey{t.numbers[path]<<1 | uint32(k), t.ids[w]}
		if n, ok := t.index[key]; ok {
			t.take(n)
			removed = true
		}
	}
	return removed
}

// contains is what checkWatches asks. In 3.8 anybody's watch at the path will do
// (WatchManager.containsWatcher).
func (t *watches[W]) contains(path string, kind proto.WatcherType) bool {
	number := t.numbers[path]
	return number != 0 && slices.ContainsFunc(kindsOf(kind), func(k watchKind) bool { return t.places.get(number).first[k] != 0 })
}

// lost tells whether the search for a watch fails that looks for parents in what is no path
// (PathParentIterator).
func (t *watches[W]) lost(path string, kind proto.WatcherType) bool {
	if path == "" || path[0] == '/' {
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

// count is the number of watches of both tables (zk_watch_count).
func (t *watches[W]) count() int { return len(t.index) }

// summary is what wchs tells, and that of the data watches only. A watcher counts from its
// first watch until it goes, as in ZooKeeper.
func (t *watches[W]) summary() (watchers, paths, total int) {
	for _, id := range t.ids {
		if by := t.watchers.get(id); by.known[dataWatches] {
			watchers++
			total += int(by.count[dataWatches])
		}
	}
	return watchers, t.paths[dataWatches], total
}

// byWatcher is what wchc lists: the data watches of each watcher, which may be none.
func (t *watches[W]) byWatcher() iter.Seq2[W, iter.Seq[string]] {
	return func(yield func(W, iter.Seq[string]) bool) {
		for id := uint32(1); id <= t.watchers.used; id++ {
			by := t.watchers.get(id)
			if by.known[dataWatches] && !yield(by.who, t.pathsOf(id)) {
				return
			}
		}
	}
}

func (t *watches[W]) pathsOf(id uint32) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, e := range t.ring(t.watchers.get(id).first[dataWatches], ofWatcher) {
			if !yield(t.places.get(e.place >> 1).path) {
				return
			}
		}
	}
}

// byPath is what wchp lists: who watches each path's data.
func (t *watches[W]) byPath() iter.Seq2[string, iter.Seq[W]] {
	return func(yield func(string, iter.Seq[W]) bool) {
		for number := uint32(1); number <= t.places.used; number++ {
			at := t.places.get(number)
			if at.first[dataWatches] != 0 && !yield(at.path, t.watchersOf(number)) {
				return
			}
		}
	}
}

func (t *watches[W]) watchersOf(number uint32) iter.Seq[W] {
	return func(yield func(W) bool) {
		for _, e := range t.ring(t.places.get(number).first[dataWatches], ofPath) {
			if !yield(t.watchers.get(e.watcher).who) {
				return
			}
		}
	}
}
