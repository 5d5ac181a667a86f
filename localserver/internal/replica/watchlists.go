package replica

// count returns the number of watches in both tables (zk_watch_count).
func (t *watches[W]) count() int { return len(t.index) }

// summary is what wchs reports, for data watches only. As in ZooKeeper, a watcher counts from its
// first watch until it disconnects.
func (t *watches[W]) summary() (watchers, paths, total int) {
	for _, id := range t.ids {
		if by := t.watchers.get(id); by.known[dataWatches] {
			watchers++
			total += int(by.count[dataWatches])
		}
	}
	return watchers, t.paths[dataWatches], total
}
