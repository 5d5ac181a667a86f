package snapshot

import (
	"fmt"
	"strings"

	"github.com/fatih/color"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

// branch is a znode of a drawn tree. Znodes below the last drawn level are only counted.
type branch struct {
	path     string
	kind     string
	size     int64 // bytes of data
	below    int   // znodes below it
	bytes    int64 // bytes of their data
	children []*branch
}

// drawing is a tree drawn with sizes. It uses memory only for the znodes that are drawn.
type drawing struct {
	scope scope
	top   *branch
	stack []*branch // from the top to the last drawn znode
}

func (d *drawing) add(n *storage.Node) error {
	for len(d.stack) > 0 && !isBelow(n.Path, d.stack[len(d.stack)-1].path) {
		d.stack = d.stack[:len(d.stack)-1]
	}
	size := int64(len(n.Data))
	for _, b := range d.stack {
		b.below++
		b.bytes += size
	}
	depth := strings.Count(n.Path[len(d.scope.path):], "/")
	if d.scope.depth >= 0 && depth > d.scope.depth {
		return nil
	}
	b := &branch{path: strings.Clone(n.Path), kind: kindOf(n.Stat.EphemeralOwner), size: size}
	if len(d.stack) > 0 {
		parent := d.stack[len(d.stack)-1]
		parent.children = append(parent.children, b)
	} else {
		d.top = b
	}
	d.stack = append(d.stack, b)
	return nil
}

func (d *drawing) print(s *ui.Streams, p *printer) {
	if d.top == nil {
		return
	}
	p.printf("%s%s\n", s.Paint(escape.Line(shown(d.top.path)), color.FgBlue), d.top.describe())
	d.top.printBelow(s, p, "")
}

func (b *branch) printBelow(s *ui.Streams, p *printer, indent string) {
	for i, c := range b.children {
		joint, next := "├── ", "│   "
		if i == len(b.children)-1 {
			joint, next = "└── ", "    "
		}
		name := escape.Line(shown(c.path[strings.LastIndexByte(c.path, '/')+1:]))
		if c.below > 0 {
			name = s.Paint(name, color.FgBlue)
		}
		p.printf("%s%s%s%s\n", indent, joint, name, c.describe())
		c.printBelow(s, p, indent+next)
	}
}

func (b *branch) describe() string {
	text := "  " + ui.Bytes(b.size)
	if b.kind != persistent {
		text += "  " + b.kind
	}
	if b.below > 0 {
		text += fmt.Sprintf("  (below: %s, %s)", znodes(b.below), ui.Bytes(b.bytes))
	}
	return text
}

func znodes(n int) string {
	if n == 1 {
		return "1 znode"
	}
	return fmt.Sprintf("%d znodes", n)
}

const persistent = "persistent"

// kindOf returns the kind of znode that has this owner.
func kindOf(owner int64) string {
	switch proto.EphemeralTypeOf(owner) {
	case proto.EphemeralContainer:
		return "container"
	case proto.EphemeralTTL:
		return fmt.Sprintf("ttl %d ms", proto.TTLOf(owner))
	case proto.EphemeralNormal:
		return fmt.Sprintf("ephemeral of 0x%x", uint64(owner))
	}
	return persistent
}

func percent(v float64) string { return fmt.Sprintf("%.1f %%", v) }
