package snapshot

import (
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

// ncduForm is SnapshotFormatter's -json: the format that ncdu reads, with an array for each znode
// that has children. A znode is printed once the next znode, or the end, shows whether it has
// any.
type ncduForm struct {
	*ui.Batches
	ino     int
	pending string   // the object of the znode not yet printed
	name    string   // its path
	has     bool     // whether there is one
	open    []string // the paths whose arrays are open
}

// firstInode is one less than the first number that SnapshotFormatter assigns to a znode.
const firstInode = 1000

func (f *ncduForm) header(ms int64) {
	f.ino = firstInode
	f.Text = append(f.Text, `[1,0,{"progname":"SnapshotFormatter.java","progver":"0.01","timestamp":`...)
	f.Text = strconv.AppendInt(f.Text, ms, 10)
	f.Text = append(f.Text, '}')
}

func (f *ncduForm) add(n *storage.Node) error {
	if f.has {
		if isBelow(n.Path, f.name) {
			f.Text = append(append(f.Text, `,[`...), f.pending...)
			f.open = append(f.open, f.name)
		} else {
			f.Text = append(append(f.Text, ','), f.pending...)
			for len(f.open) > 0 && !isBelow(n.Path, f.open[len(f.open)-1]) {
				f.Text = append(f.Text, ']')
				f.open = f.open[:len(f.open)-1]
			}
		}
	}
	name := "/"
	if n.Path != "" {
		name = shown(n.Path[strings.LastIndexByte(n.Path, '/')+1:])
	}
	f.ino++
	b := escape.AppendJSONString([]byte(`{"name":`), name)
	b = strconv.AppendInt(append(b, `,"asize":`...), int64(len(n.Data)), 10)
	b = strconv.AppendInt(append(b, `,"dsize":`...), int64(len(n.Data)), 10)
	b = strconv.AppendInt(append(b, `,"dev":0,"ino":`...), int64(f.ino), 10)
	f.pending, f.name, f.has = string(append(b, '}')), strings.Clone(n.Path), true
	return f.More()
}

// tail closes every array, so that the output is valid JSON even if the file breaks off.
func (f *ncduForm) tail() {
	if f.has {
		f.Text = append(append(f.Text, ','), f.pending...)
	}
	for range f.open {
		f.Text = append(f.Text, ']')
	}
	f.Text = append(f.Text, ']')
}

func isBelow(path, parent string) bool {
	return len(path) > len(parent) && path[len(parent)] == '/' && path[:len(parent)] == parent
}
