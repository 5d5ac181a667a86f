package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/apply"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/tempdir"
	"github.com/zkctl/zkctl/internal/zpath"
)

func newImport(env *command.Env) *cobra.Command {
	w := &writing{env: env}
	var maps []string
	c := &cobra.Command{
		Use: "import FILE|- [LOCATION]",
		Long: `Write the tree of an export to a live ensemble: a file or a folder of export, or
standard input. LOCATION becomes what the export's topmost znode was; without it,
znodes get the paths that they had, on this connection. The parent must exist.

The file is read to its end and checked before anything is written. A znode that
exists ends the import, unless --on-conflict says otherwise. Each write is guarded by
the version that was read. An interrupted import goes on with --resume.

The next sequential child of each znode gets the same name as at the source, unless
--no-sequences. Ephemeral znodes belong to sessions and are not made.`,
		Example: `  zkctl import app.jsonl.gz
  zkctl import app.jsonl staging:/app --on-conflict overwrite --dry-run
  zkctl import backup.jsonl --map /app/config=/app/config-old --acl world`,
		Args: command.ArgCount(1, 2),
		RunE: func(c *cobra.Command, args []string) error { return w.importFile(c.Context(), args, maps) },
	}
	c.ValidArgsFunction = func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return command.Takes(command.File, 0, 0)(c, args, word)
		}
		return command.Takes(command.Location, 1, 1)(c, args, word)
	}
	c.Flags().StringArrayVar(&maps, "map", nil, "`OLD=NEW`: give what is at OLD and below in the export the path NEW instead; repeatable")
	w.add(c)
	return c
}

func (w *writing) importFile(ctx context.Context, args, mapped []string) error {
	if err := w.check(); err != nil {
		return err
	}
	var dst *source.Source
	var err error
	if len(args) > 1 { // a guard refuses it before the file is read
		if dst, err = w.target(args[1]); err != nil {
			return err
		}
		defer dst.Close()
		if err := w.mayWrite(dst); err != nil {
			return err
		}
	}
	file, pipe := args[0], ""
	if info, err := os.Stat(file); file == "-" {
		pipe = standardInput
	} else if err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		pipe = file
	}
	if pipe != "" {
		spool, err := tempdir.Make("import")
		if err != nil {
			return err
		}
		defer func() { _ = spool.Remove() }() // the folder is temporary
		file = filepath.Join(spool.Path(), "export")
		if err := w.spool(ctx, pipe, file); ctx.Err() != nil {
			return command.Stopped(ctx, ctx.Err(), "nothing was written")
		} else if err != nil {
			return fmt.Errorf("read %s: %w", escape.Line(pipe), err)
		}
	}
	src, err := w.env.OpenLocation(source.FilePrefix + source.EncodeFile(file))
	if err != nil {
		return err
	}
	defer src.Close()
	if dst == nil {
		if dst, err = w.target(src.Location.Path); err != nil {
			return err
		}
		defer dst.Close()
	}
	m := &move{writing: w, src: src, dst: dst, read: source.Options{Stat: true, Data: true, ACL: true}}
	if m.maps, err = m.mappings(mapped); err != nil {
		return err
	}
	// A fault at the end of the file must not be found out after the rest was written.
	unseen := map[string]bool{}
	for _, one := range m.maps {
		unseen[one.from] = true
	}
	missing, err := w.env.Walk(ctx, src, source.Options{Stat: true}, func(z *source.Znode) error {
		w.znodes++
		delete(unseen, z.Path)
		return nil
	})
	if err = errors.Join(err, missing); err == nil && len(unseen) > 0 {
		err = fmt.Errorf("--map: %s is not in the export", escape.Line(slices.Min(slices.Collect(maps.Keys(unseen)))))
	}
	if err != nil && pipe != "" {
		err = fmt.Errorf("%s: %w", escape.Line(pipe), err)
	}
	if err != nil {
		return fmt.Errorf("%w; nothing was written", err)
	}
	return m.run(ctx)
}

const standardInput = "standard input"

// spool keeps in a file what comes from a pipe, because it is read more than once.
func (w *writing) spool(ctx context.Context, pipe, file string) error {
	in := w.env.Streams.In
	if pipe != standardInput {
		f, err := infile.Open(ctx, pipe)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, infile.Reader(ctx, in))
	return errors.Join(err, f.Close())
}

// mapping moves a part of an export to another path.
type mapping struct{ from, to string }

// mappings reads the values of --map.
func (m *move) mappings(texts []string) (list []mapping, err error) {
	for _, text := range texts {
		from, to, found := strings.Cut(text, "=")
		if !found {
			return nil, fmt.Errorf("--map: %q is not OLD=NEW", text)
		}
		for _, path := range []string{from, to} {
			if err := client.ValidatePath(path); err != nil {
				return nil, fmt.Errorf("--map %s: %w", text, err)
			}
		}
		if !zpath.Within(from, m.src.Location.Path) {
			return nil, fmt.Errorf("--map: %q is not in the export, which begins with %s", from, escape.Line(m.src.Location.Path))
		}
		for _, other := range list {
			if zpath.Within(from, other.from) || zpath.Within(other.from, from) {
				return nil, fmt.Errorf("--map: %s and %s overlap", other.from, from)
			}
		}
		list = append(list, mapping{from, to})
	}
	if len(list) > 0 && m.deleteExtra {
		return nil, errors.New("--map and --delete-extra exclude each other: what one moves the other would delete; use two imports")
	}
	return list, nil
}

// conflicts returns an error if the policy is to fail and a znode exists that will be written: so that this is known before anything is
// written. It is enough to look at the topmost ones, since no other can exist without them.
func (m *move) conflicts(ctx context.Context, part mapping) error {
	if m.onConflict != string(apply.Fail) || m.resume {
		return nil
	}
	if part.to != "/" {
		return m.conflict(ctx, part.to)
	}
	level := source.Options{Levels: 1}
	if m.alone {
		level.Levels = -1
	}
	_, err := m.env.Walk(ctx, m.src, level, func(z *source.Znode) error {
		path := zpath.Rebase(z.Path, part.from, part.to)
		if path == "/" || path == "/zookeeper" {
			return nil
		}
		return m.conflict(ctx, path)
	})
	return err
}

// conflict returns an error if a znode exists at the destination.
func (m *move) conflict(ctx context.Context, path string) error {
	switch _, err := m.dst.Conn().Exists(ctx, path, false); {
	case err == nil:
		return &apply.ConflictError{Path: path}
	case !errors.Is(err, proto.ErrNoNode):
		return m.env.At(m.dst.Location, m.env.Explain(ctx, err))
	}
	return nil
}
