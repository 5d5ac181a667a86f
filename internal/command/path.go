package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// wild are the characters that make a path a pattern.
const wild = "*?["

// literal turns text into a pattern that matches only that text.
var literal = strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`, `\`, `\\`)

// Resolve makes a path absolute. A path that starts with / is unchanged. A relative one starts at
// dir, the current znode, and may contain "." and "..".
//
// Differs(relative-paths): zkCli has no current znode and accepts only paths that start with /.
func Resolve(dir, name string) (string, error) {
	switch {
	case strings.HasPrefix(name, "/"):
		return name, nil
	case name == "":
		return "", errors.New("empty path")
	}
	abs := path.Join(cmp.Or(dir, "/"), name)
	// A trailing slash means a nameless sequential znode to be created.
	if last := name[strings.LastIndexByte(strings.TrimSuffix(name, "/"), '/')+1:]; last != "./" && last != "../" &&
		strings.HasSuffix(last, "/") && abs != "/" {
		abs += "/"
	}
	return abs, nil
}

// Resolve makes the arguments that are znode paths absolute.
func (in *Invocation) Resolve(dir string) error {
	absolute := Absolute
	if in.Command.Nameless != nil && in.Command.Nameless(in) {
		absolute = Resolve
	}
	in.patterns = make([]string, len(in.Args))
	for i, word := range in.Words {
		if k := in.Command.kind(i); k != Path && k != NewPath {
			continue
		}
		var err error
		if in.Args[i], err = absolute(dir, word.Text); err != nil {
			return err
		}
		if !word.Quoted && strings.ContainsAny(word.Text, wild) {
			// A backslash in it does not escape: quote a path to take its characters literally.
			if in.patterns[i], err = absolute(literal.Replace(dir), strings.ReplaceAll(word.Text, `\`, `\\`)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Absolute is Resolve, without a trailing slash.
//
// Differs(slash-at-the-end): zkCli refuses /app/, which its Tab produces; it can only mean /app.
func Absolute(dir, name string) (string, error) {
	abs, err := Resolve(dir, name)
	if len(abs) > 1 {
		abs = strings.TrimSuffix(abs, "/")
	}
	return abs, err
}

// SortNames sorts as zkCli does: as Java compares strings, by UTF-16 code units. That is the byte
// order except for characters beyond U+FFFF, which are not allowed in a znode's name
// (PathUtils.validatePath refuses surrogates).
func SortNames(names []string) { slices.Sort(names) }

// Paths returns the znodes named by the i-th argument, a path or a pattern, in the order of ls.
// If a znode's name is the pattern itself, only that znode is returned. Without a pattern no
// request is made, and the znode need not exist. skipped receives the znodes whose children could
// not be compared with the pattern.
func (in *Invocation) Paths(ctx context.Context, conn *client.Conn, i int, skipped *Failures) ([]string, error) {
	if i >= len(in.patterns) || in.patterns[i] == "" {
		return in.Args[i : i+1], nil
	}
	// Since 3.8.4 and 3.9.2 the existence of an unreadable znode is not revealed either.
	if _, err := conn.Exists(ctx, in.Args[i], false); err == nil || errors.Is(err, proto.ErrNoAuth) {
		return in.Args[i : i+1], nil
	} else if !errors.Is(err, proto.ErrNoNode) {
		return nil, err
	}
	before := skipped.N
	found, err := expand(ctx, conn, in.patterns[i], skipped)
	switch {
	case errors.Is(err, path.ErrBadPattern):
		return in.Args[i : i+1], nil
	case err == nil && len(found) == 0 && skipped.N == before:
		err = fmt.Errorf("Node does not exist: %s, and no znode matches it", in.Args[i])
	}
	return found, err
}

// AllPaths returns the znodes named by the first n arguments, without duplicates.
func (in *Invocation) AllPaths(ctx context.Context, conn *client.Conn, n int, skipped *Failures) (all []string, err error) {
	seen := map[string]bool{}
	for i := range n {
		paths, err := in.Paths(ctx, conn, i, skipped)
		if err != nil {
			return nil, err
		}
		for _, p := range paths {
			if !seen[p] {
				seen[p] = true
				all = append(all, p)
			}
		}
	}
	return all, nil
}

// isPattern reports whether a pattern matches more than one text.
func isPattern(pattern string) bool {
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '*', '?', '[':
			return true
		}
	}
	return false
}

// expand matches segment by segment; what follows the last pattern is looked up at the end.
func expand(ctx context.Context, conn *client.Conn, pattern string, skipped *Failures) ([]string, error) {
	found := []string{""} // paths so far; the root's is empty
	checked := true
	for segment := range strings.SplitSeq(strings.TrimPrefix(pattern, "/"), "/") {
		checked = isPattern(segment)
		if !checked {
			for i := range found {
				found[i] += "/" + unescape(segment)
			}
			continue
		}
		var next []string
		for _, parent := range found {
			names, err := matches(ctx, conn, parent, segment)
			if err != nil {
				if err = skipped.Add(err); err != nil {
					return nil, err
				}
			}
			for _, name := range names {
				next = append(next, parent+"/"+name)
			}
		}
		found = next
	}
	if checked {
		return found, nil
	}
	kept := found[:0]
	for _, p := range found {
		_, err := conn.Exists(ctx, p, false)
		if err == nil || errors.Is(err, proto.ErrNoAuth) { // it exists, or that is unknowable
			kept = append(kept, p)
		} else if !errors.Is(err, proto.ErrNoNode) {
			return nil, err
		}
	}
	return kept, nil
}

// matches returns the children of parent whose names match the segment, sorted.
func matches(ctx context.Context, conn *client.Conn, parent, segment string) ([]string, error) {
	children, _, err := conn.Children(ctx, cmp.Or(parent, "/"), false)
	if errors.Is(err, proto.ErrNoNode) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	SortNames(children)
	var names []string
	for _, c := range children {
		ok, err := path.Match(segment, c)
		if err != nil {
			return nil, err
		}
		if ok {
			names = append(names, c)
		}
	}
	return names, nil
}

// unescape returns the text that a pattern was made from.
func unescape(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] == '\\' && i+1 < len(pattern) {
			i++
		}
		b.WriteByte(pattern[i])
	}
	return b.String()
}
