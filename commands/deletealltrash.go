package commands

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/export"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/version"
)

var deleteTrash = command.NewText("trash", "file", command.File, "first keep the tree in a new file, which import reads")

// trashSettle is how long the tree may take to be read as it was at one moment.
const trashSettle = time.Minute

// trashing writes a tree to an export before it is deleted.
type trashing struct {
	w        *export.Writer
	paths    []string // parents first
	versions map[string]int32
	bytes    int // that these take
	hidden   int // ACLs without the hashes of passwords
}

// keepTree writes a tree to a file, and returns it to be deleted: only these znodes, with the versions that are in the file.
func keepTree(ctx context.Context, env *command.Env, conn *client.Conn, root, file string) (doomed, error) {
	if special(conn, root) {
		return doomed{}, specialError(root)
	}
	src, err := env.OpenApart(root)
	if err != nil {
		return doomed{}, err
	}
	defer src.Close()
	f, err := atomicfile.Create(file)
	if err != nil {
		return doomed{}, fmt.Errorf("--trash: %w", err)
	}
	defer f.Abandon()
	packed, err := export.Compress(f, export.CompressionOf(file))
	if err != nil {
		return doomed{}, fmt.Errorf("--trash: %w", err)
	}
	h := &export.Header{Writer: version.Release(), Source: source.ServersPrefix + strings.TrimSuffix(env.Session.Servers(), "/") + root, Root: root,
		Time: time.Now().UnixMilli(), Kinds: src.TellsKinds(), Options: export.Options{Ephemerals: "mark"}}
	t := &trashing{versions: map[string]int32{}}
	opt := source.Options{Stat: true, Data: true, ACL: true, Settle: trashSettle, Settling: func(why string) { env.Note("%s", why) },
		Moment: func(m source.Moment) { h.Start, h.End, h.Consistent, h.Dirty = m.Start, m.End, m.Consistent, m.Dirty }}
	missing, err := walkLocation(ctx, env, src, opt, func(z *source.Znode) (err error) {
		if t.w == nil {
			if t.w, err = export.NewWriter(packed, h); err != nil {
				return fmt.Errorf("--trash: %w", err)
			}
		}
		return t.add(z)
	})
	if err != nil || missing != nil {
		return doomed{}, walked(ctx, missing, err, "nothing was deleted")
	}
	if _, err = t.w.Close(); err == nil {
		err = cmp.Or(packed.Close(), f.Commit())
	}
	if err != nil {
		return doomed{}, fmt.Errorf("--trash: %w", err)
	}
	if t.hidden > 0 {
		env.Warn("the ACLs of %s lack the hashes of passwords in %s, because a server only shows them to who may set the ACL",
			command.Counted(t.hidden, "znode"), escape.Line(file))
	}
	env.Note("kept %s in %s", command.Counted(len(t.paths), "znode"), escape.Line(file))
	slices.Reverse(t.paths)
	return doomed{root: root, paths: t.paths, bytes: t.bytes, versions: t.versions}, nil
}

func (t *trashing) add(z *source.Znode) error {
	if !z.Known {
		return nil // the report names it, and nothing is deleted
	}
	r := z.Record()
	if t.bytes += 2*len(r.Path) + 200; t.bytes > maxTree {
		return fmt.Errorf("--trash: %w; process its parts one by one", errTreeTooLarge)
	}
	t.paths = append(t.paths, r.Path)
	t.versions[r.Path] = r.Stat.Version
	if source.HidesHashes(r.ACL) {
		t.hidden++
	}
	if err := t.w.Add(&r); err != nil {
		return fmt.Errorf("--trash: %w", err)
	}
	return nil
}
