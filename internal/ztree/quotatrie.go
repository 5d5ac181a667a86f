package ztree

import "strings"

// quotaTrie holds the paths that have a limit, by name (PathTrie). The zero value is empty.
type quotaTrie struct {
	limited bool
	below   map[string]*quotaTrie
}

// add adds a path. Names consisting only of spaces are ignored, as in ZooKeeper, where a quota on
// the root counts nothing.
func (q *quotaTrie) add(path string) {
	at := q
	for name := range strings.SplitSeq(path, "/") {
		if strings.TrimSpace(name) == "" {
			continue
		}
		next := at.below[name]
		if next == nil {
			next = new(quotaTrie)
			if at.below == nil {
				at.below = map[string]*quotaTrie{}
			}
			at.below[name] = next
		}
		at = next
	}
	at.limited = at != q
}

// remove undoes add.
func (q *quotaTrie) remove(path string) {
	type step struct {
		from *quotaTrie
		name string
	}
	var way []step
	at := q
	for name := range strings.SplitSeq(path, "/") {
		if strings.TrimSpace(name) == "" {
			continue
		}
		next := at.below[name]
		if next == nil {
			return
		}
		way = append(way, step{at, name})
		at = next
	}
	at.limited = false
	for i := len(way) - 1; i >= 0 && !at.limited && len(at.below) == 0; i-- {
		at = way[i].from
		delete(at.below, way[i].name)
	}
}

// above returns the longest path with a quota at or above the given path, or "".
func (q *quotaTrie) above(path string) (top string) {
	for end := 0; len(q.below) > 0 && end < len(path) && path[end] == '/'; {
		name, _, _ := strings.Cut(path[end+1:], "/")
		if q = q.below[name]; q == nil {
			break
		}
		if end += 1 + len(name); q.limited {
			top = path[:end]
		}
	}
	return top
}
