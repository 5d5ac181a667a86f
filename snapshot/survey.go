package snapshot

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/survey"
)

// Limits of what a survey keeps of a tree.
const (
	surveyLevels  = 4  // below the root
	surveyBreadth = 40 // children of one znode, by bytes and by znodes
	surveyLargest = 20
)

// Survey measures a tree. path is a snapshot, of which one znode after another is read, or a data directory, whose newest
// state is rebuilt in memory; what is wrong with files that do not prevent that is in the result's Faults.
func Survey(ctx context.Context, path string, dir bool) (*survey.Tree, error) {
	t := &survey.Tree{Source: path}
	var im image = &fileImage{path: path}
	if dir {
		d, err := storage.ReadDir(path)
		if err != nil {
			return nil, err
		}
		tree, faults, err := d.Load(ctx, storage.LoadOptions{})
		if err != nil {
			return nil, err
		}
		for _, f := range faults {
			t.Faults = append(t.Faults, f)
		}
		im = &treeImage{title: path, tree: tree}
	}
	m := &measure{ctx: ctx, tree: t, largest: &ranking{n: surveyLargest, weight: func(h heavy) int64 { return h.Bytes }}}
	err := climb(&observed{im, m.see}, scope{depth: -1}, m.leave)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && t.Root.Znodes == 0:
		return nil, err
	case err != nil:
		t.Faults = append(t.Faults, err)
	}
	t.Zxid, t.Sessions = im.zxid(), int64(len(im.sessions()))
	for _, h := range m.largest.list {
		t.Largest = append(t.Largest, survey.Branch{Path: h.Path, Znodes: 1, Bytes: h.Bytes, Own: h.Bytes})
	}
	return t, nil
}

// observed passes each znode to see before it is visited.
type observed struct {
	image
	see func(*storage.Node) error
}

func (o *observed) each(visit func(*storage.Node) error) error {
	return o.image.each(func(n *storage.Node) error {
		if err := o.see(n); err != nil {
			return err
		}
		return visit(n)
	})
}

// measure collects the branches of a tree from the leaves up.
type measure struct {
	ctx     context.Context
	tree    *survey.Tree
	n       int
	largest *ranking
	below   [surveyLevels + 2]siblings // by level: those whose parent is not complete
}

// siblings are children of one znode.
type siblings struct {
	kept  []survey.Branch
	n     int64
	bytes int64
}

func (m *measure) see(n *storage.Node) error {
	if m.n++; m.n&0xfff == 0 && m.ctx.Err() != nil {
		return m.ctx.Err()
	}
	if proto.EphemeralTypeOf(n.Stat.EphemeralOwner) == proto.EphemeralNormal {
		m.tree.Ephemerals++
	}
	if size := int64(len(n.Data)); len(m.largest.list) < m.largest.n || size > m.largest.list[m.largest.n-1].Bytes {
		m.largest.add(heavy{Path: strings.Clone(shown(n.Path)), Bytes: size, Znodes: 1})
	}
	return nil
}

// leave takes a znode of which everything below is counted.
func (m *measure) leave(s *subtree, level int, _ *subtree) {
	b := survey.Branch{Znodes: s.nodes, Bytes: s.bytes}
	if level <= surveyLevels {
		kids := &m.below[level+1]
		b.Path, b.Own, b.Children = strings.Clone(shown(s.path)), s.bytes-kids.bytes, kids.n
		prune(&kids.kept)
		b.Below = kids.kept
		*kids = siblings{}
	}
	if level == 0 {
		m.tree.Root = b
		return
	}
	if level > surveyLevels+1 {
		return
	}
	list := &m.below[level]
	list.n++
	list.bytes += s.bytes
	if level > surveyLevels {
		return // its parent is only counted
	}
	if list.kept = append(list.kept, b); len(list.kept) > 8*surveyBreadth {
		prune(&list.kept)
	}
}

// prune keeps the largest branches, by bytes and by znodes, those with the most bytes first.
func prune(list *[]survey.Branch) {
	byBytes := func(a, b survey.Branch) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Znodes, a.Znodes), compareTree(a.Path, b.Path))
	}
	byZnodes := func(a, b survey.Branch) int {
		return cmp.Or(cmp.Compare(b.Znodes, a.Znodes), byBytes(a, b))
	}
	if len(*list) > surveyBreadth {
		slices.SortFunc(*list, byZnodes)
		most := slices.Clone((*list)[:surveyBreadth])
		slices.SortFunc(*list, byBytes)
		for _, b := range (*list)[:surveyBreadth] {
			if !slices.ContainsFunc(most, func(other survey.Branch) bool { return other.Path == b.Path }) {
				most = append(most, b)
			}
		}
		*list = most
	}
	slices.SortFunc(*list, byBytes)
}
