package logformatter

import (
	"errors"
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

// filterOptions select transactions. A transaction must match every option given.
type filterOptions struct {
	Zxid         string
	Since, Until string
	Sessions     []string
	Types        []string
	Paths        []string
}

func (o *filterOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Zxid, "zxid", "", "only zxids in `from..to`, inclusive; either end may be omitted")
	fs.StringVar(&o.Since, "since", "", "only at or after `time`: 2h (ago), 2026-11-22T03:07:05, 03:07")
	fs.StringVar(&o.Until, "until", "", "only at or before `time`")
	fs.StringSliceVar(&o.Sessions, "session", nil, "only by `session` 0x…; repeatable")
	fs.StringSliceVar(&o.Types, "type", nil, "only of `type` create (includes create2), setData, …, in a multi too; repeatable")
	fs.StringArrayVar(&o.Paths, "path", nil, "only on `path` and below, or on paths that match a glob (* ? [], ** crosses slashes), in a multi too; repeatable")
}

// filter is filterOptions, parsed. The zero value of each part matches everything.
type filter struct {
	fromZxid, toZxid int64
	from, to         int64 // milliseconds since 1970
	sessions         map[int64]bool
	types            map[proto.Op]bool
	paths            []pathPattern
	all              bool // there is no filter
}

func (o *filterOptions) compile(now time.Time) (*filter, error) {
	f := &filter{fromZxid: math.MinInt64, toZxid: math.MaxInt64}
	f.all = o.Zxid == "" && o.Since == "" && o.Until == "" && len(o.Sessions)+len(o.Types)+len(o.Paths) == 0
	if o.Zxid != "" {
		if err := f.setZxids(o.Zxid); err != nil {
			return nil, err
		}
	}
	var err error
	if f.from, f.to, err = ui.ParsePeriod(o.Since, o.Until, now); err != nil {
		return nil, err
	}
	for _, s := range o.Sessions {
		id, err := proto.ParseHex(s)
		if err != nil {
			return nil, fmt.Errorf("--session: invalid session %q; write it as in the log, such as 0x100001196310000", s)
		}
		if f.sessions == nil {
			f.sessions = map[int64]bool{}
		}
		f.sessions[id] = true
	}
	for _, s := range o.Types {
		if err := f.addType(s); err != nil {
			return nil, err
		}
	}
	for _, s := range o.Paths {
		p, err := parsePattern(s)
		if err != nil {
			return nil, fmt.Errorf("--path: %w", err)
		}
		f.paths = append(f.paths, p)
	}
	return f, nil
}

func (f *filter) setZxids(text string) error {
	from, to, ranged := strings.Cut(text, "..")
	var err error
	if from != "" {
		f.fromZxid, err = parseZxid(from)
	}
	if err == nil && to != "" {
		f.toZxid, err = parseZxid(to)
	}
	if !ranged {
		f.toZxid = f.fromZxid
	}
	switch {
	case err != nil:
		return fmt.Errorf("--zxid: %w", err)
	case from == "" && to == "":
		return errors.New("--zxid: missing end of the range; give at least one, such as 0x100000005..")
	case f.fromZxid > f.toZxid:
		return fmt.Errorf("--zxid: %s is greater than %s", from, to)
	}
	return nil
}

// typeNames are the names of the types of transactions.
func typeNames() (names []string) {
	for _, op := range proto.TxnTypes() {
		names = append(names, op.String())
	}
	return names
}

func (f *filter) addType(text string) error {
	if f.types == nil {
		f.types = map[proto.Op]bool{}
	}
	found := false
	for _, op := range proto.TxnTypes() {
		if ok, err := path.Match(strings.ToLower(text), strings.ToLower(op.String())); err == nil && ok {
			f.types[op], found = true, true
			if op == proto.OpCreate { // which of the two depends on the reply that the client wants
				f.types[proto.OpCreate2] = true
			}
		}
	}
	if found {
		return nil
	}
	return fmt.Errorf("--type: unknown transaction type %q; use %s, or a prefix such as create*", text, strings.Join(typeNames(), ", "))
}

// parseZxid reads a zxid as Java's Long.decode does: 0x100000005 or decimal.
func parseZxid(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 0, 64)
	if err != nil {
		return 0, fmt.Errorf("invalid zxid %q; write it as in the log, such as 0x100000005", s)
	}
	return int64(n), nil
}

// match reports whether the transaction passes the filter.
func (f *filter) match(e *storage.Entry) bool {
	if f.all {
		return true
	}
	h := &e.Header
	switch {
	case h.Zxid < f.fromZxid, h.Zxid > f.toZxid, h.Time < f.from, h.Time > f.to,
		f.sessions != nil && !f.sessions[h.ClientID]:
		return false
	case f.paths == nil && (f.types == nil || f.types[h.Type]):
		return true
	case f.paths == nil && h.Type != proto.OpMulti:
		return false
	}
	return eachPart(e.Raw, func(op proto.Op, path []byte) bool {
		if f.types != nil && !f.types[op] {
			return false
		}
		for i := range f.paths {
			if path != nil && f.paths[i].match(path) {
				return true
			}
		}
		return f.paths == nil
	})
}

// mayHold reports whether a log can hold matching transactions, given its first zxid and the next
// log's (math.MaxInt64 for the last log).
func (f *filter) mayHold(first, next int64) bool {
	return first <= f.toZxid && next > f.fromZxid
}

// pathPattern is a path or a glob.
type pathPattern struct {
	text string
	glob bool
}

func parsePattern(s string) (pathPattern, error) {
	if s == "" || s[0] != '/' && s[0] != '*' {
		return pathPattern{}, fmt.Errorf("%q does not start with /", s)
	}
	if strings.ContainsAny(s, "*?[") {
		if _, err := path.Match(strings.ReplaceAll(s, "**", "*"), ""); err != nil {
			return pathPattern{}, fmt.Errorf("invalid pattern %q: unclosed [", s)
		}
		return pathPattern{s, true}, nil
	}
	if len(s) > 1 {
		s = strings.TrimRight(s, "/")
	}
	if s == "" {
		s = "/"
	}
	return pathPattern{text: s}, nil
}

// is reports whether the path is the one named or matches the glob.
func (p *pathPattern) is(path []byte) bool {
	if p.glob {
		return globMatch(p.text, string(path))
	}
	return string(path) == p.text
}

// covers reports whether the path, or one above it, is the one named or matches the glob.
func (p *pathPattern) covers(path []byte) bool {
	if !p.glob {
		n := len(p.text)
		return p.text == "/" || len(path) >= n && string(path[:n]) == p.text && (len(path) == n || path[n] == '/')
	}
	for i := 1; i < len(path); i++ {
		if path[i] == '/' && p.is(path[:i]) {
			return true
		}
	}
	return p.is(path)
}

// match is how dump selects: a path includes everything below it, a glob does not.
func (p *pathPattern) match(path []byte) bool {
	if p.glob {
		return p.is(path)
	}
	return p.covers(path)
}

// globMatch is path.Match with **, which matches any text, slashes included.
func globMatch(pattern, name string) bool {
	head, tail, found := strings.Cut(pattern, "**")
	if !found {
		ok, err := path.Match(pattern, name)
		return err == nil && ok
	}
	for i := 0; i <= len(name); i++ {
		ok, err := path.Match(head, name[:i])
		if err != nil {
			return false
		}
		if !ok {
			continue
		}
		for j := i; j <= len(name); j++ {
			if globMatch(tail, name[j:]) {
				return true
			}
		}
		return false
	}
	return false
}
