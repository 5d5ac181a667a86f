package completions

import (
	"context"
	"strings"
	"time"
)

// config is the ensemble's configuration.
type config struct {
	members  []Suggestion // server.N=…
	known    bool
	fetching bool
	due      time.Time
}

// ensemble returns the servers in the configuration.
func (c *Completer) ensemble() (members []Suggestion, pending bool) {
	tree := c.cfg.Tree()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.config.fetching && tree != nil && !time.Now().Before(c.config.due) {
		c.config.fetching = true
		go c.fetchConfig(tree)
	}
	return c.config.members, c.config.fetching && !c.config.known
}

func (c *Completer) fetchConfig(tree Tree) {
	defer c.cfg.Guard()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	text, _, err := tree.GetConfig(ctx, false)
	c.mu.Lock()
	if err == nil {
		c.config.members = nil
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "server.") && strings.Contains(line, "=") {
				c.config.members = append(c.config.members, Suggestion{Text: line})
			}
		}
	}
	c.config.fetching, c.config.known, c.config.due = false, true, time.Now().Add(c.cfg.TTL)
	c.mu.Unlock()
	c.announce()
}

// members completes the last of server.N=…,… with an existing server, to be edited.
func (c *Completer) members(typed, lead string) Result {
	list, pending := c.ensemble()
	comma := strings.LastIndexByte(typed, ',') + 1
	r := Among(list, typed[comma:], lead+typed[:comma])
	r.Pending = pending
	return r
}

// memberIDs completes the last of N,… with the servers not yet named.
func (c *Completer) memberIDs(typed, lead string) Result {
	list, pending := c.ensemble()
	comma := strings.LastIndexByte(typed, ',') + 1
	var ids []Suggestion
	for _, m := range list {
		id, spec, _ := strings.Cut(strings.TrimPrefix(m.Text, "server."), "=")
		if !strings.Contains(","+typed[:comma], ","+id+",") {
			ids = append(ids, Suggestion{Text: id, Help: spec, Final: true})
		}
	}
	r := Among(ids, typed[comma:], lead+typed[:comma])
	r.Pending = pending
	return r
}
