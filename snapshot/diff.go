package snapshot

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

// Exit codes of diff, the same as diff(1)'s.
const (
	exitDifferent = 1
	exitTrouble   = 2
)

type diffOptions struct {
	streams *ui.Streams
	old     string
	new     string
	path    string
	values  bool
	format  string
}

func newDiffCommand(s *ui.Streams, run func(context.Context, *diffOptions) error) *cobra.Command {
	opt := &diffOptions{streams: s}
	c := &cobra.Command{
		Use:               "diff OLD NEW",
		ValidArgsFunction: command.Takes(command.File, 0, 1),
		Short:             "list the znodes that differ between two snapshots",
		Annotations:       command.Exits{0: "there is no difference", 1: "there is one", 2: "something failed"}.Note(),
		Long: `List the znodes that only NEW has (+), that only OLD has (-), and that differ
(~), with old and new values of data, ACL and stat.

Both snapshots are held in memory.`,
		Example: `  zkctl snapshot diff snapshot.36 snapshot.71
  zkctl snapshot diff --values --path /config snapshot.36 snapshot.71
  zkctl snapshot diff -o json snapshot.36 snapshot.71 | jq -r 'select(.change=="removed").path'`,
		Args: argCount(2, 2),
		RunE: func(c *cobra.Command, args []string) error {
			opt.old, opt.new = args[0], args[1]
			return run(c.Context(), opt)
		},
	}
	c.Flags().StringVar(&opt.path, "path", "", "only the znode at `path` and those below it")
	c.Flags().BoolVar(&opt.values, "values", false, "compare only data and ACLs, not zxids, times, versions and owners")
	formatFlag(c, &opt.format, "one object per difference")
	return c
}

// record is a znode kept for comparison.
type record struct {
	path string
	data []byte
	acl  []proto.ACL
	key  string // ACL, encoded
	stat proto.StatPersisted
}

func runDiff(_ context.Context, opt *diffOptions) error {
	different, err := diff(opt)
	switch {
	case err != nil:
		return &ui.ExitError{Code: exitTrouble, Err: err}
	case different:
		return &ui.ExitError{Code: exitDifferent}
	}
	return nil
}

func diff(opt *diffOptions) (different bool, err error) {
	format, err := parseFormat(opt.format)
	if err != nil {
		return false, err
	}
	part, err := newScope(opt.path, -1)
	if err != nil {
		return false, err
	}
	before, err := readRecords(opt.old, part)
	if err != nil {
		return false, err
	}
	after, err := readRecords(opt.new, part)
	if err != nil {
		return false, err
	}
	if len(before) == 0 && len(after) == 0 {
		return false, fmt.Errorf("neither %s nor %s has znode %s", opt.old, opt.new, part.path)
	}
	d := &differ{diffOptions: opt, p: newPrinter(opt.streams.Out), json: format == ui.JSON}
	d.merge(before, after)
	if !d.json && d.added+d.removed+d.changed > 0 {
		d.p.printf("%d added, %d removed, %d changed\n", d.added, d.removed, d.changed)
	}
	return d.added+d.removed+d.changed > 0, d.p.flush()
}

func readRecords(file string, part scope) ([]record, error) {
	var list []record
	keys := map[int64]string{}
	im := &fileImage{path: file}
	err := im.each(func(n *storage.Node) error {
		if _, ok := part.within(n.Path); !ok {
			return nil
		}
		r := record{path: strings.Clone(n.Path), data: bytes.Clone(n.Data), stat: n.Stat}
		r.acl, _ = im.acl(n.ACL)
		var ok bool
		if r.key, ok = keys[n.ACL]; !ok {
			r.key = string(appendACLJSON(nil, r.acl))
			keys[n.ACL] = r.key
		}
		list = append(list, r)
		return nil
	})
	slices.SortStableFunc(list, func(a, b record) int { return compareTree(a.path, b.path) })
	return list, err
}

// compareTree orders paths as in a tree drawn with sorted children: "/" sorts before everything
// else.
func compareTree(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			switch {
			case a[i] == '/':
				return -1
			case b[i] == '/':
				return 1
			}
			return int(javaRank(a[i])) - int(javaRank(b[i]))
		}
	}
	return len(a) - len(b)
}

// differ prints differences.
type differ struct {
	*diffOptions
	p                       *printer
	json                    bool
	added, removed, changed int
}

func (d *differ) merge(before, after []record) {
	for len(before) > 0 || len(after) > 0 {
		order := len(after) - len(before) // if one is empty, take from the other
		if len(before) > 0 && len(after) > 0 {
			order = compareTree(before[0].path, after[0].path)
		}
		switch {
		case order < 0:
			d.removed++
			d.one("removed", &before[0])
			before = before[1:]
		case order > 0:
			d.added++
			d.one("added", &after[0])
			after = after[1:]
		default:
			d.both(&before[0], &after[0])
			before, after = before[1:], after[1:]
		}
	}
}

var marks = map[string]struct {
	sign  string
	paint color.Attribute
}{"added": {"+", color.FgGreen}, "removed": {"-", color.FgRed}, "changed": {"~", color.FgYellow}}

// differenceJSON is a difference. Old and New have the same fields as a znode in dump -o json.
type differenceJSON struct {
	Change string          `json:"change"`
	Path   string          `json:"path"`
	Fields []string        `json:"fields,omitempty"`
	Old    json.RawMessage `json:"old,omitempty"`
	New    json.RawMessage `json:"new,omitempty"`
}

func (d *differ) heading(change, path string) {
	m := marks[change]
	d.p.printf("%s\n", d.streams.Paint(m.sign+" "+escape.Line(shown(path)), m.paint))
}

func (d *differ) one(change string, r *record) {
	if d.json {
		j := differenceJSON{Change: change, Path: shown(r.path)}
		if change == "added" {
			j.New = r.object()
		} else {
			j.Old = r.object()
		}
		_ = d.p.object(j)
		return
	}
	d.heading(change, r.path)
	for _, f := range r.fields(d.values) {
		d.p.printf("    %s = %s\n", f.name, f.value)
	}
}

func (d *differ) both(before, after *record) {
	var names []string
	old, now := before.fields(d.values), after.fields(d.values)
	var lines strings.Builder
	for i := range old {
		same := old[i].value == now[i].value
		if old[i].name == "data" { // the text may be shortened, and null is not the same as empty
			same = bytes.Equal(before.data, after.data) && (before.data == nil) == (after.data == nil)
		}
		if !same {
			names = append(names, old[i].key)
			fmt.Fprintf(&lines, "    %s = %s -> %s\n", old[i].name, old[i].value, now[i].value)
		}
	}
	if names == nil {
		return
	}
	d.changed++
	if d.json {
		_ = d.p.object(differenceJSON{"changed", shown(before.path), names, before.object(), after.object()})
		return
	}
	d.heading("changed", before.path)
	d.p.printf("%s", lines.String())
}

func (r *record) object() json.RawMessage {
	b := []byte{'{'}
	b = appendStatJSON(b, &r.stat, len(r.data))
	b = appendDataJSON(b, dataAuto, r.data)
	b = append(append(b, `,"acl":`...), r.key...)
	return append(b, '}')
}

// field is a value with its name in text and its key in JSON.
type field struct{ name, key, value string }

func (r *record) fields(values bool) []field {
	list := []field{{"data", "data", showData(r.data)}, {"acl", "acl", printACL(r.acl)}}
	if values {
		return list
	}
	number := func(v int32) string { return strconv.Itoa(int(v)) }
	s := &r.stat
	return append(list,
		field{"cZxid", "czxid", proto.Hex(s.Czxid)}, field{"ctime", "ctime", ui.Time(s.Ctime)},
		field{"mZxid", "mzxid", proto.Hex(s.Mzxid)}, field{"mtime", "mtime", ui.Time(s.Mtime)},
		field{"pZxid", "pzxid", proto.Hex(s.Pzxid)}, field{"cversion", "cversion", number(s.Cversion)},
		field{"dataVersion", "version", number(s.Version)}, field{"aclVersion", "aversion", number(s.Aversion)},
		field{"ephemeralOwner", "ephemeralOwner", proto.Hex(s.EphemeralOwner)})
}

// showData shows data on one line; if it is long, only its beginning.
func showData(data []byte) string {
	const most = 256
	if data == nil {
		return "null"
	}
	part := data[:min(len(data), most)]
	for len(part) < len(data) && len(part) > 0 && !utf8.RuneStart(data[len(part)]) {
		part = part[:len(part)-1]
	}
	rest := ""
	if len(part) < len(data) {
		rest = fmt.Sprintf("… (%d bytes)", len(data))
	}
	if utf8.Valid(part) {
		return strconv.Quote(string(part)) + rest
	}
	return "base64 " + base64.StdEncoding.EncodeToString(data[:min(len(data), most)]) + rest
}
