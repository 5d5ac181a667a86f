package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/verb"
)

type dumpOptions struct {
	streams *ui.Streams
	file    string
	form    formOptions
}

// formOptions are the options of dump and of at that say what is printed, and how.
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
	flags.BoolVarP(&f.withData, "with-data", "d", false, "print the data, as base64, not its length")
	flags.BoolVar(&f.ncdu, "json", false, "the format of ncdu: names and sizes, in nested arrays")
	flags.BoolVar(&f.tree, "tree", false, "draw the tree, with sizes")
	formatFlag(c, &f.format, "an object for each znode, with every field")
	flags.StringVar(&f.data, "data", "", "how data is printed: text (base64 where it is not UTF-8), hex, base64, none or length")
	flags.StringVar(&f.path, "path", "", "only the znode at this `path` and those below it")
	flags.IntVar(&f.depth, "depth", -1, "only so many `levels` below the root or the path")
}

// check refuses what cannot be meant, in SnapshotFormatter's words where it does too.
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
		return scope{}, usageError(errors.New("-json is ncdu's format and -o json is an object for each znode; ask for one of them"))
	case f.tree && (f.ncdu || json):
		return scope{}, usageError(errors.New("--tree is drawn as text; leave out -json and -o json"))
	case f.data != "" && !slices.Contains(dataForms, dataForm(f.data)):
		return scope{}, usageError(fmt.Errorf("unknown form of data %q; text, hex, base64, none and length are known", f.data))
	}
	return newScope(f.path, f.depth)
}

// dataForm is the form that was asked for; -d is base64.
func (f *formOptions) dataForm() dataForm {
	if f.data == "" && f.withData {
		return dataBase64
	}
	return dataForm(f.data)
}

func newDumpCommand(s *ui.Streams, run func(context.Context, *dumpOptions) error) *cobra.Command {
	opt := &dumpOptions{streams: s}
	c := &cobra.Command{
		Use:               "dump [-d|-json] FILE",
		ValidArgsFunction: verb.Files(0, 0),
		Short:             "print a snapshot, as SnapshotFormatter does",
		Long: `Print a snapshot as Apache's SnapshotFormatter (zkSnapShotToolkit.sh) does,
siblings in the order of the file. The file may be compressed (.gz, .snappy).
Everything before a fault is printed; the fault then is one sentence on stderr,
and the exit code 1. A wrong checksum is such a fault, too.`,
		Example: `  zkctl snapshot dump version-2/snapshot.71
  zkctl snapshot dump -d version-2/snapshot.71             the data, too
  zkctl snapshot dump -json version-2/snapshot.71 | ncdu -f-
  zkctl snapshot dump --tree --depth 2 version-2/snapshot.71
  zkctl snapshot dump -o json --path /config version-2/snapshot.71`,
		Args: usageArgs(cobra.ExactArgs(1)),
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

// print prints the image. A fault is returned once everything before it is printed.
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
		form := &objectForm{out: newOut(s.Out, nil), data: f.dataForm(), acl: im.acl}
		return form.flushAfter(part.each(im, form.add))
	}
	return f.printText(s, im, part)
}

// printText walks the image twice: the number of znodes precedes them. The two walks go side
// by side where the image allows it.
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
	form := &textForm{out: newOut(s.Out, header), tty: s.OutTTY, data: f.dataForm()}
	err := part.each(im, form.add)
	<-counted
	if part.all() && c.znodes > 0 {
		form.tail(im.sessions(), c.ephemerals, im.zxid(), im.whole())
	}
	return form.flushAfter(err)
}

// census is what must be known before the first znode is printed.
type census struct {
	znodes     int
	ephemerals map[int64]int // znodes by owner
}

// take counts. What goes wrong comes to light when the znodes are printed.
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
	form := &ncduForm{out: newOut(s.Out, nil)}
	err := part.each(im, func(n *storage.Node) error {
		if form.ino == 0 {
			form.header(time.Now().UnixMilli())
		}
		return form.add(n)
	})
	if form.ino != 0 {
		form.tail()
	}
	return form.flushAfter(err)
}

func (f *formOptions) printTree(s *ui.Streams, im image, part scope) error {
	d := &drawing{scope: part}
	whole := part
	whole.depth = -1 // what is too deep to draw is counted
	err := whole.each(im, d.add)
	p := newPrinter(s.Out)
	d.print(s, p)
	if flushErr := p.flush(); err == nil {
		err = flushErr
	}
	return err
}
