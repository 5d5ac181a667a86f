package commands

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zpath"
)

// findQuery is the tests of find, all of which a match passes.
type findQuery struct {
	opt  source.Options
	late []func(z *source.Znode) bool // that need the number of children
	when []func(z *source.Znode) bool // the others, in source.Options.Match
}

// visit calls found for what passes the late tests, too.
func (q *findQuery) visit(found func(z *source.Znode) error) func(z *source.Znode) error {
	return func(z *source.Znode) error {
		if len(q.late) > 0 && !z.Known {
			return nil // the report names it
		}
		for _, passes := range q.late {
			if !passes(z) {
				return nil
			}
		}
		return found(z)
	}
}

// newFindQuery reads the tests; with stat, the stat of each match is wanted.
func newFindQuery(in *command.Invocation, stat bool, src *source.Source, now time.Time) (*findQuery, error) {
	q := &findQuery{}
	q.opt.Stat = stat
	for _, add := range []func(*command.Invocation) error{
		q.names, func(in *command.Invocation) error { return q.kinds(in, src.TellsKinds()) }, q.sizes,
		func(in *command.Invocation) error { return q.times(in, now) }, q.owners,
		func(in *command.Invocation) error { return q.levels(in, src.Location.Path) },
	} {
		if err := add(in); err != nil {
			return nil, err
		}
	}
	if len(q.when) > 0 {
		q.opt.Match = func(z *source.Znode) bool {
			for _, passes := range q.when {
				if !passes(z) {
					return false
				}
			}
			return true
		}
	}
	return q, nil
}

// stat adds a test that needs the stat. A znode whose stat could not be read does not pass.
func (q *findQuery) stat(passes func(z *source.Znode) bool) {
	q.opt.Stat = true
	q.when = append(q.when, func(z *source.Znode) bool { return z.Known && passes(z) })
}

func (q *findQuery) names(in *command.Invocation) error {
	if findName.Given(in) {
		glob := findName.In(in)
		if _, err := path.Match(glob, ""); err != nil {
			return fmt.Errorf("--name: invalid pattern %q: a [ has no ]", glob)
		}
		q.when = append(q.when, func(z *source.Znode) bool {
			ok, _ := path.Match(glob, zpath.Name(z.Path))
			return ok
		})
	}
	if findRegex.Given(in) {
		re, err := regexp.Compile(findRegex.In(in))
		if err != nil {
			return fmt.Errorf("--regex: %w", err)
		}
		q.when = append(q.when, func(z *source.Znode) bool { return re.MatchString(z.Path) })
	}
	return nil
}

func (q *findQuery) kinds(in *command.Invocation, tells bool) error {
	var kinds []string
	for _, list := range findKind.All(in) {
		kinds = append(kinds, strings.Split(list, ",")...)
	}
	onlyNames := true
	for i, kind := range kinds {
		kinds[i] = strings.ToLower(kind)
		switch kind := source.Kind(kinds[i]); {
		case !slices.Contains(findKind.Values, string(kind)):
			return fmt.Errorf("--kind: unknown kind %q; use %s", kind, strings.Join(findKind.Values, ", "))
		case !tells && (kind == source.Container || kind == source.TTL):
			return fmt.Errorf("--kind %s: servers do not tell such znodes from persistent ones; read a snapshot or a data directory, such as file:version-2", kind)
		case kind != sequential:
			onlyNames = false
		}
	}
	if len(kinds) == 0 {
		return nil
	}
	if onlyNames {
		q.when = append(q.when, func(z *source.Znode) bool { return isSequential(z.Path) })
		return nil
	}
	names := slices.Contains(kinds, sequential)
	q.stat(func(z *source.Znode) bool {
		return slices.Contains(kinds, string(z.Kind)) || names && isSequential(z.Path)
	})
	return nil
}

// isSequential reports whether a name ends as that of a sequential znode, with the ten digits that the server appended.
func isSequential(path string) bool {
	const digits = 10
	if len(path) <= digits {
		return false
	}
	for _, c := range []byte(path[len(path)-digits:]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func (q *findQuery) sizes(in *command.Invocation) error {
	if findSize.Given(in) {
		passes, err := compares("--size", findSize.In(in))
		if err != nil {
			return err
		}
		q.stat(func(z *source.Znode) bool { return passes(int64(z.Stat.DataLength)) })
	}
	if findChildren.Given(in) {
		passes, err := compares("--children", findChildren.In(in))
		if err != nil {
			return err
		}
		q.opt.Stat = true
		q.late = append(q.late, func(z *source.Znode) bool { return passes(int64(z.Stat.NumChildren)) })
	}
	if findEmpty.On(in) {
		q.stat(func(z *source.Znode) bool { return z.Stat.DataLength == 0 })
		q.late = append(q.late, func(z *source.Znode) bool { return z.Stat.NumChildren == 0 })
	}
	return nil
}

// compares reads a number with a sign that says how others compare with it: + more, - less.
func compares(option, text string) (func(n int64) bool, error) {
	rest := strings.TrimLeft(text, "+-")
	number, err := ui.ParseBytes(rest)
	if err != nil || len(text)-len(rest) > 1 {
		return nil, fmt.Errorf("%s: %q is not a number; use 10k, +10k (more) or -10k (less), with k, M or G for 1024, 1024² or 1024³", option, text)
	}
	switch text[0] {
	case '+':
		return func(n int64) bool { return n > number }, nil
	case '-':
		return func(n int64) bool { return n < number }, nil
	}
	return func(n int64) bool { return n == number }, nil
}

func (q *findQuery) times(in *command.Invocation, now time.Time) error {
	for _, t := range []struct {
		option command.Text
		of     func(s proto.Stat) int64
	}{
		{findMtime, func(s proto.Stat) int64 { return s.Mtime }},
		{findCtime, func(s proto.Stat) int64 { return s.Ctime }},
	} {
		if !t.option.Given(in) {
			continue
		}
		text := t.option.In(in)
		sign := ""
		if text != "" && (text[0] == '+' || text[0] == '-') {
			sign, text = text[:1], text[1:]
		}
		when, err := ui.ParseWhen(text, now)
		if err != nil || sign == "" {
			return fmt.Errorf("--%s: %q needs a sign before the time: -2h for since two hours ago, +2h for before that, -2026-11-22 for since that day", t.option.Name, sign+text)
		}
		limit, of := when.UnixMilli(), t.of
		q.stat(func(z *source.Znode) bool {
			if sign == "-" {
				return of(z.Stat) >= limit
			}
			return of(z.Stat) < limit
		})
	}
	return nil
}

func (q *findQuery) owners(in *command.Invocation) error {
	if findOwner.Given(in) {
		owner, err := proto.ParseHex(findOwner.In(in))
		if err != nil || owner == 0 {
			return fmt.Errorf("--owner: %q is not a session id, such as 0x100000a3b2f0001", findOwner.In(in))
		}
		q.stat(func(z *source.Znode) bool { return z.Stat.EphemeralOwner == owner })
	}
	if findACL.Given(in) {
		passes, err := parseACLTest(findACL.In(in))
		if err != nil {
			return err
		}
		q.opt.ACL = true
		q.when = append(q.when, func(z *source.Znode) bool { return slices.ContainsFunc(z.ACL, passes) })
	}
	return nil
}

// parseACLTest reads scheme:id or scheme:id:perms. An id can contain colons, so that an entry passes if it fits either
// way.
func parseACLTest(text string) (func(a proto.ACL) bool, error) {
	scheme, rest, found := strings.Cut(text, ":")
	if !found || scheme == "" {
		return nil, fmt.Errorf("--acl: %q is not scheme:id or scheme:id:perms, such as world:anyone or world:anyone:w", text)
	}
	id, perms := rest, proto.Perms(0)
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		if p, unknown := command.ParsePerms(rest[i+1:]); unknown == 0 {
			id, perms = rest[:i], p
		}
	}
	return func(a proto.ACL) bool {
		return a.ID.Scheme == scheme && (a.ID.ID == rest || a.ID.ID == id && a.Perms&perms == perms)
	}, nil
}

// levels reads --depth.
func (q *findQuery) levels(in *command.Invocation, root string) error {
	if !findDepth.Given(in) {
		return nil
	}
	text := findDepth.In(in)
	from, to, span := strings.Cut(text, "..")
	least, most := 0, -1
	var err error
	if from != "" || !span {
		least, err = strconv.Atoi(from)
	}
	switch {
	case !span:
		most = least
	case to != "" && err == nil:
		most, err = strconv.Atoi(to)
	}
	if err != nil || least < 0 || most < -1 || most >= 0 && most < least {
		return fmt.Errorf("--depth: %q is not a range of levels; use 1..3, 2.., ..3 or 2", text)
	}
	switch {
	case most == 0:
		q.opt.Levels = -1
	case most > 0:
		q.opt.Levels = most
	}
	if least > 0 {
		above := strings.Count(strings.TrimSuffix(root, "/"), "/")
		q.when = append(q.when, func(z *source.Znode) bool {
			return strings.Count(strings.TrimSuffix(z.Path, "/"), "/")-above >= least
		})
	}
	return nil
}
