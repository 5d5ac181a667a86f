package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// mark stands before a character that is not meant as a glob. It is NUL, which neither an
// argument of a process nor a znode's path can contain.
const mark = "\x00"

const globChars = `*?[\`

// Words returns the words of a line for Run. Glob characters of a quoted word are marked
// as literal.
func Words(tokens []Token) []string {
	words := make([]string, len(tokens))
	for i, t := range tokens {
		words[i] = t.Text
		if t.Quoted {
			words[i] = literal(t.Text)
		}
	}
	return words
}

// literal marks the glob characters.
func literal(s string) string {
	if !strings.ContainsAny(s, globChars+mark) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(globChars+mark, r) {
			b.WriteString(mark)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// plain removes the marks.
func plain(s string) string {
	if !strings.Contains(s, mark) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == 0 && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// ErrPathNotAbsolute is zkCli's refusal of a relative path.
var ErrPathNotAbsolute = errors.New("Path must start with / character")

// Resolve makes a path absolute. One that begins with / stays as it is. A relative one
// starts from dir, the current znode; "." and ".." are understood in it. At the root a bare
// name is refused, as zkCli refuses it, and ./name says that it is meant.
func Resolve(dir, name string) (string, error) {
	if dir == "" {
		dir = "/"
	}
	switch {
	case strings.HasPrefix(name, "/"):
		return name, nil
	case name == "":
		return "", errors.New("the path is empty")
	case name == "." || name == ".." || strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../"):
	case dir == "/":
		return "", fmt.Errorf("%w: %q (after cd, or as ./%s, it may be relative)", ErrPathNotAbsolute, name, name)
	}
	abs := path.Join(dir, name)
	// The slash at the end means a nameless sequential znode to create.
	if last := name[strings.LastIndexByte(strings.TrimSuffix(name, "/"), '/')+1:]; last != "./" && last != "../" &&
		strings.HasSuffix(last, "/") && abs != "/" {
		abs += "/"
	}
	return abs, nil
}

// resolve makes the arguments that are znode paths absolute.
func (in *Invocation) resolve(dir string) error {
	for i := range in.Args {
		if k := in.Command.kind(i); k != Path && k != NewPath {
			continue
		}
		var err error
		if i < len(in.Command.Args) && in.Command.Args[i].Bare && !strings.HasPrefix(in.Args[i], "/") {
			in.Args[i], in.words[i] = "./"+in.Args[i], "./"+in.words[i]
		}
		if in.Args[i], err = Resolve(dir, in.Args[i]); err != nil {
			return err
		}
		if in.words[i], err = Resolve(literal(dir), in.words[i]); err != nil {
			return err
		}
	}
	return nil
}

// Paths returns the znodes that the i-th argument, a path or a glob, names, in the order
// of ls. A znode whose name is the pattern itself comes first and alone. Without a glob no
// request is made, and the znode need not exist.
func (in *Invocation) Paths(ctx context.Context, conn *client.Conn, i int) ([]string, error) {
	if !isGlob(in.words[i]) {
		return in.Args[i : i+1], nil
	}
	if _, err := conn.Exists(ctx, in.Args[i], false); err == nil {
		return in.Args[i : i+1], nil
	} else if !errors.Is(err, proto.ErrNoNode) {
		return nil, err
	}
	found, err := expand(ctx, conn, in.words[i])
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("no znode matches %s", in.Args[i])
	}
	return found, err
}

func isGlob(word string) bool {
	for i := 0; i < len(word); i++ {
		switch word[i] {
		case 0:
			i++
		case '*', '?', '[':
			return true
		}
	}
	return false
}

// expand matches segment by segment; what stands after the last pattern is looked up at
// the end.
func expand(ctx context.Context, conn *client.Conn, word string) ([]string, error) {
	found := []string{""} // paths so far, the root's being empty
	checked := true
	for segment := range strings.SplitSeq(strings.TrimPrefix(word, "/"), "/") {
		checked = isGlob(segment)
		if !checked {
			for i := range found {
				found[i] += "/" + plain(segment)
			}
			continue
		}
		var next []string
		for _, parent := range found {
			names, err := matches(ctx, conn, parent, segment)
			if err != nil {
				return nil, err
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
		if err == nil {
			kept = append(kept, p)
		} else if !errors.Is(err, proto.ErrNoNode) {
			return nil, err
		}
	}
	return kept, nil
}

// matches returns the children of parent whose names match the segment, sorted.
func matches(ctx context.Context, conn *client.Conn, parent, segment string) ([]string, error) {
	pattern := strings.ReplaceAll(segment, mark, `\`)
	children, _, err := conn.Children(ctx, cmp.Or(parent, "/"), false)
	if errors.Is(err, proto.ErrNoNode) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	sortNames(children)
	var names []string
	for _, c := range children {
		ok, err := path.Match(pattern, c)
		if err != nil {
			return nil, fmt.Errorf("%s is not a pattern: %w (quote it to mean the characters)", plain(segment), err)
		}
		if ok {
			names = append(names, c)
		}
	}
	return names, nil
}
