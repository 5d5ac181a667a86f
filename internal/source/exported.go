package source

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/export"
	"github.com/zkctl/zkctl/internal/proto"
)

// Record returns the znode as exports have it.
func (z *Znode) Record() export.Record {
	return export.Record{Path: z.Path, Data: z.Data, ACL: z.ACL, Kind: string(z.Kind), TTL: z.TTL,
		Next: int64(NextSequence(&z.Stat)), Stat: z.Stat}
}

// exported is znodes in an export.
type exported struct {
	path string // of the znode
	name string // of the file
	head export.Header
}

// openExport opens an export. The path / means its root.
func openExport(l *Location) (walker, error) {
	r, err := export.Open(l.File)
	if err != nil {
		return nil, err
	}
	e := &exported{name: l.File, head: *r.Header()}
	if err := r.Close(); err != nil {
		return nil, err
	}
	root := e.head.Root
	if l.Path == "/" {
		l.Path = root
	}
	if _, ok := within(root, l.Path); !ok {
		return nil, &LocationError{*l, fmt.Sprintf("the export holds %s and what is below", root)}
	}
	e.path = l.Path
	return e, nil
}

func (e *exported) Conn() *client.Conn { return nil }
func (e *exported) TellsKinds() bool   { return e.head.Kinds }
func (e *exported) Close() error       { return nil }

// Header returns the header of the export that a source reads, or nil if it reads something else.
func (s *Source) Header() *export.Header {
	switch w := s.walker.(type) {
	case *exported:
		return &w.head
	case *folder:
		return &w.head
	}
	return nil
}

// statOf returns the stat of a record. If a person has changed the number of the next sequential child, that counts, not cversion.
func statOf(x *export.Record) proto.Stat {
	s := x.Stat
	if x.Next > 0 && int32(x.Next) != NextSequence(&s) {
		s.Cversion = int32(uint32(2*x.Next)) - s.NumChildren
	}
	return s
}

// Walk reads the whole file, even if only a part is visited: only then its checksum is known.
func (e *exported) Walk(ctx context.Context, opt Options, visit func(*Znode) error) (r Report, err error) {
	file, err := export.Open(e.name)
	if err != nil {
		return r, err
	}
	defer file.Close()
	opt.moment(Moment{Start: e.head.Start, End: e.head.End, Consistent: e.head.Consistent, Dirty: e.head.Dirty})
	found := false
	var z Znode
	for n := 0; ; n++ {
		if err := opt.pulse(ctx, n, r.Read); err != nil {
			return r, err
		}
		x, err := file.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return r, err
		}
		level, ok := within(e.path, x.Path)
		if !ok {
			continue
		}
		found = found || level == 0
		if !opt.covers(level) {
			continue
		}
		r.Read++
		opt.found(x.Data)
		z = Znode{Path: x.Path, Known: true, Stat: statOf(x), Kind: Kind(x.Kind), TTL: x.TTL, Data: x.Data, ACL: x.ACL}
		if opt.Match != nil && !opt.Match(&z) {
			continue
		}
		if err := visit(&z); err != nil {
			return r, err
		}
	}
	if !found {
		return r, none(e.path)
	}
	return r, nil
}

// above returns the path of a znode's parent.
