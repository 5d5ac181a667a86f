package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/zpath"
)

var (
	treeLevels = command.NewValue("L", "N", command.Number, "draw only N levels below the location", positive("-L"))
	treeKids   = command.NewValue("max-children", "N", command.Number, "draw only the first N children of each znode", positive("--max-children"))
)

var treeCommand = &command.Command{
	Name: "tree", Group: command.Reading, Usage: "[-L N] [--max-children N] [location]",
	Short:   "show the znodes of a tree as a drawing",
	Long:    "Draws a tree, siblings in the order of the bytes of their names. " + locationForms,
	Options: command.Options{treeLevels, treeKids, readRate},
	Args:    []command.Arg{locationArg},
	Examples: []command.Example{
		{"tree /app", "the whole tree"},
		{"tree -L 2 --max-children 20 /", "an overview"},
		{"tree file:snapshot.71:/app", "of a snapshot"},
	},
	Run: runTree,
}

// branch is a znode above the one that is drawn.
type branch struct {
	path   string
	indent string // of its children
	kids   int    // that it has
	seen   int    // of those
}

// drawing draws a tree that is passed to it in the order of a walk.
type drawing struct {
	out    *lines
	most   int // children of each; 0 means all
	stack  []branch
	hidden string // what is below it is not drawn
	count  int
}

func (d *drawing) add(z *source.Znode) error {
	if d.hidden != "" && zpath.IsBelow(z.Path, d.hidden) {
		return nil
	}
	d.hidden = ""
	for len(d.stack) > 0 && !zpath.IsBelow(z.Path, d.stack[len(d.stack)-1].path) {
		if err := d.pop(); err != nil {
			return err
		}
	}
	level := len(d.stack)
	name, indent := z.Path, ""
	rule := ""
	if level > 0 {
		up := &d.stack[level-1]
		if up.seen++; d.most > 0 && up.seen > d.most {
			d.hidden = z.Path
			return nil
		}
		name = zpath.Name(z.Path)
		rule, indent = up.indent+"├── ", up.indent+"│   "
		if up.seen >= up.kids { // of which there may be more by now
			rule, indent = up.indent+"└── ", up.indent+"    "
		}
	}
	d.count++
	d.stack = append(d.stack, branch{path: z.Path, indent: indent, kids: int(z.Stat.NumChildren)})
	if d.out.json {
		return d.out.object(struct {
			pathJSON
			Level    int   `json:"level"`
			Children int32 `json:"numChildren"`
		}{jsonPath(z.Path), level, z.Stat.NumChildren})
	}
	_, _ = d.out.WriteString(rule)
	return d.out.name(name, '\n')
}

func (d *drawing) pop() error {
	last := d.stack[len(d.stack)-1]
	d.stack = d.stack[:len(d.stack)-1]
	if more := max(last.seen, last.kids) - d.most; d.most > 0 && more > 0 && last.seen > 0 && !d.out.json {
		fmt.Fprintf(d.out, "%s└── … %s more", last.indent, command.Thousands(more))
		return d.out.end('\n')
	}
	return nil
}

func runTree(ctx context.Context, env *command.Env, in *command.Invocation) error {
	opt := source.Options{Stat: true}
	d := &drawing{out: newLines(env)}
	if err := errors.Join(value(in, treeLevels, 0, &opt.Levels), value(in, treeKids, 0, &d.most), value(in, readRate, 0, &opt.Rate)); err != nil {
		return err
	}
	opt.Most = d.most
	src, err := env.Open(in, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	missing, err := walkLocation(ctx, env, src, opt, d.add)
	for len(d.stack) > 0 {
		_ = d.pop() // Flush returns the error
	}
	if err == nil && !d.out.json {
		fmt.Fprintf(d.out, "\n%s\n", command.Counted(d.count, "znode"))
	}
	if flushed := d.out.Flush(); flushed != nil {
		return flushed
	}
	return walked(ctx, missing, err, command.Counted(d.count, "znode")+" drawn")
}
