package transfer

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/apply"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/zpath"
)

func newCopy(env *command.Env) *cobra.Command {
	w := &writing{env: env}
	alone := false
	c := &cobra.Command{
		Use: "cp FROM TO",
		Long: `Copy the znode at a location, with everything below it, to a live ensemble: data,
ACLs, and the numbers of the next sequential children. TO becomes what FROM is;
it is never a child of TO. Its parent must exist.

FROM is a znode path, NAME:/path for a profile or a local server, zk://host:port/path,
or file:PATH[@ZXID|@TIME][:/path] for a snapshot or a data directory, also as it was
at an earlier moment. TO is one of the first three.

A znode that exists at TO ends the copy before anything is written, unless
--on-conflict says otherwise. Each write is guarded by the version that was read, so
that nothing that somebody else changes meanwhile is overwritten. An interrupted copy
goes on with --resume.

Ephemeral znodes belong to sessions and are not copied. Servers do not tell containers
and TTL znodes from persistent ones; files do. Versions, zxids and times are new.`,
		Example: `  zkctl cp /config /config-old
  zkctl cp prod:/app staging:/app --on-conflict overwrite --delete-extra --dry-run
  zkctl cp file:/var/lib/zookeeper@10m:/config /config`,
		Args:              command.ArgCount(2, 2),
		ValidArgsFunction: command.Takes(command.Location, 0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			return w.copy(c.Context(), args[0], args[1], alone)
		},
	}
	c.Flags().BoolVar(&alone, "no-children", false, "copy the znode itself, without what is below it")
	w.add(c)
	return c
}

func (w *writing) copy(ctx context.Context, from, to string, alone bool) error {
	if err := w.check(); err != nil {
		return err
	}
	src, dst, err := w.open(from, to)
	if err != nil {
		return err
	}
	defer src.Close()
	defer dst.Close()
	if err := w.apart(ctx, src, dst, alone); err != nil {
		return err
	}
	opt := source.Options{Stat: true, Data: true, ACL: true, Rate: w.rate}
	if alone {
		opt.Levels = -1
	}
	m := &move{writing: w, src: src, dst: dst, alone: alone, read: opt}
	return m.run(ctx)
}

// apart refuses to copy a tree to itself or into itself, and to delete the source as what is not wanted. alone means without children.
func (w *writing) apart(ctx context.Context, src, dst *source.Source, alone bool) error {
	if src.Conn() == nil {
		return nil
	}
	a, b := &end{location: src.Location, path: src.Location.Path, conn: src.Conn()}, &end{location: dst.Location, path: dst.Location.Path, conn: dst.Conn()}
	from, to := a.real(), b.real()
	if !zpath.Within(to, from) && !zpath.Within(from, to) {
		return nil
	}
	if a.conn != b.conn {
		if w.dryRun { // finding out takes a request to change something
			return nil
		}
		if err := w.mayWrite(dst); err != nil {
			return err
		}
		if same, err := sameEnsemble(ctx, w.env, a, b); err != nil || !same {
			return err
		}
	}
	switch {
	case from == to:
		return fmt.Errorf("source and destination are the same znode, %s", escape.Line(from))
	case !alone && zpath.IsBelow(to, from):
		return fmt.Errorf("%s is below %s, which would be copied into itself; choose another destination", escape.Line(to), escape.Line(from))
	case w.deleteExtra && zpath.IsBelow(from, to):
		return fmt.Errorf("%s is below %s, so --delete-extra would delete the source", escape.Line(from), escape.Line(to))
	}
	return nil
}

// move is a tree on its way.
type move struct {
	*writing
	src, dst *source.Source
	alone    bool
	maps     []mapping
	read     source.Options
}

// wanted passes the znodes of a part of the source, with their paths at the destination.
func (m *move) wanted(ctx context.Context, part mapping, visit func(z *source.Znode) error) (missing, err error) {
	read := m.read
	if m.bar != nil {
		read.Total = m.bar.of
	}
	return m.env.Walk(ctx, m.src, read, func(z *source.Znode) error {
		if !zpath.Within(z.Path, part.from) || m.elsewhere(part, z.Path) {
			return nil
		}
		own := *z
		if m.bar != nil {
			m.bar.bytes.Add(int64(len(z.Data)))
		}
		own.Path = zpath.Rebase(z.Path, part.from, part.to)
		own.ACL = m.aclOf(z.ACL)
		return visit(&own)
	})
}

// elsewhere reports whether a znode of a part belongs to another part within it.
func (m *move) elsewhere(part mapping, path string) bool {
	for _, other := range m.maps {
		if other != part && zpath.Within(other.from, part.from) && zpath.Within(path, other.from) {
			return true
		}
	}
	return false
}

// whole is the part that is everything, but for what is mapped.
func (m *move) whole() mapping { return mapping{m.src.Location.Path, m.dst.Location.Path} }

func (m *move) run(ctx context.Context) error {
	parts := append([]mapping{m.whole()}, m.maps...)
	if len(m.maps) > 0 && m.maps[0].from == m.src.Location.Path {
		parts = m.maps
	}
	var missing, walkErr error
	do := func(ctx context.Context, opt apply.Options) (*apply.Result, error) {
		sum := &apply.Result{}
		for _, part := range parts {
			if walkErr = m.conflicts(ctx, part); walkErr != nil {
				return sum, walkErr
			}
		}
		for _, part := range parts {
			opt.Root = part.to
			res, err := apply.Run(ctx, m.dst.Conn(), opt, func(ctx context.Context, visit func(z *source.Znode) error) error {
				var writeErr error // it ends the walk, but is not of the source
				missing, walkErr = m.wanted(ctx, part, func(z *source.Znode) error {
					writeErr = visit(z)
					return writeErr
				})
				if writeErr != nil {
					walkErr = nil
					return writeErr
				}
				return walkErr
			})
			sum.Add(res)
			if err != nil {
				return sum, err
			}
		}
		return sum, nil
	}
	opt := m.options(m.dst.Location.Path)
	opt.Alone = m.alone
	err := m.write(ctx, m.dst, opt, do, func(err error) bool { return err == walkErr })
	if err == nil {
		err = missing
	}
	return err
}
