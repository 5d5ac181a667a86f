package recipe

import (
	"cmp"
	"slices"
	"strings"
)

// Place is the place of a contender in the queue for a lock.
type Place struct {
	Contender
	Others []string // further znodes of the same contender: zkctl's has one for each layout
	Holds  bool
	After  string // the znode that it waits for; "" if it holds the lock
}

// family is which contenders see each other: those of one project and recipe. zkctl's see all, and are seen by those of the layouts
// that it writes.
func (c *Contender) family() string {
	switch {
	case c.Layout == "curator" && (c.Role == Read || c.Role == Write):
		return "curator rw"
	case c.Layout == "curator":
		return strings.TrimPrefix(c.Mark, "-") // with or without protection
	case c.Layout == "zkctl":
		return "kazoo"
	}
	return c.Layout
}

// excludes reports whether an earlier contender keeps a later one of its family waiting.
func (c *Contender) excludes(later *Contender) bool {
	switch {
	case c.Role == Lease || later.Role == Lease:
		return false
	case c.Role == Read:
		return later.Role != Read
	}
	return true
}

// Queue returns the contenders among the children of a znode, in the order of their numbers, and who of them holds the lock. It is nil
// if none of the names is a contender's.
func Queue(children []string) []Place {
	var all []Contender
	mine := map[string]bool{} // UUIDs of zkctl's
	for _, name := range children {
		if c, ok := ParseName(name); ok {
			all = append(all, c)
			if c.Layout == "zkctl" {
				mine[c.ID] = true
			}
		}
	}
	slices.SortFunc(all, func(a, b Contender) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Name, b.Name)) })
	var queue []Place
	at := map[string]int{} // of zkctl's in queue
	for i := range all {
		c := all[i]
		family := c.family()
		own := mine[c.ID]
		if own {
			c.Layout = "zkctl"
			if n, again := at[c.ID]; again {
				p := &queue[n]
				p.Others = append(p.Others, c.Name)
				if c.Role == Leader {
					p.Role = Leader
				}
				continue
			}
			at[c.ID] = len(queue)
		}
		p := Place{Contender: c, Holds: true}
		for j := i - 1; j >= 0; j-- {
			if before := &all[j]; before.family() == family && before.excludes(&c) || own {
				p.Holds, p.After = false, before.Name
				break
			}
		}
		queue = append(queue, p)
	}
	return queue
}

// predecessor returns the name of the last sequential znode before a number, whosever it is, and how many there are.
func predecessor(children []string, seq int64) (last string, n int) {
	most := int64(-1)
	for _, name := range children {
		_, number, ok := sequence(name)
		if !ok || number >= seq {
			continue
		}
		n++
		if number > most {
			most, last = number, name
		}
	}
	return last, n
}
