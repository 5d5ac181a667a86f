package follow

import (
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
)

// found is what a reading says of a znode.
type found struct {
	path    string
	exists  bool
	stat    proto.Stat
	data    []byte
	hasData bool
	names   []string // of the children, sorted, if they were read
	named   bool
	refused error // why the data or the names are missing
	err     error // why nothing is known
}

func (f *follower) versionOf(s *proto.Stat) Version {
	return Version{Czxid: s.Czxid, Mzxid: s.Mzxid, Version: s.Version, ACL: s.Aversion, Length: s.DataLength, seen: f.reading}
}

// take compares what was read of a znode with what is known, and yields the difference.
func (f *follower) take(r *found, missed bool) error {
	id := f.known.find(r.path, r.exists)
	var old Version
	if id != 0 {
		old = f.known.node(id).Version
	}
	had := old.seen != 0
	if !r.exists {
		switch {
		case had:
			return f.gone(id, r.path, missed)
		case !f.started && r.path == f.path:
			return f.yield(&Change{Kind: Start, Path: r.path})
		}
		return nil
	}
	now := f.versionOf(&r.stat)
	c := Change{Path: r.path, New: &r.stat, Data: r.data, HasData: r.hasData, Names: r.names, HasNames: r.named, Missed: missed, Refused: r.refused}
	switch {
	case !had && f.started:
		c.Kind = Created
	case !had:
		c.Kind = Start
		c.Missed = false
	case old.Czxid != now.Czxid:
		if err := f.gone(id, r.path, missed); err != nil {
			return err
		}
		id = f.known.find(r.path, true)
		c.Kind, had = Created, false
	case old.Mzxid != now.Mzxid:
		c.Kind = Changed
	}
	if had {
		c.Old = &old
		c.OldData, c.HasOldData = f.values[id]
	}
	f.known.node(id).Version = now
	if f.opt.Keep && r.hasData {
		f.values[id] = r.data
	}
	if c.Kind != "" {
		if err := f.yield(&c); err != nil {
			return err
		}
	}
	if had && old.ACL != now.ACL {
		c.Kind = ACL
		if err := f.yield(&c); err != nil {
			return err
		}
	}
	if f.opt.Tree {
		return nil
	}
	listed := r.stat.Cversion != f.cversion
	f.cversion = r.stat.Cversion
	if r.named {
		c.Added, c.Gone = without(r.names, f.names), without(f.names, r.names)
		f.names, listed = r.names, len(c.Added)+len(c.Gone) > 0
	}
	if !had || !listed {
		return nil
	}
	c.Kind = Children
	return f.yield(&c)
}

// gone forgets a znode.
func (f *follower) gone(id uint32, path string, missed bool) error {
	old := f.known.node(id).Version
	c := Change{Kind: Deleted, Path: path, Old: &old, Missed: missed}
	c.OldData, c.HasOldData = f.values[id]
	delete(f.values, id)
	f.known.forget(id)
	f.names, f.cversion = nil, 0
	return f.yield(&c)
}

// unseen forgets the znodes that the last reading of the whole tree did not find, children before parents.
func (f *follower) unseen() error {
	type lost struct {
		path string
		id   uint32
	}
	var all []lost
	for _, id := range f.known.unseen(f.reading) {
		all = append(all, lost{f.known.path(id), id})
	}
	slices.SortFunc(all, func(a, b lost) int { return strings.Compare(b.path, a.path) })
	for _, l := range all {
		if err := f.gone(l.id, l.path, true); err != nil {
			return err
		}
	}
	return nil
}

func (f *follower) yield(c *Change) error {
	c.Time = time.Now()
	f.unsettled = true
	return f.visit(c)
}

// without returns those of a that are not in b; both are sorted.
func without(a, b []string) (rest []string) {
	for _, name := range a {
		for len(b) > 0 && b[0] < name {
			b = b[1:]
		}
		if len(b) == 0 || b[0] != name {
			rest = append(rest, name)
		}
	}
	return rest
}
