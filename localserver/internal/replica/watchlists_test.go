package replica

import "iter"

// byWatcher yields each watcher and the paths of its data watches, which may be none.
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

// byPath yields each path with data watches and its watchers.
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
