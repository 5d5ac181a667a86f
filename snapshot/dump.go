package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

type dumpOptions struct {
	streams *ui.Streams
	file    string
	form    formOptions
}

// formOptions are the options of dump and at that select what is printed, and in which form.
type formOptions struct {
	withData bool // -d
	ncdu     bool // -json
	tree     bool
	format   string
	data     string
	path     string
	depth    int
}

func (f *formOptions) addFlags(c *cobra.Command) {
	flags := c.Flags()
	flags.BoolVarP(&f.withData, "with-data", "d", false, "print data as base64 instead of its length")
	flags.BoolVar(&f.ncdu, "json", false, "print names and sizes as nested arrays, the format of ncdu")
	flags.BoolVar(&f.tree, "tree", false, "draw the tree with sizes")
	formatFlag(c, &f.format, "one object per znode, with every field")
	flags.StringVar(&f.data, "data", "", "how to print data: text (base64 if not UTF-8), hex, base64, none or length")
	flags.StringVar(&f.path, "path", "", "only the znode at `path` and those below it")
	flags.IntVar(&f.depth, "depth", -1, "only this many `levels` below the root or --path")
}

// check refuses contradictory options, in SnapshotFormatter's words where it refuses them too.
func (f *formOptions) check() (scope, error) {
	format, err := parseFormat(f.format)
	if err != nil {
		return scope{}, err
	}
	json := format == ui.JSON
	switch {
	case f.withData && f.ncdu:
		return scope{}, usageError(errors.New("Cannot specify both data dump (-d) and json mode (-json) in same call"))
	case f.ncdu && json:
		return scope{}, usageError(errors.New("-json (ncdu's format) and -o json (one object per znode) exclude each other; give one of them"))
	case f.tree && (f.ncdu || json):
		return scope{}, usageError(errors.New("--tree is drawn as text; omit -json and -o json"))
	case f.data != "" && !slices.Contains(escape.DataForms, f.data):
		return scope{}, usageError(fmt.Errorf("unknown --data %q; use text, hex, base64, none or length", f.data))
	}
	return newScope(f.path, f.depth)
}

// output is the requested format, which check has checked.
func (f *formOptions) output() ui.Format {
	format, _ := ui.ParseFormat(f.format)
	return format
}

// dataForm is the requested form; -d means base64.
func (f *formOptions) dataForm() escape.DataForm {
	if f.data == "" && f.withData {
		return escape.DataBase64
	}
	return escape.DataForm(f.data)
}

func newDumpCommand(s *ui.Streams, run func(context.Context, *dumpOptions) error) *cobra.Command {
	opt := &dumpOptions{streams: s}
	c := &cobra.Command{
		Use:               "dump [-d|-json] FILE",
		ValidArgsFunction: command.Takes(command.File, 0, 0),
		Short:             "print a snapshot, as SnapshotFormatter does",
		Long: `Print a snapshot as Apache's SnapshotFormatter (zkSnapShotToolkit.sh) does,
with siblings in file order. The file may be compressed (.gz, .snappy).
If the file is damaged, everything before the fault is printed, the fault is
reported on stderr, and the exit code is 1. A wrong checksum is a fault, too.`,
		Example: `  zkctl snapshot dump version-2/snapshot.71
  zkctl snapshot dump -d version-2/snapshot.71
  zkctl snapshot dump -json version-2/snapshot.71 | ncdu -f-
  zkctl snapshot dump --tree --depth 2 version-2/snapshot.71
  zkctl snapshot dump -o json --path /config version-2/snapshot.71`,
		Args: argCount(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			opt.file = args[0]
			return run(c.Context(), opt)
		},
	}
	opt.form.addFlags(c)
	return c
}

func runDump(_ context.Context, opt *dumpOptions) error {
	return opt.form.print(opt.streams, &fileImage{path: opt.file})
}

// print prints the image. It returns a fault after printing everything before it.
func (f *formOptions) print(s *ui.Streams, im image) error {
	part, err := f.check()
	if err != nil {
		return err
	}
	switch {
	case f.tree:
		return f.printTree(s, im, part)
	case f.ncdu:
		return printNcdu(s, im, part)
	case f.format != "" && f.format != string(ui.Text):
		form := &objectForm{Batches: ui.NewBatches(s.Out, nil), data: f.dataForm(), acl: im.acl}
		return form.CloseAfter(part.each(im, form.add))
	}
	return f.printText(s, im, part)
}

// printText walks the image twice, because the number of znodes comes first. If the image allows
// it, both walks run side by side.
func (f *formOptions) printText(s *ui.Streams, im image, part scope) error {
	c := census{ephemerals: map[int64]int{}}
	counted := make(chan struct{})
	header := func() []byte {
		<-counted
		if c.znodes == 0 {
			return nil
		}
		return textHeader(c.znodes, part.all())
	}
	if twin := im.twin(); twin != nil {
		go func() {
			defer close(counted)
			c.take(twin, part)
		}()
	} else {
		c.take(im, part)
		close(counted)
	}
	form := &textForm{Batches: ui.NewBatches(s.Out, header), tty: s.OutTTY, data: f.dataForm()}
	err := part.each(im, form.add)
	<-counted
	if part.all() && c.znodes > 0 {
		form.tail(im.sessions(), c.ephemerals, im.zxid(), im.whole())
	}
	return form.CloseAfter(err)
}

// census is what must be known before the first znode is printed.
type census struct {
	znodes     int
	ephemerals map[int64]int // znodes by owner
}

// take counts. It ignores errors, which turn up again when the znodes are printed.
func (c *census) take(im image, part scope) {
	_ = part.each(im, func(n *storage.Node) error {
		c.znodes++
		if owner := n.Stat.EphemeralOwner; owner != 0 {
			c.ephemerals[owner]++
		}
		return nil
	})
}

func printNcdu(s *ui.Streams, im image, part scope) error {
	form := &ncduForm{Batches: ui.NewBatches(s.Out, nil)}
	err := part.each(im, func(n *storage.Node) error {
		if form.ino == 0 {
			form.header(time.Now().UnixMilli())
		}
		return form.add(n)
	})
	if form.ino != 0 {
		form.tail()
	}
	return form.CloseAfter(err)
}

func (f *formOptions) printTree(s *ui.Streams, im image, part scope) error {
	d := &drawing{scope: part}
	whole := part
	whole.depth = -1 // count what is too deep to draw
	err := whole.each(im, d.add)
	p := newPrinter(s.Out)
	d.print(s, p)
	if flushErr := p.flush(); err == nil {
		err = flushErr
	}
	return err
}
