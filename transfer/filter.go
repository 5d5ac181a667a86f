package transfer

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// filter is --include and --exclude.
type filter struct {
	include, exclude []pattern
	idle             []string // the globs of include that have matched nothing, others are ""
}

// pattern is a glob, segment by segment.
type pattern []string

// anyLevels is the segment that stands for any number of levels.
const anyLevels = "**"

func newFilter(include, exclude []string) (*filter, error) {
	f := &filter{idle: slices.Clone(include)}
	for _, list := range []struct {
		option string
		globs  []string
		to     *[]pattern
	}{{"--include", include, &f.include}, {"--exclude", exclude, &f.exclude}} {
		for _, glob := range list.globs {
			p, err := parsePattern(glob)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", list.option, err)
			}
			*list.to = append(*list.to, p)
		}
	}
	return f, nil
}

func parsePattern(glob string) (pattern, error) {
	rest, absolute := strings.CutPrefix(glob, "/")
	var p pattern
	if !absolute {
		p = append(p, anyLevels)
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(rest, "/"), "/") {
		if _, err := path.Match(segment, ""); err != nil {
			return nil, fmt.Errorf("invalid pattern %q: a [ has no ]", glob)
		}
		if segment == "" {
			return nil, fmt.Errorf("invalid pattern %q: a name is empty", glob)
		}
		p = append(p, segment)
	}
	return p, nil
}

// covers reports whether the pattern matches a path, as its names, or one above it.
func (p pattern) covers(names []string) bool {
	for len(p) > 0 && p[0] != anyLevels {
		if len(names) == 0 {
			return false
		}
		if ok, _ := path.Match(p[0], names[0]); !ok { // checked by parsePattern
			return false
		}
		p, names = p[1:], names[1:]
	}
	if len(p) == 0 {
		return true
	}
	for i := range len(names) + 1 {
		if p[1:].covers(names[i:]) {
			return true
		}
	}
	return false
}

// reaches reports whether the pattern may match a path below one that it does not cover.
func (p pattern) reaches(names []string) bool {
	for i, name := range names {
		if p[i] == anyLevels {
			return true
		}
		if ok, _ := path.Match(p[i], name); !ok { // checked by parsePattern
			return false
		}
	}
	return true
}

// keeps reports whether a znode belongs to what is wanted. below reports whether something below it may.
func (f *filter) keeps(znode string) (keep, below bool) {
	if len(f.include)+len(f.exclude) == 0 {
		return true, true
	}
	var names []string
	if znode != "/" {
		names = strings.Split(znode[1:], "/")
	}
	if slices.ContainsFunc(f.exclude, func(p pattern) bool { return p.covers(names) }) {
		return false, false
	}
	keep = len(f.include) == 0
	for i, p := range f.include {
		if p.covers(names) {
			keep, f.idle[i] = true, ""
		}
	}
	return keep, keep || slices.ContainsFunc(f.include, func(p pattern) bool { return p.reaches(names) })
}
