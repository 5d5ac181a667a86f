package export

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/zpath"
)

// The parts of a folder: the list of znodes, which is an export without data, and a tree of files with the data. A znode
// with children is a folder, whose own data is in OwnData; any other is a file.
const (
	List       = "znodes.jsonl"
	Tree       = "tree"
	attributes = ".gitattributes"
)

// IsFolder reports whether a folder is an export.
func IsFolder(name string) bool { return Is(filepath.Join(name, List)) }

// FolderWriter writes an export as a folder. It is built beside the one that is there, and replaces its parts in Commit;
// other files in the folder stay. It is not safe for concurrent use.
type FolderWriter struct {
	path  string
	temp  string   // within path
	root  *os.Root // of the tree
	list  *os.File
	w     *Writer
	above []level
	held  *Record // the last znode: the next says whether it has children
}

// level is a znode that has children.
type level struct {
	path  string // of the znode
	file  string // of the folder, from the root
	names Names
}

// CreateFolder starts an export in a folder, which is created if it does not exist. It may hold an export or nothing that
// the export would replace.
func CreateFolder(path string) (*FolderWriter, error) {
	switch entries, err := os.ReadDir(path); {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.Mkdir(path, 0o700); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case !IsFolder(path) && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == List || e.Name() == Tree }):
		return nil, fmt.Errorf("%s holds %s or %s, but is not an export; name a new folder", path, List, Tree)
	}
	temp, err := os.MkdirTemp(path, ".zkctl-")
	if err != nil {
		return nil, err
	}
	f := &FolderWriter{path: path, temp: temp}
	if err := os.Mkdir(filepath.Join(temp, Tree), 0o700); err != nil {
		f.Abandon()
		return nil, err
	}
	if f.root, err = os.OpenRoot(filepath.Join(temp, Tree)); err == nil {
		f.list, err = os.OpenFile(filepath.Join(temp, List), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	}
	if err != nil {
		f.Abandon()
		return nil, err
	}
	return f, nil
}

// Begin writes the header.
func (f *FolderWriter) Begin(h *Header) (err error) {
	f.w, err = NewWriter(f.list, h)
	return err
}

// Add writes a znode, in the order of a walk.
func (f *FolderWriter) Add(r *Record) error {
	if f.held != nil {
		if err := f.put(f.held, strings.HasPrefix(r.Path, f.held.Path) && (f.held.Path == "/" || r.Path[len(f.held.Path)] == '/')); err != nil {
			return err
		}
	}
	held := *r
	held.Data = slices.Clone(r.Data)
	f.held = &held
	return nil
}

// put writes a znode whose children, if any, come next.
func (f *FolderWriter) put(r *Record, parent bool) error {
	file := "."
	if len(f.above) > 0 { // not the root
		above := zpath.Parent(r.Path)
		for f.above[len(f.above)-1].path != above {
			f.above = f.above[:len(f.above)-1]
		}
		up := &f.above[len(f.above)-1]
		file = filepath.Join(up.file, up.names.File(zpath.Name(r.Path)))
	}
	root := len(f.above) == 0
	if parent || root {
		f.above = append(f.above, level{path: r.Path, file: file})
	}
	if parent && !root {
		if err := f.root.Mkdir(file, 0o700); err != nil {
			return tooDeep(r, err)
		}
	}
	if parent || root {
		file = filepath.Join(file, OwnData)
	}
	if len(r.Data) > 0 || !parent && !root {
		if err := f.root.WriteFile(file, r.Data, 0o600); err != nil {
			return tooDeep(r, err)
		}
	}
	line := *r
	line.Bare, line.Data = r.Data != nil, nil
	return f.w.Add(&line)
}

func tooDeep(r *Record, err error) error {
	return fmt.Errorf("write the file of znode %q: %w", r.Path, err)
}

// Commit ends the export and puts it in place.
func (f *FolderWriter) Commit() error {
	if f.held != nil {
		if err := f.put(f.held, false); err != nil {
			return err
		}
	}
	if _, err := f.w.Close(); err != nil {
		return err
	}
	if err := errors.Join(f.list.Sync(), f.list.Close(), f.root.Close()); err != nil {
		return err
	}
	defer os.RemoveAll(f.temp)
	// Of a folder under version control, data may look like text, but are not.
	if name := filepath.Join(f.path, attributes); !exists(name) {
		if err := os.WriteFile(name, []byte(Tree+"/** -text\n"+List+" text eol=lf\n"), 0o600); err != nil {
			return err
		}
	}
	old := filepath.Join(f.temp, "old")
	tree, list := filepath.Join(f.path, Tree), filepath.Join(f.path, List)
	if exists(tree) {
		if err := os.Rename(tree, old); err != nil {
			return err
		}
	}
	if err := os.Rename(filepath.Join(f.temp, Tree), tree); err != nil {
		_ = os.Rename(old, tree) // what was there before
		return err
	}
	return os.Rename(filepath.Join(f.temp, List), list)
}

// Abandon leaves what was there before. After Commit it does nothing.
func (f *FolderWriter) Abandon() {
	if f.root != nil {
		_ = f.root.Close()
	}
	if f.list != nil {
		_ = f.list.Close()
	}
	_ = os.RemoveAll(f.temp)
	_ = os.Remove(f.path) // only if it is empty
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
