package localserver

import "fmt"

// Partition cuts every link between members on different sides, and restores all links within a
// side. Members that are on no side form another one together.
func (e *Ensemble) Partition(sides ...[]int64) error {
	side := map[int64]int{}
	for i, ids := range sides {
		for _, id := range ids {
			if e.Member(id) == nil {
				return fmt.Errorf("partition: no member %d", id)
			}
			if _, twice := side[id]; twice {
				return fmt.Errorf("partition: member %d is on two sides", id)
			}
			side[id] = i + 1
		}
	}
	members := e.Members()
	var pairs [][2]int64
	for i, a := range members {
		for _, b := range members[i+1:] {
			if side[a.id] != side[b.id] {
				pairs = append(pairs, link(a.id, b.id))
			}
		}
	}
	e.links.set(func(cut map[[2]int64]bool) {
		clear(cut)
		for _, p := range pairs {
			cut[p] = true
		}
	})
	return nil
}

// Cut cuts the link between two members.
func (e *Ensemble) Cut(a, b int64) error {
	if e.Member(a) == nil || e.Member(b) == nil || a == b {
		return fmt.Errorf("cut the link between members %d and %d: no such members", a, b)
	}
	e.links.set(func(cut map[[2]int64]bool) { cut[link(a, b)] = true })
	return nil
}

// Heal restores the link between two members.
func (e *Ensemble) Heal(a, b int64) {
	e.links.set(func(cut map[[2]int64]bool) { delete(cut, link(a, b)) })
}

// CutLinks returns the links that are cut, each as the numbers of its two members in ascending
// order.
func (e *Ensemble) CutLinks() [][2]int64 { return e.links.pairs() }

// HealAll restores all links.
func (e *Ensemble) HealAll() { e.links.set(func(cut map[[2]int64]bool) { clear(cut) }) }
