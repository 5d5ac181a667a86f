package main

import (
	"fmt"
	"io"
	"math"
	"slices"
)

// comparison is a property beside the same of a floor or a peer.
type comparison struct {
	name        string
	ours        float64
	beside      string
	theirs      float64
	unit        func(float64) string
	ratio       ratio
	least, most float64 // targets; 0 for none
}

// ratio says how two values compare.
type ratio struct {
	of    func(ours, theirs float64) float64
	shown func(float64) string
}

var (
	// share is how much of it we reach.
	share = ratio{func(o, t float64) float64 { return o / t }, percent}
	// faster is how much more of it we do.
	faster = ratio{func(o, t float64) float64 { return o / t }, func(v float64) string { return fmt.Sprintf("%.1f×", v) }}
	// asLong is how much longer we take.
	asLong = ratio{func(o, t float64) float64 { return o / t }, func(v float64) string { return fmt.Sprintf("%.2f times", v) }}
)

func percent(v float64) string {
	if v < 0.01 {
		return fmt.Sprintf("%.2f %%", 100*v)
	}
	return fmt.Sprintf("%.0f %%", 100*v)
}

func micros(v float64) string { return fmt.Sprintf("%.1f µs", v/1e3) }

func (c comparison) value() float64 { return c.ratio.of(c.ours, c.theirs) }

func (c comparison) met() bool {
	v := c.value()
	return (c.least == 0 || v >= c.least) && (c.most == 0 || v <= c.most)
}

func (c comparison) target() string {
	switch {
	case c.least > 0:
		return "≥ " + c.ratio.shown(c.least)
	case c.most > 0:
		return "≤ " + c.ratio.shown(c.most)
	}
	return "–"
}

func comparisonTable(w io.Writer, list []comparison) {
	fmt.Fprint(w, "\n| what | zkctl | beside | its value | ratio | target |\n|---|---:|---|---:|---:|---:|\n")
	for _, c := range list {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s |\n", c.name, c.unit(c.ours), c.beside, c.unit(c.theirs), c.ratio.shown(c.value()), c.target())
	}
}

// contrast adds a row, unless a part of it was not measured.
func (b *bench) contrast(c comparison) {
	if !math.IsNaN(c.ours) && !math.IsNaN(c.theirs) {
		b.comparisons = append(b.comparisons, c)
	}
}

// besides is contrast for a figure of ours that may have no counterpart.
func (b *bench) besides(f figure) {
	if !math.IsNaN(f.ours) {
		b.figures = append(b.figures, f)
	}
}

// samples are what several runs measured, by what and by whom.
type samples map[[2]string][]float64

func (s samples) add(what, who string, v float64) {
	s[[2]string{what, who}] = append(s[[2]string{what, who}], v)
}

// middle returns the median, or NaN if nothing was measured.
func (s samples) middle(what, who string) float64 {
	v := s[[2]string{what, who}]
	if len(v) == 0 {
		return math.NaN()
	}
	return middle(slices.Clone(v))
}

func middle(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
