package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/export"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zpath"
)

// folder is znodes in an export that is a folder, which people edit: what is in the tree of files is there, whatever the list
// says; what the list does not know is new, and open to everyone.
type folder struct {
	exported
	dir string
}

func openFolder(l *Location) (walker, error) {
	list := *l
	list.File = filepath.Join(l.File, export.List)
	w, err := openExport(&list)
	if err != nil {
		return nil, err
	}
	l.Path = list.Path
	return &folder{*w.(*exported), l.File}, nil
}

// mostData bounds the data of a znode in a file.
const mostData = client.DefaultMaxPacket

// reading is a walk of a folder.
type reading struct {
	f     *folder
	ctx   context.Context
	opt   *Options
	visit func(*Znode) error
	r     Report
	found bool
	seen  int // znodes, whether in the location or not
	root  *os.Root
	list  *export.Reader
	next  *export.Record // of the list; nil at the end
}

// Walk reads the tree of files beside the list.
func (f *folder) Walk(ctx context.Context, opt Options, visit func(*Znode) error) (r Report, err error) {
	w := &reading{f: f, ctx: ctx, opt: &opt, visit: visit}
	if w.list, err = export.Open(f.name); err != nil {
		return r, err
	}
	defer w.list.Close()
	if w.root, err = openTree(f.dir); err != nil {
		return r, err
	}
	defer w.root.Close()
	opt.moment(Moment{Start: f.head.Start, End: f.head.End, Consistent: f.head.Consistent, Dirty: f.head.Dirty})
	if err := w.advance(); err != nil {
		return r, err
	}
	err = w.znode(f.head.Root, ".", true)
	for err == nil && w.next != nil { // what is left was removed, but may have faults
		err = w.advance()
	}
	if err == nil && !w.found {
		err = none(f.path)
	}
	return w.r, err
}

// openTree opens the tree of files, unless a link leads out of the folder.
func openTree(dir string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	tree, err := root.OpenRoot(export.Tree)
	if err != nil {
		return nil, fmt.Errorf("export %s: %w", dir, err)
	}
	return tree, nil
}

func (w *reading) advance() (err error) {
	if w.next, err = w.list.Next(); errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// fault names a file of the tree in an error.
func (w *reading) fault(file string, err error) error {
	return fmt.Errorf("export %s, file %s: %w", w.f.dir, filepath.Join(export.Tree, file), err)
}

// znode visits a znode, whose file or folder exists, and what is below.
func (w *reading) znode(path, file string, isFolder bool) error {
	z := Znode{Path: path, Known: true, Kind: Persistent, ACL: proto.OpenACL}
	null := false
	if w.next != nil && w.next.Path == path {
		x := w.next
		z.Stat, z.Kind, z.TTL, null = statOf(x), Kind(x.Kind), x.TTL, !x.Bare
		if x.ACL != nil {
			z.ACL = x.ACL
		}
		if err := w.advance(); err != nil {
			return err
		}
	}
	data := file
	if isFolder {
		data = filepath.Join(file, export.OwnData)
	}
	var err error
	z.Data, err = w.data(data)
	if err != nil && !(isFolder && errors.Is(err, fs.ErrNotExist)) {
		return w.fault(data, err)
	}
	if z.Data == nil && !null {
		z.Data = []byte{}
	}
	z.Stat.DataLength = int32(len(z.Data))
	if err := w.see(&z); err != nil || !isFolder {
		return err
	}
	return w.below(path, file)
}

// data reads a file; it is nil if it is empty.
func (w *reading) data(file string) ([]byte, error) {
	info, err := w.root.Lstat(file)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is neither a file nor a folder")
	case info.Size() > mostData:
		return nil, fmt.Errorf("it is longer than %d bytes, the most that a znode can have", mostData)
	case info.Size() == 0:
		return nil, nil
	}
	return w.root.ReadFile(file)
}

func (w *reading) see(z *Znode) error {
	w.seen++
	if err := w.opt.pulse(w.ctx, w.seen, w.r.Read); err != nil {
		return err
	}
	level, ok := within(w.f.path, z.Path)
	if !ok {
		return nil
	}
	w.found = w.found || level == 0
	if !w.opt.covers(level) {
		return nil
	}
	w.r.Read++
	w.opt.found(z.Data)
	if w.opt.Match != nil && !w.opt.Match(z) {
		return nil
	}
	return w.visit(z)
}

// child is a file or folder of a znode.
type child struct {
	name, file string
	folder     bool
}

// below visits the children of a znode.
func (w *reading) below(path, dir string) error {
	d, err := w.root.Open(dir)
	if err != nil {
		return w.fault(dir, err)
	}
	entries, err := d.ReadDir(-1)
	if err = cmp.Or(err, d.Close()); err != nil {
		return w.fault(dir, err)
	}
	var list []child
	short := map[string]child{} // those whose names only the list knows
	for _, e := range entries {
		name, cut, skip, err := export.NameOf(e.Name())
		file := filepath.Join(dir, e.Name())
		switch {
		case err != nil:
			return w.fault(file, err)
		case skip:
		case cut:
			short[e.Name()] = child{file: file, folder: e.IsDir()}
		default:
			if strings.Contains(name, "/") {
				return w.fault(file, errors.New("a name contains no slash"))
			}
			if err := client.ValidatePath(join(path, name)); err != nil {
				return w.fault(file, err)
			}
			list = append(list, child{name, file, e.IsDir()})
		}
	}
	slices.SortFunc(list, func(a, b child) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(list); i++ {
		if list[i].name == list[i-1].name {
			return w.fault(list[i].file, fmt.Errorf("it stands for the same znode as %s", list[i-1].file))
		}
	}
	for {
		at, listed := "", false // the next child in the list
		if w.next != nil {
			if level, ok := within(path, w.next.Path); ok && level == 1 {
				at, listed = zpath.Name(w.next.Path), true
			} else if ok {
				if err := w.advance(); err != nil { // below one that was removed
					return err
				}
				continue
			}
		}
		var next child
		switch {
		case len(list) > 0 && (!listed || list[0].name <= at):
			next, list = list[0], list[1:]
		case !listed:
			for _, left := range short {
				return w.fault(left.file, errors.New("only the list knows the name of this znode, but does not have it; choose a shorter name"))
			}
			return nil
		default:
			file := new(export.Names).File(at)
			one, ok := short[file]
			if !ok { // it was removed
				if err := w.advance(); err != nil {
					return err
				}
				continue
			}
			delete(short, file)
			next = child{at, one.file, one.folder}
		}
		if err := w.znode(join(path, next.name), next.file, next.folder); err != nil {
			return err
		}
	}
}

func join(path, name string) string { return strings.TrimSuffix(path, "/") + "/" + name }
