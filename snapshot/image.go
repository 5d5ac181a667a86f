package snapshot

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ztree"
)

// image is a tree to print. Each walk starts at the beginning.
type image interface {
	// each passes every znode to visit, parents before children. A znode is valid only during the
	// call. To end the walk, visit returns errEnough. A *storage.Fault ends it too.
	each(visit func(*storage.Node) error) error

	// sessions and acl are valid after each has begun.
	sessions() []storage.Session
	acl(key int64) ([]proto.ACL, bool)

	// whole reports, after a walk, whether every znode was visited; if so, a fault comes after
	// the last znode.
	whole() bool

	// twin returns the same image for a second walk beside this one, or nil.
	twin() image

	// name is for messages; zxid is the tree's zxid, or -1.
	name() string
	zxid() int64
}

// errEnough ends a walk.
var errEnough = errors.New("enough")

// fileImage is a snapshot that each walk reads anew, so that memory does not grow with it.
type fileImage struct {
	path  string
	plain bool                    // omit the zxid from the report of a fault
	head  *storage.SnapshotReader // of the last walk, for what precedes and follows the znodes
	all   bool                    // whether the last walk reached the last znode
}

func (f *fileImage) each(visit func(*storage.Node) error) error {
	r, err := openFile(f.path)
	if err != nil {
		return err
	}
	defer r.Close()
	f.head, f.all = r, false
	after := int64(0) // the byte after the last znode
	last := int64(0)  // the highest zxid of any znode
	for {
		n, err := r.Next()
		if err == nil {
			after = n.Offset + nodeSize(n)
			last = max(last, n.Stat.Mzxid, n.Stat.Pzxid)
			err = visit(n)
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			f.all = true
			return nil
		case errors.Is(err, errEnough):
			return nil
		default:
			var fault *storage.Fault
			if errors.As(err, &fault) && fault.Kind != storage.BadStructure {
				f.all = fault.Offset > after
				if fault.Zxid == 0 && last > 0 {
					fault.Zxid = last
				}
				if fault.Zxid != 0 && !f.plain {
					fault.Err = fmt.Errorf("%w (zxid %s)", fault.Err, proto.Hex(fault.Zxid))
				}
			}
			return err
		}
	}
}

// nodeSize is the number of bytes that a znode occupies in a snapshot.
func nodeSize(n *storage.Node) int64 {
	return int64(4 + len(n.Path) + 4 + len(n.Data) + 8 + proto.StatPersistedSize)
}

func (f *fileImage) whole() bool { return f.all }
func (f *fileImage) twin() image { return &fileImage{path: f.path} }

func (f *fileImage) name() string { return f.path }

func (f *fileImage) sessions() []storage.Session {
	if f.head == nil {
		return nil
	}
	return f.head.Sessions()
}

func (f *fileImage) acl(key int64) ([]proto.ACL, bool) { return findACL(f.head.ACLs(), key) }

func (f *fileImage) zxid() int64 { return zxidOfFile(f.path) }

// openUnsafe is the key that stands for world:anyone with all permissions although it is not in
// the table (ReferenceCountedACLCache).
const openUnsafe = -1

func findACL(table map[int64][]proto.ACL, key int64) ([]proto.ACL, bool) {
	if list, ok := table[key]; ok {
		return list, true
	}
	if key == openUnsafe {
		return proto.OpenACL, true
	}
	return nil, false
}

// zxidOfFile is the zxid in a snapshot's name, or -1.
func zxidOfFile(path string) int64 {
	if kind, zxid, ok := storage.ZxidOfName(filepath.Base(path)); ok && kind == "snapshot" {
		return zxid
	}
	return -1
}

// treeImage is a tree in memory.
type treeImage struct {
	title string
	tree  *ztree.Tree
}

func (t *treeImage) each(visit func(*storage.Node) error) error {
	var n storage.Node
	for path, z := range t.tree.All() {
		if path == "/" {
			path = ""
		}
		n = storage.Node{Path: path, Data: z.Data(), ACL: z.ACL, Stat: z.Stat()}
		if err := visit(&n); err != nil {
			if errors.Is(err, errEnough) {
				return nil
			}
			return err
		}
	}
	return nil
}

func (t *treeImage) whole() bool  { return true }
func (t *treeImage) twin() image  { return nil }
func (t *treeImage) name() string { return t.title }

func (t *treeImage) sessions() []storage.Session {
	var list []storage.Session
	for id, timeout := range t.tree.Sessions() {
		list = append(list, storage.Session{ID: id, Timeout: timeout})
	}
	slices.SortFunc(list, func(a, b storage.Session) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return list
}

func (t *treeImage) acl(key int64) ([]proto.ACL, bool) {
	list := t.tree.ACL(key)
	return list, list != nil
}

func (t *treeImage) zxid() int64 { return t.tree.LastZxid() }

// scope is the requested part of a tree.
type scope struct {
	path  string // "" means all; otherwise a path without a trailing slash
	depth int    // levels below path; negative for all
}

func newScope(path string, depth int) (scope, error) {
	if path != "" && path[0] != '/' {
		return scope{}, usageError(fmt.Errorf("invalid znode path %q; it must start with /", path))
	}
	return scope{path: strings.TrimRight(path, "/"), depth: depth}, nil
}

func (s scope) all() bool { return s.path == "" && s.depth < 0 }

// within reports whether path is in the subtree, and how many levels below its root.
func (s scope) within(path string) (level int, ok bool) {
	rest, ok := strings.CutPrefix(path, s.path)
	if !ok || rest != "" && rest[0] != '/' {
		return 0, false
	}
	if s.depth >= 0 {
		level = strings.Count(rest, "/")
		return level, level <= s.depth
	}
	return 0, true
}

// each walks the part of the tree and fails if the path does not exist. It continues to the end
// of the image, so that damage after the part is found.
func (s scope) each(im image, visit func(*storage.Node) error) error {
	if s.all() {
		return im.each(visit)
	}
	found := s.path == ""
	err := im.each(func(n *storage.Node) error {
		if n.Path == s.path {
			found = true
		}
		if _, ok := s.within(n.Path); ok {
			return visit(n)
		}
		return nil
	})
	if err == nil && !found {
		return fmt.Errorf("%s has no znode %q", im.name(), s.path)
	}
	return err
}

// shown is a path as printed: the root is /, and invalid UTF-8 becomes U+FFFD.
func shown(path string) string {
	if path == "" {
		return "/"
	}
	return strings.ToValidUTF8(path, "\uFFFD")
}
