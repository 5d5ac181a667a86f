package replica

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
