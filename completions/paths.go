package completions

import (
	"context"
	"errors"
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
)

// level is the list of a znode's children.
type level struct {
	names    []string // sorted
	stat     proto.Stat
	known    bool // it has been fetched
	missing  bool // the znode does not exist
	fetching bool
	due      time.Time // when to look it up again
	used     int
}

// znode is what is shown next to a znode's name.
type znode struct {
	stat     proto.Stat
	known    bool
	missing  bool // it does not exist
	fetching bool
	due      time.Time
}

// paths completes a znode path, relative to dir unless it starts with a slash.
func (c *Completer) paths(typed, lead, dir string) Result {
	if dir == "" {
		dir = "/"
	}
	slash := strings.LastIndexByte(typed, '/') + 1
	head, prefix := typed[:slash], typed[slash:]
	if typed == "" && dir == "/" {
		head = "/"
	}
	parent := path.Clean(head)
	if !strings.HasPrefix(head, "/") {
		parent = path.Join(dir, head)
	}
	names, pending := c.children(parent)
	from := sort.SearchStrings(names, prefix)
	to := from + sort.Search(len(names)-from, func(i int) bool { return !strings.HasPrefix(names[from+i], prefix) })
	r := Result{Total: to - from, Pending: pending}
	if r.Total == 0 {
		return r
	}
	if head == "" && strings.HasPrefix(names[from], "-") && strings.HasPrefix(names[to-1], "-") {
		head = "./" // so that it does not look like an option
	}
	r.Common = lead + head + common(names[from], names[to-1])
	shown := names[from:min(to, from+Limit)]
	r.Suggestions = make([]Suggestion, len(shown))
	for i, name := range shown {
		text := lead + head + name
		if head == "" && strings.HasPrefix(name, "-") {
			text = lead + "./" + name
		}
		r.Suggestions[i] = Suggestion{Text: text, Label: name, Path: path.Join(parent, name)}
	}
	c.lookAhead(path.Join(parent, prefix), names[from] == prefix)
	return r
}

// lookAhead fetches the children of a znode whose name has been typed: a slash may follow. For a
// znode with very many children it waits for the slash.
func (c *Completer) lookAhead(node string, exists bool) {
	if !exists {
		return
	}
	c.mu.Lock()
	z := c.stats[node]
	small := z != nil && z.known && z.stat.NumChildren > 0 && z.stat.NumChildren <= 1000
	c.mu.Unlock()
	if small {
		c.children(node)
	}
}

// children returns what is known about a znode's children, sorted, and whether more may arrive.
// The slice is not changed afterwards.
func (c *Completer) children(node string) (names []string, pending bool) {
	tree := c.cfg.Tree()
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.levels[node]
	if l == nil {
		if tree == nil {
			return nil, false
		}
		l = &level{}
		c.levels[node] = l
	}
	c.clock++
	l.used = c.clock
	if !l.fetching && tree != nil && !time.Now().Before(l.due) {
		l.fetching = true
		go c.fetch(tree, node, l)
	}
	return l.names, l.fetching && !l.known
}

// fetch updates a level; an unchanged one is not transferred again.
func (c *Completer) fetch(tree Tree, node string, l *level) {
	defer c.cfg.Guard()
	c.slots <- struct{}{}
	defer func() { <-c.slots }()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	began := time.Now()
	c.mu.Lock()
	known, stat := l.known && !l.missing, l.stat
	c.mu.Unlock()
	var names []string
	var err error
	same := false
	if known {
		var now proto.Stat
		now, err = tree.Exists(ctx, node, false)
		same = err == nil && now.Czxid == stat.Czxid && now.Pzxid == stat.Pzxid && now.Cversion == stat.Cversion
	}
	if err == nil && !same {
		if names, stat, err = tree.Children(ctx, node, false); err == nil {
			slices.Sort(names)
		}
	}
	c.mu.Lock()
	l.fetching = false
	if c.levels[node] != l { // forgotten in the meantime
		c.mu.Unlock()
		c.announce()
		return
	}
	// A level that takes long is looked up less often.
	l.due = time.Now().Add(max(c.cfg.TTL, 10*time.Since(began)))
	changed := false
	switch {
	case err == nil && same:
	case err == nil:
		changed = !l.known || !slices.Equal(l.names, names)
		c.names += len(names) - len(l.names)
		l.names, l.stat, l.known, l.missing = names, stat, true, false
		c.stats[node] = &znode{stat: stat, known: true, due: l.due}
	case errors.Is(err, proto.ErrNoNode), errors.Is(err, proto.ErrNoAuth):
		changed = !l.known || len(l.names) > 0
		c.names -= len(l.names)
		l.names, l.known, l.missing = nil, true, true
		l.due = time.Now().Add(retry)
	default:
		l.due = time.Now().Add(retry)
		changed = !l.known // it is no longer pending
	}
	c.trim()
	c.mu.Unlock()
	if changed {
		c.announce()
	}
}

// trim drops the least recently used levels if there is too much; c.mu is held.
func (c *Completer) trim() {
	for len(c.levels) > maxLevels || c.names > maxNames && len(c.levels) > 1 {
		oldest, at := "", 0
		for node, l := range c.levels {
			if oldest == "" || l.used < at {
				oldest, at = node, l.used
			}
		}
		c.names -= len(c.levels[oldest].names)
		delete(c.levels, oldest)
	}
	if len(c.stats) > maxStats {
		c.stats = map[string]*znode{}
	}
}

// Describe fills in the help of znodes, in place, as far as it is known, and has the rest looked
// up; it reports whether everything was known. Call it for what is on the screen.
func (c *Completer) Describe(list []Suggestion) bool {
	var ask []string
	complete := c.describeElsewhere(list)
	tree := c.cfg.Tree()
	c.mu.Lock()
	now := time.Now()
	for i := range list {
		s := &list[i]
		if s.Path == "" || s.place != "" {
			continue
		}
		z := c.stats[s.Path]
		if z == nil {
			z = &znode{}
			c.stats[s.Path] = z
		}
		if z.known {
			s.Help, s.Parent = describe(z.stat), z.stat.NumChildren > 0
		}
		if tree != nil && !z.fetching && !now.Before(z.due) {
			z.fetching = true
			ask = append(ask, s.Path)
		}
		complete = complete && (z.known || !z.fetching)
	}
	c.mu.Unlock()
	if len(ask) > 0 {
		go c.stat(tree, ask)
	}
	return complete
}

// stat looks up several znodes at once and announces them together.
func (c *Completer) stat(tree Tree, nodes []string) {
	defer c.cfg.Guard()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	type answer struct {
		node string
		stat proto.Stat
		err  error
	}
	answers := make(chan answer, len(nodes))
	for _, node := range nodes {
		c.slots <- struct{}{}
		go func() {
			defer c.cfg.Guard()
			defer func() { <-c.slots }()
			stat, err := tree.Exists(ctx, node, false)
			answers <- answer{node, stat, err}
		}()
	}
	changed := false
	for range nodes {
		a := <-answers
		c.mu.Lock()
		if z := c.stats[a.node]; z != nil {
			z.fetching = false
			z.due = time.Now().Add(c.cfg.TTL)
			if a.err == nil {
				changed = changed || !z.known || z.missing || describe(z.stat) != describe(a.stat)
				z.stat, z.known, z.missing = a.stat, true, false
			} else {
				changed = true // await waits for it
				z.missing = errors.Is(a.err, proto.ErrNoNode)
			}
		} else {
			changed = true
		}
		c.mu.Unlock()
	}
	if changed {
		c.announce()
	}
}

// describe describes a znode in a few words.
func describe(s proto.Stat) string {
	var parts []string
	if s.NumChildren > 0 || !ephemeral(s) {
		parts = append(parts, command.Counted(int(s.NumChildren), "child"))
	}
	parts = append(parts, command.Counted(int(s.DataLength), "byte"))
	switch proto.EphemeralTypeOf(s.EphemeralOwner) {
	case proto.EphemeralContainer:
		parts = append(parts, "container")
	case proto.EphemeralTTL:
		parts = append(parts, "TTL")
	case proto.EphemeralNormal:
		parts = append(parts, "ephemeral")
	}
	return strings.Join(parts, ", ")
}

func ephemeral(s proto.Stat) bool {
	return proto.EphemeralTypeOf(s.EphemeralOwner) == proto.EphemeralNormal
}
