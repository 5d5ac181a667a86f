package snapshot

import (
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

// structure checks the znodes of a file one by one. It keeps the path to the current znode, and a
// hash of each znode.
type structure struct {
	im       *fileImage
	zxid     int64 // of the file; -1 if its name has none
	tell     func(*storage.Fault)
	sessions map[int64]bool
	stack    []ancestor
	seed     maphash.Seed
	hashes   []uint64
	last     int64 // the highest zxid of any znode
	strays   int   // number of znodes that do not follow their parents
}

type ancestor struct {
	path      string
	ephemeral bool
}

func newStructure(im *fileImage, zxid int64, tell func(*storage.Fault)) *structure {
	return &structure{im: im, zxid: zxid, tell: tell, seed: maphash.MakeSeed()}
}

func (s *structure) check(n *storage.Node) {
	if s.sessions == nil {
		s.sessions = map[int64]bool{}
		for _, open := range s.im.sessions() {
			s.sessions[open.ID] = true
		}
	}
	s.last = max(s.last, n.Stat.Mzxid, n.Stat.Pzxid, n.Stat.Czxid)
	s.hashes = append(s.hashes, maphash.String(s.seed, n.Path))
	fault := func(meaning, format string, args ...any) {
		s.tell(structureFault(s.im.path, n, meaning, format, args...))
	}
	if n.Path != "" {
		if err := client.ValidatePath(n.Path); err != nil {
			fault("clients cannot reach it", "%v", err)
		}
	}
	if _, ok := s.im.acl(n.ACL); !ok {
		fault("a server lets nobody use the znode", "the ACL of %s, number %d, is not in the file", escape.Line(shown(n.Path)), n.ACL)
	}
	// A session may have started, and created znodes, after the sessions were written.
	owner := n.Stat.EphemeralOwner
	ephemeral := proto.EphemeralTypeOf(owner) == proto.EphemeralNormal
	if ephemeral && !s.sessions[owner] && n.Stat.Czxid <= s.zxid {
		fault("a server deletes it when it starts", "session 0x%x of ephemeral znode %s is not in the file",
			uint64(owner), escape.Line(shown(n.Path)))
	}
	for len(s.stack) > 0 && !isBelow(n.Path, s.stack[len(s.stack)-1].path) {
		s.stack = s.stack[:len(s.stack)-1]
	}
	switch {
	case len(s.stack) != strings.Count(n.Path, "/"):
		s.strays++
	case len(s.stack) > 0 && s.stack[len(s.stack)-1].ephemeral:
		fault("ephemerals cannot have children; it is lost when its parent is removed", "the parent of %s is ephemeral", escape.Line(shown(n.Path)))
	}
	s.stack = append(s.stack, ancestor{n.Path, ephemeral})
}

// finish looks, if there is reason to, for znodes that occur twice or lack a parent. That takes
// another pass and all paths in memory. A server writes parents right before their children, but
// accepts files in which parents come any time before them.
func (s *structure) finish(file string) {
	slices.Sort(s.hashes)
	twice := false
	for i := 1; i < len(s.hashes); i++ {
		twice = twice || s.hashes[i] == s.hashes[i-1]
	}
	if !twice && s.strays == 0 {
		return
	}
	seen := map[string]bool{}
	_ = (&fileImage{path: file}).each(func(n *storage.Node) error {
		if seen[n.Path] {
			s.tell(structureFault(file, n, "a server keeps the later one", "%s occurs twice", escape.Line(shown(n.Path))))
		}
		seen[n.Path] = true
		if i := strings.LastIndexByte(n.Path, '/'); i >= 0 && !seen[n.Path[:i]] {
			s.tell(structureFault(file, n, storage.PassedOver,
				"%s comes before its parent or has none", escape.Line(shown(n.Path))))
		}
		return nil
	})
	if !seen[""] {
		s.tell(&storage.Fault{File: file, Kind: storage.BadStructure, Err: errors.New("the root is missing"),
			Meaning: storage.PassedOver})
	}
}

func structureFault(file string, n *storage.Node, meaning, format string, args ...any) *storage.Fault {
	return &storage.Fault{File: file, Offset: n.Offset, Kind: storage.BadStructure, Zxid: n.Stat.Czxid,
		Err: fmt.Errorf(format, args...), Meaning: meaning}
}
