package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zpath"
)

var summaryTop = command.NewValue("top", "N", command.Number, "name N znodes in each list (default 5)", positive("--top"))

var summaryCommand = &command.Command{
	Name: "summary", Group: command.Reading, Usage: "[--top N] [location]",
	Short: "count the znodes of a tree by kind, depth and size",
	Long: "Counts the znodes of a tree by kind, level and size, and names the largest, those with the most children, the oldest, the most often " +
		"changed, and the sessions with the most ephemerals. It warns of data and lists of children that need more than half of " +
		"jute.maxbuffer, by default 1 MiB, beyond which servers and clients cannot exchange them. " + locationForms +
		" Servers count containers and TTL znodes as persistent; files tell them apart.",
	Options: command.Options{summaryTop, readRate},
	Args:    []command.Arg{locationArg},
	Examples: []command.Example{
		{"summary /", "everything"},
		{"summary --top 20 prod:/app", "of a profile's ensemble, with longer lists"},
		{"summary file:/var/lib/zookeeper", "of a data directory"},
	},
	Run: runSummary,
}

const (
	// maxBuffer is jute.maxbuffer by default; what needs more than half of it is near.
	maxBuffer = 0xfffff
	// listOverhead and nameOverhead are what a reply with a list of children needs besides the names: its
	// headers and the stat, and the length of each.
	listOverhead = 16 + 4 + 68
	nameOverhead = 4
	// maxOwners is how many sessions are counted.
	maxOwners = 1_000_000
)

// sizeClasses are the upper ends of the classes of data's sizes.
var sizeClasses = []int64{0, 1 << 10, 10 << 10, 100 << 10, 1 << 20}

// ranked is a znode in a list.
type ranked struct {
	path string
	n    int64
}

// survey is what summary finds.
type survey struct {
	znodes, bytes            int64
	kinds                    map[source.Kind]int64
	sequential               int64
	levels                   []int64
	sizes                    []int64 // by class, and those beyond the last
	deepest                  string
	owners                   map[int64]int64
	large, wide, old, change largest[ranked]
	near                     largest[ranked] // data
	nearLists                largest[ranked]
	stack                    []ranked // the znodes above, with the bytes of their lists of children
}

func newSurvey(top int) *survey {
	s := &survey{kinds: map[source.Kind]int64{}, owners: map[int64]int64{}, sizes: make([]int64, len(sizeClasses)+1)}
	for _, list := range []*largest[ranked]{&s.large, &s.wide, &s.old, &s.change, &s.near, &s.nearLists} {
		list.most, list.size = top, func(r ranked) int64 { return r.n }
	}
	return s
}

func (s *survey) add(z *source.Znode) error {
	for len(s.stack) > 0 && !zpath.IsBelow(z.Path, s.stack[len(s.stack)-1].path) {
		s.pop()
	}
	level := len(s.stack)
	if level > 0 {
		s.stack[level-1].n += int64(len(zpath.Name(z.Path)) + nameOverhead)
	}
	s.stack = append(s.stack, ranked{z.Path, listOverhead})
	if level == len(s.levels) {
		s.levels, s.deepest = append(s.levels, 0), z.Path
	}
	s.levels[level]++
	s.znodes++
	if isSequential(z.Path) {
		s.sequential++
	}
	if !z.Known {
		return nil // the report names it
	}
	size := int64(z.Stat.DataLength)
	s.bytes += size
	class, _ := slices.BinarySearch(sizeClasses, size)
	s.sizes[class]++
	s.kinds[z.Kind]++
	if z.Kind == source.Ephemeral && (len(s.owners) < maxOwners || s.owners[z.Stat.EphemeralOwner] > 0) {
		s.owners[z.Stat.EphemeralOwner]++
	}
	if size > 0 {
		s.large.add(ranked{z.Path, size})
	}
	if z.Stat.NumChildren > 0 {
		s.wide.add(ranked{z.Path, int64(z.Stat.NumChildren)})
	}
	if z.Stat.Ctime > 0 { // the server's own have no time
		s.old.add(ranked{z.Path, -z.Stat.Ctime})
	}
	if z.Stat.Version > 0 {
		s.change.add(ranked{z.Path, int64(z.Stat.Version)})
	}
	if size > maxBuffer/2 {
		s.near.add(ranked{z.Path, size})
	}
	return nil
}

func (s *survey) pop() {
	last := s.stack[len(s.stack)-1]
	s.stack = s.stack[:len(s.stack)-1]
	if last.n > maxBuffer/2 {
		s.nearLists.add(last)
	}
}

func runSummary(ctx context.Context, env *command.Env, in *command.Invocation) error {
	opt := source.Options{Stat: true}
	top := 0
	if err := errors.Join(value(in, summaryTop, 5, &top), value(in, readRate, 0, &opt.Rate)); err != nil {
		return err
	}
	src, err := env.Open(in, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	s := newSurvey(top)
	missing, err := walkLocation(ctx, env, src, opt, s.add)
	if err != nil {
		return walked(ctx, missing, err, command.Counted(int(s.znodes), "znode")+" counted")
	}
	for len(s.stack) > 0 {
		s.pop()
	}
	if env.Output == ui.JSON {
		err = env.PrintJSON(s.object(src.Location.Path, top))
	} else {
		_, err = env.Streams.Out.Write([]byte(s.text(env.Streams, top)))
	}
	return cmp.Or(err, missing)
}

// byKind returns how many znodes of each kind there are, with names for people.
func (s *survey) byKind() (list []string) {
	kinds := []source.Kind{source.Persistent, source.Ephemeral, source.Container, source.TTL}
	for _, kind := range kinds {
		if n := s.kinds[kind]; n > 0 {
			list = append(list, command.Thousands(int(n))+" "+string(kind))
		}
	}
	if s.sequential > 0 {
		list = append(list, command.Thousands(int(s.sequential))+" with a sequential name")
	}
	return list
}

// topOwners returns the sessions with the most ephemerals.
func (s *survey) topOwners(top int) []int64 {
	ids := slices.SortedFunc(maps.Keys(s.owners), func(a, b int64) int {
		return cmp.Or(cmp.Compare(s.owners[b], s.owners[a]), cmp.Compare(uint64(a), uint64(b)))
	})
	return ids[:min(top, len(ids))]
}

func (s *survey) text(streams *ui.Streams, top int) string {
	var b strings.Builder
	name := func(path string) string { return escape.Line(path) }
	if !streams.OutTTY {
		name = func(path string) string { return path }
	}
	fmt.Fprintf(&b, "znodes: %s (%s)\n", command.Thousands(int(s.znodes)), strings.Join(s.byKind(), ", "))
	fmt.Fprintf(&b, "data: %s bytes\n", command.Thousands(int(s.bytes)))
	fmt.Fprintf(&b, "levels: %d, the deepest at %s\n", len(s.levels), name(s.deepest))
	for level, n := range s.levels {
		fmt.Fprintf(&b, "  %12s at level %d\n", command.Thousands(int(n)), level)
	}
	b.WriteString("sizes of data:\n")
	for class, n := range s.sizes {
		if n == 0 {
			continue
		}
		what := "none"
		switch {
		case class == len(sizeClasses):
			what = "more than " + ui.Bytes(sizeClasses[class-1])
		case class > 0:
			what = "up to " + ui.Bytes(sizeClasses[class])
		}
		fmt.Fprintf(&b, "  %12s %s\n", command.Thousands(int(n)), what)
	}
	for _, list := range s.lists() {
		found := list.list.sorted()
		if len(found) > 0 {
			fmt.Fprintf(&b, "%s:\n", list.title)
		}
		for _, r := range found {
			text := command.Thousands(int(r.n))
			if list.list == &s.old {
				text = ui.Time(-r.n)
			}
			fmt.Fprintf(&b, "  %12s  %s\n", text, name(r.path))
		}
	}
	if ids := s.topOwners(top); len(ids) > 0 {
		b.WriteString("sessions with the most ephemerals:\n")
		for _, id := range ids {
			fmt.Fprintf(&b, "  %12s  %s\n", command.Thousands(int(s.owners[id])), proto.Hex(id))
		}
	}
	return b.String()
}

// surveyList is a list of znodes with its title in text, and in JSON the names of the number and of the list.
type surveyList struct {
	title, field, key string
	list              *largest[ranked]
}

func (s *survey) lists() []surveyList {
	return []surveyList{
		{"the largest data, in bytes", "bytes", "largest", &s.large},
		{"the most children", "children", "mostChildren", &s.wide},
		{"the most often changed, by version", "version", "mostChanged", &s.change},
		{"the oldest", "", "oldest", &s.old},
		{"data near jute.maxbuffer, in bytes", "bytes", "dataNearLimit", &s.near},
		{"lists of children near jute.maxbuffer, in bytes", "bytes", "childrenNearLimit", &s.nearLists},
	}
}

func (s *survey) object(path string, top int) any {
	kinds := map[string]int64{"persistent": s.kinds[source.Persistent], "ephemeral": s.kinds[source.Ephemeral], sequential: s.sequential}
	for _, kind := range []source.Kind{source.Container, source.TTL} { // which only files tell
		if n := s.kinds[kind]; n > 0 {
			kinds[string(kind)] = n
		}
	}
	type class struct {
		UpTo   *int64 `json:"upTo"`
		Znodes int64  `json:"znodes"`
	}
	var sizes []class
	for i, n := range s.sizes {
		c := class{Znodes: n}
		if i < len(sizeClasses) {
			c.UpTo = &sizeClasses[i]
		}
		sizes = append(sizes, c)
	}
	type owner struct {
		Session string `json:"session"`
		Znodes  int64  `json:"znodes"`
	}
	owners := []owner{}
	for _, id := range s.topOwners(top) {
		owners = append(owners, owner{proto.Hex(id), s.owners[id]})
	}
	answer := command.Object{"path": path, "znodes": s.znodes, "bytes": s.bytes, "kinds": kinds, "levels": s.levels, "deepest": jsonPath(s.deepest).Path,
		"sizes": sizes, "owners": owners, "sessionsWithEphemerals": len(s.owners)}
	for _, list := range s.lists() {
		objects := []command.Object{}
		for _, r := range list.list.sorted() {
			field, n := list.field, r.n
			if list.list == &s.old {
				field, n = "ctime", -n
			}
			one := command.Object{"path": r.path, field: n}
			if p := jsonPath(r.path); p.Encoding != "" {
				one["path"], one["pathEncoding"] = p.Path, p.Encoding
			}
			objects = append(objects, one)
		}
		answer[list.key] = objects
	}
	return answer
}
