package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/survey"
	"github.com/zkctl/zkctl/internal/ui"
)

// box is a place in a chart.
type box struct{ x, y, w, h float64 }

// treemap draws a tree as nested boxes, each as large as what it holds.
type treemap struct {
	builder
	weight func(survey.Branch) int64
	own    func(survey.Branch) int64 // what a znode has without those below, if that has a box
}

// byBytes and byZnodes are what boxes may be as large as.
func byBytes() *treemap {
	return &treemap{weight: func(b survey.Branch) int64 { return b.Bytes }, own: func(b survey.Branch) int64 { return b.Own }}
}

func byZnodes() *treemap {
	return &treemap{weight: func(b survey.Branch) int64 { return b.Znodes }, own: func(survey.Branch) int64 { return 0 }}
}

// mapLevels is how many levels of boxes there are below the root.
const mapLevels = 4

func (t *treemap) draw(w int, root survey.Branch) (markup, int) {
	h := 380
	if w == narrow {
		h = 420
	}
	t.below(root, box{0, 0, float64(w), float64(h)}, 0, 0)
	return t.markup(), h
}

// part is a child, or what is left of its parent.
type part struct {
	weight int64
	branch *survey.Branch // nil for what is left
	rest   string
}

// below draws what is below a branch.
func (t *treemap) below(b survey.Branch, in box, level, hue int) {
	left := t.weight(b)
	var parts []part
	for i := range b.Below {
		if n := t.weight(b.Below[i]); n > 0 {
			parts = append(parts, part{weight: n, branch: &b.Below[i]})
			left -= n
		}
	}
	slices.SortStableFunc(parts, func(x, y part) int { return cmp.Compare(y.weight, x.weight) })
	own := min(t.own(b), left)
	left -= own
	if n := int(b.Children) - len(b.Below); n > 0 && left > 0 {
		parts = append(parts, part{weight: left, rest: command.Thousands(n) + " smaller"})
	}
	if own > 0 && level > 0 {
		parts = append(parts, part{weight: own, rest: "its own data"})
	}
	weights := make([]float64, len(parts))
	for i, p := range parts {
		weights[i] = float64(p.weight)
	}
	for i, at := range squarify(weights, in) {
		if at.w < 2 || at.h < 2 {
			continue
		}
		p := parts[i]
		if level == 0 {
			hue = i % 8
		}
		if p.branch == nil {
			t.put("<g><title>%s: %s</title><rect class=\"rest\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", b.Path, p.rest, at.x, at.y, at.w, at.h)
			if at.h >= 16 {
				t.label(at.x+5, at.y+13, at.w-8, "box", p.rest)
			}
			t.put("</g>\n")
			continue
		}
		name := p.branch.Path[strings.LastIndexByte(p.branch.Path, '/')+1:]
		if level == 0 {
			name = p.branch.Path
		}
		t.put("<g><title>%s: %s in %s</title><rect class=\"h%d d%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
			p.branch.Path, ui.Bytes(p.branch.Bytes), command.Counted(int(p.branch.Znodes), "znode"), hue, level, at.x, at.y, at.w, at.h)
		if at.h >= 16 {
			t.label(at.x+5, at.y+13, at.w-8, "box", name)
		}
		t.put("</g>\n")
		if inner := (box{at.x + 3, at.y + 18, at.w - 6, at.h - 21}); level+1 < mapLevels && inner.w > 24 && inner.h > 12 && len(p.branch.Below) > 0 {
			t.below(*p.branch, inner, level+1, hue)
		}
	}
}

// squarify divides a box in the ratio of weights, the largest first, into boxes that are as square as possible
// (Bruls, Huizing, van Wijk: Squarified Treemaps, 2000).
func squarify(weights []float64, in box) []box {
	var total float64
	for _, w := range weights {
		total += w
	}
	out := make([]box, 0, len(weights))
	if total <= 0 || in.w <= 0 || in.h <= 0 {
		return make([]box, len(weights))
	}
	scale := in.w * in.h / total
	for len(weights) > 0 {
		side := min(in.w, in.h)
		n, sum := 1, weights[0]*scale
		worst := ratio(weights[0]*scale, sum, side)
		smallest := weights[0] * scale
		for n < len(weights) {
			next := weights[n] * scale
			smallest = min(smallest, next)
			r := max(ratio(weights[0]*scale, sum+next, side), ratio(smallest, sum+next, side))
			if r > worst {
				break
			}
			worst, sum, n = r, sum+next, n+1
		}
		depth := 0.0
		if side > 0 {
			depth = sum / side
		}
		at := 0.0
		for _, w := range weights[:n] {
			length := 0.0
			if depth > 0 {
				length = w * scale / depth
			}
			if in.w >= in.h {
				out = append(out, box{in.x, in.y + at, depth, length})
			} else {
				out = append(out, box{in.x + at, in.y, length, depth})
			}
			at += length
		}
		if in.w >= in.h {
			in.x, in.w = in.x+depth, max(in.w-depth, 0)
		} else {
			in.y, in.h = in.y+depth, max(in.h-depth, 0)
		}
		weights = weights[n:]
	}
	return out
}

// ratio is how far from a square a box of this area is in a row of that sum along a side.
func ratio(area, sum, side float64) float64 {
	if area <= 0 || sum <= 0 || side <= 0 {
		return 1e300
	}
	depth := sum / side
	length := area / depth
	return max(depth/length, length/depth)
}

// treeRows are the rows of the table of a tree, at most so many: its branches, indented by their level.
func treeRows(root survey.Branch, most int) (rows [][]any) {
	var add func(b survey.Branch, level int)
	add = func(b survey.Branch, level int) {
		if len(rows) >= most {
			return
		}
		rows = append(rows, []any{strings.Repeat("\u2003", level) + b.Path, b.Znodes, size(b.Bytes), share(b.Bytes, root.Bytes), b.Children})
		for i := range b.Below {
			if level < 2 && (i < 12 || level == 0) {
				add(b.Below[i], level+1)
			}
		}
	}
	add(root, 0)
	return rows
}

// share is a part of the whole in percent.
func share(n, of int64) string {
	if of == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(of))
}
