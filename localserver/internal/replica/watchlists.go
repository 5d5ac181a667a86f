package replica

import "iter"

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
