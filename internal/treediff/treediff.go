// Package treediff compares two trees, wherever they are: two walks side by side, neither of them in memory.
//
//	treediff.go  which znodes differ, and in what
//	print.go     what differs, as text and JSON
package treediff

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/export"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
)

// Exits are the exit codes of a command that compares, the same as diff(1)'s.
var Exits = command.Exits{0: "there is no difference", ui.ExitNo: "there is one", ui.ExitUnsure: "something could not be read"}

// What can be compared.
const (
	Data     = "data"
	ACL      = "acl"
	Kind     = "kind" // and the TTL
	Owner    = "owner"
	Sequence = "sequence" // the number of the next sequential child
	Stat     = "stat"     // zxids, times, versions
)

// Fields are all of them.
var Fields = []string{Data, ACL, Kind, Owner, Sequence, Stat}

// Options say what to compare and how to print it.
type Options struct {
	Fields []string
	Brief  bool // only name the znodes
	Lines  int  // equal lines around each change
	Rate   int  // requests a second to each side at most; 0 means no limit
	Output ui.Format
	Absent bool // a tree that does not exist is empty if the other does
	// Leave, if set, says which znodes are not compared.
	Leave func(src *source.Source, path string) bool
	// Progress, if set, is called with how many znodes are compared, now and then.
	Progress func(done int)
}

// Run compares what is at two locations and prints what differs. If something does, its error has the exit code of that.
func Run(ctx context.Context, env *command.Env, a, b string, opt Options) error {
	c, err := open(env, a, b, opt)
	if err != nil {
		return err
	}
	defer c.close()
	err = c.compare(ctx)
	if flushed := c.out.flush(err == nil); err == nil {
		err = flushed
	}
	if interrupted := command.Stopped(ctx, err, "the comparison is incomplete"); interrupted != nil {
		return interrupted
	}
	if c.hidden > 0 {
		env.Warn("the hashes of passwords in the ACLs of %s were not compared, because a server only shows them to who may set the ACL (addauth adds an identity)",
			command.Counted(c.hidden, "znode"))
	}
	switch missing := c.missing(); {
	case err != nil:
		return err
	case missing != nil:
		return missing
	case c.out.total() > 0:
		return &ui.ExitError{Code: ui.ExitNo}
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
	Options
	env        *command.Env
	a, b       side
	ephemerals bool // compared
	kinds      bool
	hidden     int // znodes whose ACL lacks the hashes of passwords at one side
	out        *differences
}

func open(env *command.Env, a, b string, opt Options) (*comparison, error) {
	c := &comparison{Options: opt, env: env, ephemerals: true}
	var err error
	if c.a.src, err = env.OpenLocation(a); err != nil {
		return nil, err
	}
	if c.b.src, err = env.OpenLocation(b); err != nil {
		_ = c.a.src.Close()
		return nil, err
	}
	for _, s := range []*source.Source{c.a.src, c.b.src} {
		if h := s.Header(); h != nil && h.Options.Ephemerals == export.SkipEphemerals {
			c.ephemerals = false
		}
	}
	c.kinds = c.a.src.TellsKinds() && c.b.src.TellsKinds()
	c.out = newDifferences(c)
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
	opt := source.Options{Stat: true, Rate: c.Rate, Data: c.compares(Data), ACL: c.compares(ACL)}
	s.pulled = source.Pull(ctx, func(ctx context.Context, visit func(*source.Znode) error) (source.Report, error) {
		return s.src.Walk(ctx, opt, visit)
	})
}

func (c *comparison) compares(field string) bool { return slices.Contains(c.Fields, field) }

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
		if s.next.Kind == source.Ephemeral && !c.ephemerals || c.Leave != nil && c.Leave(s.src, s.next.Path) {
			continue
		}
		if !s.next.Known { // the report names it
			s.lost, s.blind = s.relative(s.next.Path), true
		}
		return nil
	}
}

// begin goes to the first znodes.
func (c *comparison) begin() error {
	a, b := c.advance(&c.a), c.advance(&c.b)
	if c.Absent && errors.Is(a, proto.ErrNoNode) != errors.Is(b, proto.ErrNoNode) {
		if errors.Is(a, proto.ErrNoNode) {
			return b
		}
		return a
	}
	return cmp.Or(a, b)
}

// unclear reports whether a znode of one side, or one above it, could not be read at the other.
func (s *side) unclear(path string) bool {
	return s.blind && (path == s.lost || strings.HasPrefix(path, s.lost+"/"))
}

func (c *comparison) compare(ctx context.Context) error {
	c.start(ctx, &c.a)
	c.start(ctx, &c.b)
	if err := c.begin(); err != nil {
		return err
	}
	for n := 0; c.a.next != nil || c.b.next != nil; n++ {
		if n&0x3ff == 0 && c.Progress != nil && !c.env.Streams.OutTTY {
			c.Progress(n)
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
	for _, field := range Fields {
		if !c.compares(field) {
			continue
		}
		same := true
		switch field {
		case Data:
			same = bytes.Equal(a.Data, b.Data) && (a.Data == nil) == (b.Data == nil)
		case ACL:
			same = source.SameShown(a.ACL, b.ACL)
			if source.HidesHashes(a.ACL) || source.HidesHashes(b.ACL) {
				c.hidden++
			}
		case Kind:
			same = a.Kind == b.Kind && a.TTL == b.TTL || !c.kinds && a.Kind != source.Ephemeral && b.Kind != source.Ephemeral
		case Owner:
			same = a.Stat.EphemeralOwner == b.Stat.EphemeralOwner
		case Sequence:
			same = source.NextSequence(&a.Stat) == source.NextSequence(&b.Stat)
		case Stat:
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
