package bench

import (
	"fmt"
	"math"
	"slices"
)

// What a comparison can come to.
const (
	better  = "better"
	worse   = "worse"
	same    = "within the noise"
	tooFew  = "too few intervals"
	missing = "not measured before"
)

const (
	// fewest is how many intervals each run needs.
	fewest = 8
	// chance is how improbable equal runs must be to be called different.
	chance = 0.01
	// trifle is a change that nobody needs to know of.
	trifle = 0.02
)

// difference is a figure of two runs.
type difference struct {
	Operation string  `json:"operation"`
	Figure    string  `json:"figure"` // throughput, p50 or p99
	Before    float64 `json:"before"` // the median of the intervals: operations a second, or ms
	After     float64 `json:"after"`
	Change    float64 `json:"change"` // relative to before
	Noise     float64 `json:"noise"`  // relative: half of the intervals of a run are within it
	P         float64 `json:"p"`      // of the ranks, if both runs were alike
	Verdict   string  `json:"verdict"`
}

// compare compares a figure of the intervals of two runs. It differs if the ranks say so (Mann-Whitney), and the medians are
// farther apart than the intervals of either run usually are from their median: intervals of a run resemble each other more than
// those of two runs do, so that the ranks alone would find a difference in any two.
func compare(before, after []float64, higherIsBetter bool) difference {
	d := difference{Before: median(before), After: median(after), P: 1}
	if d.Before > 0 {
		d.Change = d.After/d.Before - 1
	}
	d.Noise = max(spread(before), spread(after))
	switch {
	case len(before) < fewest || len(after) < fewest:
		d.Verdict = tooFew
		return d
	}
	d.P = mannWhitney(before, after)
	switch {
	case d.P >= chance || math.Abs(d.Change) <= max(trifle, d.Noise):
		d.Verdict = same
	case (d.Change > 0) == higherIsBetter:
		d.Verdict = better
	default:
		d.Verdict = worse
	}
	return d
}

// median is that of the values, 0 for none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// spread is the median distance from the median, relative to it.
func spread(values []float64) float64 {
	m := median(values)
	if m == 0 {
		return 0
	}
	far := make([]float64, len(values))
	for i, v := range values {
		far[i] = math.Abs(v - m)
	}
	return median(far) / m
}

// mannWhitney is the two-sided probability that two samples of the same distribution have ranks as unequal as these, by the normal
// approximation with ties.
func mannWhitney(a, b []float64) float64 {
	type ranked struct {
		v     float64
		first bool
	}
	var all []ranked
	for _, v := range a {
		all = append(all, ranked{v, true})
	}
	for _, v := range b {
		all = append(all, ranked{v, false})
	}
	slices.SortFunc(all, func(x, y ranked) int {
		switch {
		case x.v < y.v:
			return -1
		case x.v > y.v:
			return 1
		}
		return 0
	})
	sum, ties := 0.0, 0.0
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].v == all[i].v {
			j++
		}
		rank, t := float64(i+j+1)/2, float64(j-i)
		ties += t*t*t - t
		for ; i < j; i++ {
			if all[i].first {
				sum += rank
			}
		}
	}
	n, m := float64(len(a)), float64(len(b))
	u := sum - n*(n+1)/2
	deviation := math.Sqrt(n * m / 12 * (n + m + 1 - ties/((n+m)*(n+m-1))))
	if deviation == 0 || math.IsNaN(deviation) {
		return 1
	}
	z := max(0, math.Abs(u-n*m/2)-0.5) / deviation
	return math.Erfc(z / math.Sqrt2)
}

// comparison compares a run with an earlier one.
type comparison struct {
	File        string       `json:"file"`
	Unlike      []string     `json:"unlike"` // settings that differ
	Differences []difference `json:"differences"`
}

func (r *run) comparison() *comparison {
	if r.before == nil {
		return nil
	}
	c := &comparison{File: r.before.file, Unlike: []string{}, Differences: []difference{}}
	if now, before := r.settings(), r.before.settings; r.before.known {
		for _, one := range []struct {
			name        string
			before, now any
		}{
			{"the mix", before.Mix, now.Mix}, {"--clients", before.Clients, now.Clients}, {"--in-flight", before.InFlight, now.InFlight},
			{"--rate", before.Rate, now.Rate}, {"--size", before.Size, now.Size}, {"--keys", before.Keys, now.Keys},
			{"--persistent", before.Persistent, now.Persistent}, {"--through", before.Through, now.Through},
		} {
			if one.before != one.now {
				c.Unlike = append(c.Unlike, fmt.Sprintf("%s was %v, is %v", one.name, one.before, one.now))
			}
		}
	}
	for kind, part := range r.plan.mix {
		before, ok := r.before.samples[part.op]
		if !ok {
			c.Differences = append(c.Differences, difference{Operation: part.op.String(), Figure: "throughput", P: 1, Verdict: missing})
			continue
		}
		after := r.series.samples[kind]
		for _, figure := range []struct {
			name   string
			of     func(sample) (float64, bool)
			higher bool
		}{
			{"throughput", func(s sample) (float64, bool) { return float64(s.count) / s.length.Seconds(), true }, true},
			{"p50", func(s sample) (float64, bool) { return float64(s.p50) / 1e6, s.count > 0 }, false},
			{"p99", func(s sample) (float64, bool) { return float64(s.p99) / 1e6, s.count > 0 }, false},
		} {
			if figure.higher && r.plan.rate > 0 {
				continue // it is given
			}
			d := compare(values(before, figure.of), values(after, figure.of), figure.higher)
			d.Operation, d.Figure = part.op.String(), figure.name
			c.Differences = append(c.Differences, d)
		}
	}
	return c
}

// values are those of the complete intervals.
func values(list []sample, of func(sample) (float64, bool)) (v []float64) {
	for _, s := range list {
		if one, ok := of(s); ok && !s.incomplete {
			v = append(v, one)
		}
	}
	return v
}
