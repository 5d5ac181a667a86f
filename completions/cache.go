package completions

import (
	"path"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/command"
)

// Fired says that a watch of the znode fired: the znode, its children or its existence changed.
func (c *Completer) Fired(node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stale(node)
	c.stale(path.Dir(node))
}

// Ran says that a command ran in dir. What it may have written is looked up again when next
// needed; words are those of command.Run.
func (c *Completer) Ran(words []command.Word, dir string) {
	for n := c.cfg.Env.Commands.Inner(words); n > 0; n = c.cfg.Env.Commands.Inner(words) {
		words = words[n:]
	}
	if len(words) == 0 {
		return
	}
	cmd := c.cfg.Env.Commands.Lookup(words[0].Text)
	if cmd == nil || cmd.Group == command.Reading {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if cmd.Name == "connect" || cmd.Name == "addauth" {
		c.empty() // other znodes, or different ones may be read now
		return
	}
	for node := range c.levels {
		c.stale(node)
	}
	for node := range c.stats {
		c.stale(node)
	}
	if cmd.Group != command.Writing {
		return
	}
	in, err := c.cfg.Env.Commands.Parse(words)
	if err != nil {
		return
	}
	for i, arg := range in.Args {
		if a := argAt(cmd, i); a != nil && (a.Kind == command.Path || a.Kind == command.NewPath) {
			if node, err := command.Resolve(dir, arg); err == nil {
				c.drop(path.Clean(node))
			}
		}
	}
}

// stale marks a znode to be looked up again; its last answer is used until then. c.mu is held.
func (c *Completer) stale(node string) {
	if l := c.levels[node]; l != nil {
		l.due = time.Time{}
	}
	if z := c.stats[node]; z != nil {
		z.due = time.Time{}
	}
}

// drop forgets a znode, everything below it and its parent's list, so that no old answer is
// given; c.mu is held.
func (c *Completer) drop(node string) {
	below := strings.TrimSuffix(node, "/") + "/"
	parent := path.Dir(node)
	for n, l := range c.levels {
		if n == node || n == parent || strings.HasPrefix(n, below) {
			c.names -= len(l.names)
			delete(c.levels, n)
		}
	}
	for n := range c.stats {
		if n == node || n == parent || strings.HasPrefix(n, below) {
			delete(c.stats, n)
		}
	}
}
