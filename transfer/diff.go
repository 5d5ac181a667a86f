package transfer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/textdiff"
	"github.com/zkctl/zkctl/internal/ui"
)

// Exit codes of diff, the same as diff(1)'s.
const (
	exitDifferent = 1
	exitTrouble   = 2
)

// The values of --fields.
const (
	fieldData     = "data"
	fieldACL      = "acl"
	fieldKind     = "kind"
	fieldOwner    = "owner"
	fieldSequence = "sequence"
	fieldStat     = "stat"
)

var diffFields = []string{fieldData, fieldACL, fieldKind, fieldOwner, fieldSequence, fieldStat}

type diffing struct {
	env    *command.Env
	fields []string
	brief  bool
	lines  int
	rate   int
	system bool
	output string
}

func newDiff(env *command.Env) *cobra.Command {
	d := &diffing{env: env}
	c := &cobra.Command{
		Use: "diff A B",
		Long: `Compare the znodes at two locations, with everything below them: print those that only
B has (+), that only A has (-), and that differ (~), with the lines of data that changed.
JSON is compared by its structure, compressed data by what is inside.

Locations may be of any form: live trees, exports, snapshots, data directories at a
moment. Both are read at the same time, in order, and neither is held in memory. Paths
are those below A and B.

Fields are data, acl, kind (with the TTL), owner (the session of an ephemeral znode),
sequence (the number of the next sequential child) and stat (zxids, times, versions).
Servers do not tell containers and TTL znodes from persistent ones, so these kinds are
only compared between files. If one side is an export without ephemeral znodes, those
of the other side are left out. /zookeeper is left out without --system.`,
		Example: `  zkctl diff prod:/app staging:/app
  zkctl diff --brief file:/var/lib/zookeeper@1h:/app /app
  zkctl diff file:app.jsonl /app --fields data,acl,sequence -o json`,
		Annotations: command.Exits{0: "there is no difference", exitDifferent: "there is one", exitTrouble: "something could not be read"}.Note(),
		Args: func(c *cobra.Command, args []string) error {
			return trouble(command.ArgCount(2, 2)(c, args))
		},
		ValidArgsFunction: command.Takes(command.Location, 0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			return d.run(c.Context(), args[0], args[1])
		},
	}
	fs := c.Flags()
	fs.StringSliceVar(&d.fields, "fields", []string{fieldData, fieldACL, fieldKind}, "compare these `fields`: "+strings.Join(diffFields, ", "))
	_ = c.RegisterFlagCompletionFunc("fields", cobra.FixedCompletions(diffFields, cobra.ShellCompDirectiveNoFileComp))
	fs.BoolVar(&d.brief, "brief", false, "only name the znodes")
	fs.IntVarP(&d.lines, "unified", "U", textdiff.Context, "show `N` equal lines around each change")
	fs.IntVar(&d.rate, "rate", 0, "make at most `N` requests a second to each side; 0 for no limit")
	fs.BoolVar(&d.system, "system", false, "also the quotas in /zookeeper")
	fs.StringVarP(&d.output, "output", "o", string(ui.Text), "text or json: one object a difference")
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return trouble(err) })
	return c
}

// trouble gives an error the exit code of diff.
func trouble(err error) error {
	var exit *ui.ExitError
	if err == nil || errors.As(err, &exit) {
		return err
	}
	return &ui.ExitError{Code: exitTrouble, Err: err}
}

func (d *diffing) check() (ui.Format, error) {
	format, err := ui.ParseFormat(d.output)
	switch {
	case err != nil:
		return format, err
	case d.lines < 0:
		return format, fmt.Errorf("-U: %d is not a number of lines", d.lines)
	case d.rate < 0:
		return format, fmt.Errorf("--rate: %d is not a number of requests a second; use 0 for no limit", d.rate)
	}
	for _, field := range d.fields {
		if !slices.Contains(diffFields, field) {
			return format, fmt.Errorf("--fields: unknown field %q; use %s", field, strings.Join(diffFields, ", "))
		}
	}
	return format, nil
}

func (d *diffing) run(ctx context.Context, a, b string) error {
	format, err := d.check()
	if err != nil {
		return trouble(err)
	}
	env := *d.env
	env.Output = format
	d.env = &env
	c, err := d.open(a, b)
	if err != nil {
		return trouble(err)
	}
	defer c.close()
	err = c.compare(ctx)
	if flushed := c.out.flush(err == nil); err == nil {
		err = flushed
	}
	if interrupted := command.Stopped(ctx, err, "the comparison is incomplete"); interrupted != nil {
		return interrupted
	}
	switch missing := c.missing(); {
	case err != nil:
		return trouble(env.Explain(ctx, err))
	case missing != nil:
		return trouble(missing)
	case c.out.total() > 0:
		return &ui.ExitError{Code: exitDifferent}
	}
	return nil
}

// side is one of the two trees that are compared.
type side struct {
	src    *source.Source
	pulled *source.Pulled
	next   *source.Znode // nil at the end
	lost   string        // path, from the root, of a znode that could not be read
	blind  bool
}

// comparison compares two trees.
type comparison struct {
	*diffing
	a, b       side
	ephemerals bool // compared
	kinds      bool
	out        *differences
}

func (d *diffing) open(a, b string) (*comparison, error) {
	c := &comparison{diffing: d, ephemerals: true}
	var err error
	if c.a.src, err = d.env.OpenLocation(a); err != nil {
		return nil, err
	}
	if c.b.src, err = d.env.OpenLocation(b); err != nil {
		_ = c.a.src.Close()
		return nil, err
	}
	for _, s := range []*source.Source{c.a.src, c.b.src} {
		if h := s.Header(); h != nil && h.Options.Ephemerals == skipEphemerals {
			c.ephemerals = false
		}
	}
	c.kinds = c.a.src.TellsKinds() && c.b.src.TellsKinds()
	c.out = newDifferences(d, c.a.src.Location, c.b.src.Location)
	return c, nil
}

func (c *comparison) close() {
	for _, s := range []*side{&c.a, &c.b} {
		if s.pulled != nil {
			s.pulled.Stop()
		}
		_ = s.src.Close()
	}
}

// start begins the walk of a side.
func (c *comparison) start(ctx context.Context, s *side) {
	opt := source.Options{Stat: true, Rate: c.rate, Data: c.compares(fieldData), ACL: c.compares(fieldACL)}
	s.pulled = source.Pull(ctx, func(ctx context.Context, visit func(*source.Znode) error) (source.Report, error) {
		return s.src.Walk(ctx, opt, visit)
	})
}

func (c *comparison) compares(field string) bool { return slices.Contains(c.fields, field) }

// relative returns the path of a znode below the root of its location, "" for the root.
func (s *side) relative(path string) string {
	if s.src.Location.Path == "/" {
		if path == "/" {
			return ""
		}
		return path
	}
	return path[len(s.src.Location.Path):]
}

// advance goes to the next znode that is compared.
func (c *comparison) advance(s *side) (err error) {
	for {
		if s.next, err = s.pulled.Next(); err != nil || s.next == nil {
			return c.env.At(s.src.Location, err)
		}
		if s.next.Kind == source.Ephemeral && !c.ephemerals || isSystem(s.src, s.next.Path, c.system) {
			continue
		}
		if !s.next.Known { // the report names it
			s.lost, s.blind = s.relative(s.next.Path), true
		}
		return nil
	}
}

// unclear reports whether a znode of one side, or one above it, could not be read at the other.
func (s *side) unclear(path string) bool {
	return s.blind && (path == s.lost || strings.HasPrefix(path, s.lost+"/"))
}

func (c *comparison) compare(ctx context.Context) error {
	c.start(ctx, &c.a)
	c.start(ctx, &c.b)
	if err := cmp.Or(c.advance(&c.a), c.advance(&c.b)); err != nil {
		return err
	}
	bar := newProgress(c.env, "compared")
	defer bar.done()
	for n := 0; c.a.next != nil || c.b.next != nil; n++ {
		if n&0x3ff == 0 && !c.env.Streams.OutTTY {
			bar.set(n)
		}
		order := 0
		switch {
		case c.a.next == nil:
			order = 1
		case c.b.next == nil:
			order = -1
		default:
			order = source.Compare("/"+c.a.relative(c.a.next.Path), "/"+c.b.relative(c.b.next.Path))
		}
		a, b := c.a.next, c.b.next
		path := ""
		if order > 0 {
			a, path = nil, c.b.relative(b.Path)
		} else {
			path = c.a.relative(a.Path)
			if order < 0 {
				b = nil
			}
		}
		if !c.a.unclear(path) && !c.b.unclear(path) {
			if err := c.one(path, a, b); err != nil {
				return err
			}
		}
		if a != nil {
			if err := c.advance(&c.a); err != nil {
				return err
			}
		}
		if b != nil {
			if err := c.advance(&c.b); err != nil {
				return err
			}
		}
	}
	return nil
}

// one compares a znode; a or b may be nil.
func (c *comparison) one(path string, a, b *source.Znode) error {
	var fields []string
	if a != nil && b != nil {
		if fields = c.changed(a, b); fields == nil {
			return nil
		}
	}
	return c.out.add(path, a, b, fields)
}

// changed returns the fields that differ.
func (c *comparison) changed(a, b *source.Znode) (fields []string) {
	for _, field := range diffFields {
		if !c.compares(field) {
			continue
		}
		same := true
		switch field {
		case fieldData:
			same = bytes.Equal(a.Data, b.Data) && (a.Data == nil) == (b.Data == nil)
		case fieldACL:
			same = slices.Equal(a.ACL, b.ACL)
		case fieldKind:
			same = a.Kind == b.Kind && a.TTL == b.TTL || !c.kinds && a.Kind != source.Ephemeral && b.Kind != source.Ephemeral
		case fieldOwner:
			same = a.Stat.EphemeralOwner == b.Stat.EphemeralOwner
		case fieldSequence:
			same = source.NextSequence(&a.Stat) == source.NextSequence(&b.Stat)
		case fieldStat:
			x, y := a.Stat, b.Stat
			x.EphemeralOwner, y.EphemeralOwner, x.DataLength, y.DataLength = 0, 0, 0, 0
			same = x == y
		}
		if !same {
			fields = append(fields, field)
		}
	}
	return fields
}

// missing is the error for what could not be read.
func (c *comparison) missing() error {
	return cmp.Or(c.env.Missing(c.a.src.Location, c.a.pulled.Report()), c.env.Missing(c.b.src.Location, c.b.pulled.Report()))
}
