package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/apply"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zpath"
)

func newMove(env *command.Env) *cobra.Command {
	w := &writing{env: env, moves: true}
	c := &cobra.Command{
		Use: "mv FROM TO",
		Long: `Move a znode with everything below it to another path or another live ensemble. TO
becomes what FROM is; it must not exist, and its parent must.

Within one session, a tree that fits into a transaction is moved by one: nobody ever
sees both, or neither. A larger tree, or one that goes to another ensemble, is copied,
compared with its source, and only then deleted there. A znode that somebody changes
meanwhile is not deleted. An interrupted move goes on with --resume.

Ephemeral znodes belong to sessions and cannot be moved. Servers do not tell containers
and TTL znodes from persistent ones: they become persistent.`,
		Example: `  zkctl mv /app/config /app/settings
  zkctl mv old:/app new:/app --dry-run`,
		Args:              command.ArgCount(2, 2),
		ValidArgsFunction: command.Takes(command.Location, 0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			err := w.move(c.Context(), args[0], args[1])
			if w.moved != nil {
				err = errors.Join(err, w.env.PrintJSON(w.moved))
			}
			return err
		},
	}
	fs := c.Flags()
	w.onConflict, w.acl = string(apply.Fail), keepACL
	fs.BoolVar(&w.noSequences, "no-sequences", false, "do not raise the numbers of the next sequential children")
	w.addCommon(c)
	return c
}

func (w *writing) move(ctx context.Context, from, to string) error {
	if err := w.check(); err != nil {
		return err
	}
	src, dst, err := w.open(from, to)
	if err != nil {
		return err
	}
	defer src.Close()
	defer dst.Close()
	if src.Conn() == nil {
		return fmt.Errorf("%s cannot be moved: files are only read; cp copies from them", w.env.Streams.Name(from))
	}
	if src.Location.Path == "/" {
		return fmt.Errorf("%s cannot be moved, because / always exists; cp copies it", w.env.Streams.Name(from))
	}
	if err := w.apart(ctx, src, dst, false); err != nil {
		return err
	}
	if !w.dryRun {
		for _, conn := range []*client.Conn{dst.Conn(), src.Conn()} {
			if err := conn.MayChange("move znodes"); err != nil {
				return err
			}
		}
		if err := src.Conn().Guard().Allow(ctx, "move "+w.env.Streams.Name(src.Location.Text), true); err != nil {
			return err
		}
	}
	if src.Conn() == dst.Conn() && zpath.Within(src.Location.Path, dst.Location.Path) {
		return fmt.Errorf("%s exists: it is above %s", dst.Location.Path, src.Location.Path)
	}
	m := &move{writing: w, src: src, dst: dst, read: source.Options{Stat: true, Data: true, ACL: true, Rate: w.rate}}
	if src.Conn() == dst.Conn() && !w.resume && !w.dryRun {
		switch done, err := m.atOnce(ctx); {
		case err != nil:
			return err
		case done:
			return nil
		}
	}
	return m.inSteps(ctx)
}

// atOnce moves a tree in one transaction, if it fits.
func (m *move) atOnce(ctx context.Context) (done bool, err error) {
	from, to := m.src.Location.Path, m.dst.Location.Path
	opt := m.options(to)
	opt.Instead = &apply.Removal{}
	var missing, walkErr error
	res, err := apply.Run(ctx, m.dst.Conn(), opt, func(ctx context.Context, visit func(z *source.Znode) error) error {
		missing, walkErr = m.wanted(ctx, m.whole(), func(z *source.Znode) error {
			if z.Kind == source.Ephemeral {
				return errEphemeral(zpath.Rebase(z.Path, to, from))
			}
			opt.Instead.Add(zpath.Rebase(z.Path, to, from), z.Stat.Version)
			return visit(z)
		})
		return errors.Join(walkErr, missing)
	})
	switch {
	case errors.Is(err, apply.ErrNotAtOnce):
		return false, nil
	case err != nil && errors.Is(err, walkErr):
		return false, err
	case err != nil:
		return false, fmt.Errorf("%w; nothing was moved", m.env.Explain(ctx, err))
	}
	if m.env.Output == ui.JSON {
		m.moved = m.object(&listing{}, res)
	}
	m.succeed(res.Created)
	return true, nil
}

func errEphemeral(path string) error {
	return fmt.Errorf("%s is ephemeral: it belongs to its session and cannot be moved; nothing was moved", escape.Line(path))
}

// succeed reports success.
func (m *move) succeed(znodes int) {
	if m.env.Output == ui.JSON {
		m.moved["moved"] = znodes
		return
	}
	m.env.Note("moved %s", command.Counted(znodes, "znode"))
}

// inSteps copies the tree, compares the copy with it, and deletes it.
func (m *move) inSteps(ctx context.Context) error {
	from := m.src.Location.Path
	if missing, err := m.env.Walk(ctx, m.src, source.Options{Stat: true, Rate: m.rate}, func(z *source.Znode) error {
		if z.Kind == source.Ephemeral {
			return errEphemeral(z.Path)
		}
		return nil
	}); err != nil || missing != nil {
		return errors.Join(err, missing)
	}
	if err := m.run(ctx); err != nil || m.dryRun {
		return err
	}
	var gone apply.Removal
	opt := m.options(m.dst.Location.Path)
	opt.DryRun, opt.OnConflict = true, apply.Overwrite
	bar := newProgress(m.env, "compared")
	res, err := apply.Run(ctx, m.dst.Conn(), opt, func(ctx context.Context, visit func(z *source.Znode) error) error {
		missing, err := m.wanted(ctx, m.whole(), func(z *source.Znode) error {
			gone.Add(zpath.Rebase(z.Path, m.dst.Location.Path, from), z.Stat.Version)
			bar.set(gone.Len())
			return visit(z)
		})
		return errors.Join(err, missing)
	})
	bar.done()
	if err != nil {
		return fmt.Errorf("compare the copy with its source: %w; nothing was deleted", err)
	}
	if differing := gone.Len() - res.Same; differing > 0 {
		return fmt.Errorf("in %s, the copy differs from the source or cannot be read; nothing was deleted at the source (--resume goes on if the copy may be written; otherwise delete the copy, and move again)",
			command.Counted(differing, "znode"))
	}
	bar = newProgress(m.env, "deleted")
	bar.of(gone.Len())
	delOpt := m.options(from)
	delOpt.Progress = bar.set
	res, err = apply.Remove(ctx, m.src.Conn(), delOpt, &gone)
	bar.done()
	for _, f := range res.Failed.List {
		m.env.Complain(fmt.Errorf("%s stays: %s", escape.Line(f.Path), reason(f.Err)))
	}
	switch interrupted := command.Stopped(ctx, err, fmt.Sprintf("the copy is complete, and %s of the source are deleted; --resume goes on", command.Counted(res.Deleted, "znode"))); {
	case interrupted != nil:
		return interrupted
	case err != nil:
		return fmt.Errorf("%w; the copy is complete, and --resume goes on with deleting the source", m.env.At(m.src.Location, m.env.Explain(ctx, err)))
	case res.Failed.N > 0:
		return fmt.Errorf("%s of the source could not be deleted; the copy is complete", command.Counted(res.Failed.N, "znode"))
	}
	m.succeed(res.Deleted)
	return nil
}
