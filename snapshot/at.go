package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/ztree"
)

type atOptions struct {
	streams *ui.Streams
	dir     string
	zxid    string
	time    string
	write   string
	form    formOptions
}

func newAtCommand(s *ui.Streams, run func(context.Context, *atOptions) error) *cobra.Command {
	opt := &atOptions{streams: s}
	c := &cobra.Command{
		Use:               "at DIR [--zxid ZXID | --time TIME] [--write FILE]",
		ValidArgsFunction: command.Takes(command.File, 0, 0),
		Short:             "print or save the tree as it was at a zxid or a time",
		Long: `Rebuild the tree as it was right after transaction ZXID, or at TIME, from the
latest earlier snapshot and the logs after it. Without either option, rebuild it
as of the last transaction. DIR is a data directory; it is only read. The tree is
held in memory.

The tree is printed as by snapshot dump, with the same options. With --write
FILE, it is saved as a snapshot instead. If FILE is a directory, the snapshot
gets the name that a server expects: snapshot.ZXID.

To take a whole server back to that moment: stop it, move its version-2 away,
create an empty version-2, run at --write version-2, and start the server. In an
ensemble, stop all members and give each the same file. To restore one branch
into a running ensemble, print that branch: --path /config -o json.`,
		Example: `  zkctl snapshot at /var/lib/zookeeper --time "2026-11-22 03:07:00" --tree
  zkctl snapshot at /var/lib/zookeeper --zxid 0x100000041 --path /config -o json
  zkctl snapshot at old/version-2 --zxid 0x100000041 --write /var/lib/zookeeper/version-2`,
		Args: argCount(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			opt.dir = args[0]
			return run(c.Context(), opt)
		},
	}
	c.Flags().StringVar(&opt.zxid, "zxid", "", "the last transaction to apply, such as 0x100000041 or 100000041")
	c.Flags().StringVar(&opt.time, "time", "", "apply transactions up to this time: \"2026-11-22 03:07:00\", or 2h (ago)")
	c.Flags().StringVar(&opt.write, "write", "", "save a snapshot as this new `file`, or in this directory")
	opt.form.addFlags(c)
	return c
}

// moment parses --zxid or --time.
func (opt *atOptions) moment(now time.Time) (load storage.LoadOptions, err error) {
	switch {
	case opt.zxid != "" && opt.time != "":
		return load, usageError(errors.New("--zxid and --time exclude each other; give one of them"))
	case opt.zxid != "":
		load.Zxid, err = proto.ParseHex(opt.zxid)
		if err != nil || load.Zxid <= 0 {
			return load, usageError(fmt.Errorf("invalid zxid %q; use a hexadecimal number above 0, such as 0x100000041", opt.zxid))
		}
	case opt.time != "":
		when, err := ui.ParseWhen(opt.time, now)
		if err != nil {
			return load, usageError(err)
		}
		load.Time = when.UnixMilli()
	}
	return load, nil
}

func runAt(ctx context.Context, opt *atOptions) error {
	if _, err := opt.form.check(); err != nil {
		return err
	}
	moment, err := opt.moment(time.Now())
	if err != nil {
		return err
	}
	dir, err := storage.ReadDir(opt.dir)
	if err != nil {
		return usageError(err)
	}
	var last int64 // time of the last applied transaction
	moment.Visit = func(_ string, e *storage.Entry, _ *proto.TxnEntry, _ *ztree.Tree) error {
		last = e.Header.Time
		return nil
	}
	tree, faults, err := dir.Load(ctx, moment)
	if err != nil {
		return err
	}
	for _, f := range faults {
		ui.Report(opt.streams.Err, ui.InFormat(command.Advise(f), opt.form.output()))
	}
	of, fields := "", map[string]any{"zxid": proto.Hex(tree.LastZxid())}
	if last != 0 {
		of = ", of " + ui.Time(last)
		fields["time"] = last
	}
	opt.note(fields, "the tree at zxid %s%s", proto.Hex(tree.LastZxid()), of)
	if opt.write != "" {
		err = opt.writeSnapshot(tree)
	} else {
		err = opt.form.print(opt.streams, &treeImage{title: dir.Path, tree: tree})
	}
	if err == nil && len(faults) > 0 {
		return &ui.ExitError{Code: ui.ExitFailed, Err: errors.New("the tree may lack changes hidden by the damage reported above")}
	}
	return err
}

func (opt *atOptions) note(fields map[string]any, format string, a ...any) {
	ui.Note(opt.streams.Err, opt.form.output(), fields, format, a...)
}

func (opt *atOptions) writeSnapshot(tree *ztree.Tree) error {
	file := opt.write
	name := fmt.Sprintf("snapshot.%x", uint64(tree.LastZxid()))
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		file = filepath.Join(file, name)
	}
	compression := storage.CompressionOfName(file)
	if compression != "" {
		name += "." + compression
	}
	base := filepath.Base(file)
	if kind, zxid, ok := storage.ZxidOfName(base); ok && kind == "snapshot" && zxid != tree.LastZxid() {
		return usageError(fmt.Errorf("a server takes a snapshot's zxid from its name; use %s instead of %s", name, base))
	}
	if err := storage.WriteSnapshot(file, tree, storage.SnapshotOptions{Compression: compression}); err != nil {
		return err
	}
	opt.note(map[string]any{"file": file, "znodes": tree.Len()}, "wrote %s, %s", file, znodes(tree.Len()))
	if base != name {
		opt.note(nil, "a server only finds it under the name %s", name)
	}
	opt.warnOfNewer(filepath.Dir(file), tree.LastZxid())
	return nil
}

// warnOfNewer warns of files beside the snapshot that a server would apply on top of it.
func (opt *atOptions) warnOfNewer(path string, zxid int64) {
	dir, err := storage.ReadDir(path)
	if err != nil || dir.Path != path {
		return // not a data directory
	}
	newer := dir.Logs
	for _, s := range dir.Snapshots {
		if s.Zxid > zxid {
			newer = append(newer, s)
		}
	}
	if len(newer) > 0 {
		opt.note(nil, "%s also holds %s: a server starting there continues from it; to go back, use an empty directory",
			path, filepath.Base(newer[len(newer)-1].Path))
	}
}
