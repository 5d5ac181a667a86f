package replica

import (
	"cmp"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/ztree"
)

// booted is the origin of the times that ZooKeeper takes from the JVM's own clock
// (Time.currentElapsedTime).
var booted = time.Now()

// elapsed converts a moment to milliseconds on that clock; the zero time is 0.
func elapsed(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.Sub(booted).Milliseconds()
}

// figures are a member's state at a moment, copied for monitoring.
type figures struct {
	role     role
	observer bool
	alone    bool
	stats    stats
	conns    int
	zxid     int64
	znodes   int // including "", ZooKeeper's second name for the root
	watches  int

	ephemerals int
	bytes      int64
	sessions   int
	local      int // local sessions
	uptime     time.Duration
	ledFor     time.Duration
	proposals  BufferSizes
}

// figures copies them; serving is false if the member does not serve.
func (s *Replica) figures() (f figures, serving bool) {
	s.do(func() {
		if s.role == idle {
			return
		}
		serving = true
		s.stats.settleFired()
		f = figures{role: s.role, observer: s.observer, alone: s.opt.Ensemble == nil, stats: s.stats, conns: len(s.all),
			zxid: s.tree.LastZxid(), znodes: s.tree.Len() + 1, watches: s.watches.count(), ephemerals: s.tree.NumEphemerals(),
			uptime: s.now.Sub(s.stats.since), bytes: s.tree.Bytes(), sessions: s.tree.NumSessions(), proposals: s.stats.proposals}
		if s.local != nil {
			f.local = len(s.local.byID)
		}
		if s.role == leading {
			f.ledFor = s.now.Sub(s.stats.led)
		}
		f.stats.digests = nil
	})
	return f, serving
}

// serving reports whether the member serves.
func (s *Replica) serving() (serving bool) {
	s.do(func() { serving = s.role != idle })
	return serving
}

// state is the member's role in ZooKeeper's words (ServerStats.Provider.getState).
func (f *figures) state() string {
	switch {
	case f.role == readOnly:
		return "read-only"
	case f.role == leading && f.alone:
		return "standalone"
	case f.role == leading:
		return "leader"
	case f.observer:
		return "observer"
	}
	return "follower"
}

// leads reports whether the member leads an ensemble.
func (f *figures) leads() bool { return f.role == leading && !f.alone }

// connInfo is a connection as cons lists it.
type connInfo struct {
	remote   string // as InetSocketAddress prints it, without the slash
	secure   bool
	ops      int // its selection key's interest: 1 to read, 4 to write
	queued   int32
	session  int64
	timeout  time.Duration
	started  time.Time
	deadline time.Time // when it is closed if it stays silent
	stats    connStats
}

// connections lists the connections, oldest first.
func (s *Replica) connections() (list []connInfo) {
	s.do(func() {
		list = make([]connInfo, 0, len(s.all))
		for c := range s.all {
			if !c.gone {
				list = append(list, c.info())
			}
		}
	})
	slices.SortFunc(list, func(a, b connInfo) int {
		return cmp.Or(a.started.Compare(b.started), strings.Compare(a.remote, b.remote))
	})
	return list
}

func (c *conn) info() connInfo {
	i := connInfo{remote: c.remote[1:], secure: c.secure, queued: max(0, c.outstanding.Load()), started: c.started, stats: c.stats}
	// A session is set up once it is in the table; until then its id is only proposed.
	if c.s.conns[c.session] == c {
		i.session, i.timeout = c.session, c.timeout
	}
	last := c.stats.lastAt
	if last.IsZero() {
		last = c.started
	}
	i.deadline = last.Add(max(i.timeout, c.s.opt.Sessionless))
	if i.stats.lastOp == "" {
		i.stats.lastOp = "NA"
	}
	if c.probe {
		return i // its selection key is cancelled
	}
	c.mu.Lock()
	if !c.paused {
		i.ops |= 1
	}
	if c.writing {
		i.ops |= 4
	}
	c.mu.Unlock()
	return i
}

// resetConnStats is what crst does.
func (s *Replica) resetConnStats() {
	s.do(func() {
		for c := range s.all {
			c.stats.reset()
		}
	})
}

// resetStats is what srst does.
func (s *Replica) resetStats() { s.do(s.stats.reset) }

// ports are the client ports, -1 for none.
func (s *Replica) ports() (plain, secure int) {
	plain, secure = -1, -1
	s.accepting.mu.Lock()
	defer s.accepting.mu.Unlock()
	for _, l := range s.accepting.listeners {
		a, ok := l.Addr().(*net.TCPAddr)
		switch {
		case !ok:
		case l.mode == Secure && secure == -1:
			secure = a.Port
		case l.mode != Secure && plain == -1:
			plain = a.Port
		}
	}
	return plain, secure
}

// expiries lists a table's sessions by expiry time, soonest first.
func (t *sessions) expiries() (list []expiry) {
	if t == nil {
		return nil
	}
	for bucket, set := range t.buckets {
		e := expiry{at: t.began.Add(time.Duration(bucket) * t.tick)}
		for session := range set {
			e.sessions = append(e.sessions, session.id)
		}
		slices.Sort(e.sessions)
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b expiry) int { return a.at.Compare(b.at) })
	return list
}

type expiry struct {
	at       time.Time
	sessions []int64
}

// piece is roughly how many paths are copied at once: monitoring must not block the loop, however
// much there is to report.
const piece = 4096

// ephemerals calls visit with the ephemeral znodes of each session. It asks the loop for some
// sessions at a time, so the result is not a consistent view.
func (s *Replica) ephemerals(begin func(sessions int), visit func(session int64, paths []string)) {
	var owners []int64
	s.do(func() { owners = s.tree.EphemeralOwners() })
	begin(len(owners))
	for len(owners) > 0 {
		var nodes []*ztree.Node // of some sessions
		var some []int64
		var counts []int
		s.do(func() {
			for ; len(nodes) < piece && len(some) < piece && len(owners) > 0; owners = owners[1:] {
				before := len(nodes)
				nodes = s.tree.EphemeralNodes(owners[0], nodes)
				some, counts = append(some, owners[0]), append(counts, len(nodes)-before)
			}
		})
		if len(some) == 0 {
			return // the member is closed
		}
		paths := make([]string, 0, len(nodes))
		for part := range slices.Chunk(nodes, piece) {
			s.do(func() {
				for _, n := range part {
					paths = append(paths, n.Path())
				}
			})
		}
		if len(paths) < len(nodes) {
			return
		}
		for i, session := range some {
			own := paths[:counts[i]]
			slices.Sort(own)
			visit(session, own)
			paths = paths[counts[i]:]
		}
	}
}

// watchList is what wchc and wchp list, a pair for each data watch.
type watchList struct {
	watchers []int64 // sessions that have or had a watch, unordered
	pairs    []watchPair
	sessions []int64 // of the pairs
}

type watchPair struct {
	session int64
	path    string
}

// watchPairs copies the data watches, some at a time.
func (s *Replica) watchPairs() (list watchList) {
	used := uint32(1)
	for at := uint32(1); at <= used; at += piece {
		used = 0
		some := make([]int64, 0, piece)
		s.do(func() {
			t := &s.watches.watchers
			used = t.used
			for n := at; n < at+piece && n <= used; n++ {
				if by := t.get(n); by.who != nil && by.known[dataWatches] {
					some = append(some, by.who.session)
				}
			}
		})
		list.watchers = append(list.watchers, some...)
	}
	used = 1
	for at := uint32(1); at <= used; at += piece {
		used = 0
		some := make([]watchPair, 0, piece)
		s.do(func() {
			t := s.watches
			used = t.watches.used
			for n := at; n < at+piece && n <= used; n++ {
				e := t.watches.get(n)
				if e.place>>1 == 0 || watchKind(e.place&1) != dataWatches {
					continue // free, or of the other table
				}
				some = append(some, watchPair{t.watchers.get(e.watcher).who.session, t.places.get(e.place >> 1).path})
			}
		})
		for _, p := range some {
			list.sessions = append(list.sessions, p.session)
		}
		list.pairs = append(list.pairs, some...)
	}
	return list
}

type watchedBySession struct {
	session int64
	paths   []string
}

// bySession groups the pairs by session; a session that once had a watch appears even without one.
func (l watchList) bySession() (groups []watchedBySession) {
	paths := make(map[int64][]string, len(l.watchers))
	for _, id := range l.watchers {
		paths[id] = nil
	}
	for _, p := range l.pairs {
		paths[p.session] = append(paths[p.session], p.path)
	}
	for _, id := range sortedKeys(paths) {
		groups = append(groups, watchedBySession{id, paths[id]})
	}
	return groups
}

type watchersByPath struct {
	path     string
	sessions []int64
}

// byPath groups the pairs by path, in order of first occurrence.
func (l watchList) byPath() []watchersByPath {
	groups := make([]watchersByPath, 0, len(l.pairs))
	at := make(map[string]int, len(l.pairs))
	for i, p := range l.pairs {
		n, ok := at[p.path]
		if !ok {
			n = len(groups)
			at[p.path] = n
			groups = append(groups, watchersByPath{path: p.path})
		}
		g := &groups[n]
		if g.sessions == nil {
			g.sessions = l.ids(i)
			continue
		}
		g.sessions = append(g.sessions, p.session)
	}
	return groups
}

// ids returns the session of pair i as a list; it allocates only if the list grows.
func (l watchList) ids(i int) []int64 { return l.sessions[i : i+1 : i+1] }

// dirSize returns the size of all files in a folder, or 0 if there is none.
func dirSize(dir string) (sum int64) {
	if dir == "" {
		return 0
	}
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}
