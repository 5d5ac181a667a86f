package replica

import "iter"

// pool numbers records from 1. It grows in pieces, so that it never has to copy a million watches
// at once.
type pool[T any] struct {
	pieces [][]T
	used   uint32
	free   []uint32
}

const poolPiece = 1 << 10

func (p *pool[T]) get(n uint32) *T { return &p.pieces[(n-1)/poolPiece][(n-1)%poolPiece] }

func (p *pool[T]) add() uint32 {
	if n := len(p.free); n > 0 {
		id := p.free[n-1]
		p.free = p.free[:n-1]
		return id
	}
	if p.used%poolPiece == 0 {
		p.pieces = append(p.pieces, make([]T, poolPiece))
	}
	p.used++
	return p.used
}

func (p *pool[T]) drop(n uint32) {
	*p.get(n) = *new(T)
	p.free = append(p.free, n)
}

func ofPath(e *watch) *link    { return &e.ofPath }
func ofWatcher(e *watch) *link { return &e.ofWatcher }

// join adds a watch at the end of a ring, or as the first of an empty one.
func (t *watches[W]) join(first *uint32, n uint32, of func(*watch) *link) {
	l := of(t.watches.get(n))
	if *first == 0 {
		*first = n
		*l = link{n, n}
		return
	}
	head := of(t.watches.get(*first))
	*l = link{next: *first, prev: head.prev}
	of(t.watches.get(head.prev)).next = n
	head.prev = n
}

// part removes a watch from a ring.
func (t *watches[W]) part(first *uint32, n uint32, of func(*watch) *link) {
	l := of(t.watches.get(n))
	if l.next == n {
		*first = 0
		return
	}
	if *first == n {
		*first = l.next
	}
	of(t.watches.get(l.prev)).next = l.next
	of(t.watches.get(l.next)).prev = l.prev
}

// ring iterates once around a ring. The current watch may be removed.
func (t *watches[W]) ring(first uint32, of func(*watch) *link) iter.Seq2[uint32, *watch] {
	return func(yield func(uint32, *watch) bool) {
		if first == 0 {
			return
		}
		last := of(t.watches.get(first)).prev
		for n := first; ; {
			e := t.watches.get(n)
			next := of(e).next
			if !yield(n, e) || n == last {
				return
			}
			n = next
		}
	}
}
