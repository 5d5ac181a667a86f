package logs

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/zkctl/zkctl/internal/ui"
)

// pair is what two logs have in common.
type pair struct {
	a, b int
	skew        // of b by a's clock
	rift string // why they cannot be of one ensemble; "" if nothing tells so
}

// connect finds the skews from what the logs have seen. The reference is the log with the most pairs; others are
// reached from it through as few logs as possible, but not through one of another ensemble. It returns which logs are of
// different ensembles, and how that shows.
func connect(all []*source, seen []map[mark]sighting) (apart []string) {
	n := len(all)
	var pairs []pair
	total := make([]int, n)
	for i := range n {
		for j := i + 1; j < n; j++ {
			p := pair{i, j, compare(seen[i], seen[j]), rift(all[i], all[j], seen[i], seen[j])}
			if p.rift != "" {
				p.known, p.why = false, p.rift
				apart = append(apart, fmt.Sprintf("%s and %s are of different ensembles: %s", all[i].who(), all[j].who(), p.rift))
			}
			pairs = append(pairs, p)
		}
	}
	group := ensembles(n, pairs)
	between := make([][]*pair, n)
	for i := range pairs {
		p := &pairs[i]
		if p.known && group[p.a] == group[p.b] {
			between[p.a], between[p.b] = append(between[p.a], p), append(between[p.b], p)
			total[p.a] += p.pairs
			total[p.b] += p.pairs
		}
	}
	reference := 0
	for i, t := range total {
		if t > total[reference] {
			reference = i
		}
	}
	for _, p := range pairs {
		for _, side := range [][2]int{{p.a, p.b}, {p.b, p.a}} {
			if known := group[side[0]] == group[reference]; known && group[side[1]] != group[reference] {
				all[side[1]].skew.why = cmp.Or(p.why, all[side[1]].skew.why)
			}
		}
	}
	if total[reference] == 0 {
		return apart
	}
	all[reference].skew = skew{known: true, reference: true}
	for queue := []int{reference}; len(queue) > 0; queue = queue[1:] {
		from := queue[0]
		for _, p := range between[from] {
			to, step := p.b, p.skew
			if to == from {
				to, step.ms = p.a, -step.ms
			}
			if !all[to].skew.known {
				step.ms += all[from].skew.ms
				step.within += all[from].skew.within
				all[to].skew = step
				queue = append(queue, to)
			}
		}
	}
	return apart
}

// ensembles sorts logs into groups that pairs connect, the surest pairs first, and in which no two logs are apart.
func ensembles(n int, pairs []pair) (group []int) {
	group = make([]int, n)
	for i := range group {
		group[i] = i
	}
	sorted := slices.Clone(pairs)
	slices.SortStableFunc(sorted, func(x, y pair) int {
		return cmp.Or(cmp.Compare(y.strong, x.strong), cmp.Compare(max(x.ms, -x.ms), max(y.ms, -y.ms)))
	})
	for _, p := range sorted {
		from, to := group[p.b], group[p.a]
		if !p.known || from == to || slices.ContainsFunc(pairs, func(other pair) bool {
			x, y := group[other.a], group[other.b]
			return other.rift != "" && (x == from && y == to || x == to && y == from)
		}) {
			continue
		}
		for i := range group {
			if group[i] == from {
				group[i] = to
			}
		}
	}
	return group
}

// rift finds an epoch that two servers led, or one server at two times, which one ensemble does not have.
func rift(first, second *source, a, b map[mark]sighting) string {
	if first.member == "" || second.member == "" {
		return ""
	}
	var epochs []mark
	for k := range a {
		if k.name == ledEpoch {
			epochs = append(epochs, k)
		}
	}
	slices.SortFunc(epochs, func(x, y mark) int { return cmp.Or(cmp.Compare(len(x.key), len(y.key)), cmp.Compare(x.key, y.key)) })
	for _, k := range epochs {
		x, y := a[k], b[k]
		switch at := x.at - y.at; {
		case y.at == 0 || x.twice || y.twice:
		case first.member != second.member:
			return fmt.Sprintf("server %s led epoch 0x%s in one, server %s in the other", first.member, k.key, second.member)
		case at > 1000 && !zoneLike(at) || at < -1000 && !zoneLike(at):
			return fmt.Sprintf("server %s started to lead epoch 0x%s at %s in one and at %s in the other", first.member, k.key, ui.Time(x.at), ui.Time(y.at))
		}
	}
	return ""
}

const (
	// Without a pair that no two ensembles have in common:
	// mostApart is how far, in ms, clocks may be apart, unless they are set to different time zones.
	mostApart = 10 * 60_000
	// mostScattered is how far, in ms, the middle half of the differences may be apart.
	mostScattered = 30_000
)

// zoneLike reports whether clocks that are so far apart, in ms, are set to different time zones.
func zoneLike(ms int64) bool {
	const quarter, tolerance = 15 * 60_000, 5000
	ms = max(ms, -ms)
	off := ms % quarter
	return ms > tolerance && ms < 15*4*quarter && min(off, quarter-off) <= tolerance
}

// compare returns how far the second log's clock is ahead of the first's.
func compare(first, second map[mark]sighting) skew {
	var there, back []int64 // the differences of pairs whose cause is in the first log, and in the second
	s := skew{}
	for k, a := range first {
		if a.twice {
			continue
		}
		other := k
		other.effect = !k.effect
		b, ok := second[other]
		if !ok || b.twice {
			continue
		}
		if k.effect {
			back = append(back, b.at-a.at)
		} else {
			there = append(there, b.at-a.at)
		}
		if !k.weak {
			s.strong++
		}
	}
	s.pairs = len(there) + len(back)
	if s.known = s.pairs > 0; !s.known {
		return s
	}
	slices.Sort(there)
	slices.Sort(back)
	switch {
	case len(there) == 0:
		s.ms, s.within = median(back), oneWayWithin
	case len(back) == 0:
		s.ms, s.within = median(there), oneWayWithin
	default:
		// An effect is later than its cause, so there is skew + delay, and back is skew - delay.
		t, b := median(there), median(back)
		s.ms = (t + b) / 2
		s.within = max((max(t-b, b-t)+1)/2, 1)
	}
	switch ms := max(s.ms, -s.ms); {
	case s.strong > 0:
	case max(scattered(there), scattered(back)) > mostScattered || s.within > mostScattered:
		s.known, s.why = false, "no single difference fits the events that it shares with others: it is of another ensemble, or its clock was set"
	case ms > mostApart && !zoneLike(s.ms):
		s.known, s.why = false, fmt.Sprintf("it shares with others only what every new ensemble logs, %s apart", ui.Duration(ms))
	}
	return s
}

// oneWayWithin is the uncertainty, in ms, if all pairs go one way: what a message may take on a busy machine.
const oneWayWithin = 50

// median is that of a sorted list.
func median(list []int64) int64 { return list[len(list)/2] }

// scattered is how far the middle half of a sorted list is apart.
func scattered(list []int64) int64 {
	if len(list) < 4 {
		return 0
	}
	return list[len(list)*3/4] - list[len(list)/4]
}
