package commands

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zpath"
)

var (
	duDepth    = command.NewValue("d", "N", command.Number, "print only to N levels below the location", notNegative("-d"))
	duTotal    = command.NewFlag("s", "print only the total")
	duChildren = command.NewFlag("children", "count znodes instead of bytes")
	duTop      = command.NewValue("top", "N", command.Number, "print only the N largest, the largest first", positive("--top"))
)

var duCommand = &command.Command{
	Name: "du", Group: command.Reading, Usage: "[-d N] [-s] [--children] [--top N] [location]",
	Short: "add up the data of a tree and of each part of it",
	Long: "Prints the bytes of data of each znode that has children, together with everything below it; children come before " +
		"their parents. With --top, any znode counts. Names and metadata, for which a server also needs memory, are left out. " + locationForms,
	Options: command.Options{duDepth, duTotal, duChildren, duTop, readRate},
	Args:    []command.Arg{locationArg},
	Examples: []command.Example{
		{"du -d 1 /", "the parts of the whole tree"},
		{"du --top 10 /app", "the largest"},
		{"du --children -d 2 file:version-2", "by the number of znodes, in a data directory"},
	},
	Run: runDu,
}

// usage is a znode with everything below it.
type usage struct {
	path          string
	bytes, znodes int64
	level         int
	parent        bool // it has children
}

// adder adds up a tree that is passed to it in the order of a walk.
type adder struct {
	stack []usage
	done  func(u usage) error // gets each znode after those below it
}

func (a *adder) add(z *source.Znode) error {
	for len(a.stack) > 0 && !zpath.IsBelow(z.Path, a.stack[len(a.stack)-1].path) {
		if err := a.pop(); err != nil {
			return err
		}
	}
	a.stack = append(a.stack, usage{path: z.Path, bytes: int64(z.Stat.DataLength), znodes: 1, level: len(a.stack)})
	return nil
}

func (a *adder) pop() error {
	last := len(a.stack) - 1
	u := a.stack[last]
	a.stack = a.stack[:last]
	if last > 0 {
		up := &a.stack[last-1]
		up.bytes, up.znodes, up.parent = up.bytes+u.bytes, up.znodes+u.znodes, true
	}
	return a.done(u)
}

func (a *adder) end() error {
	for len(a.stack) > 0 {
		if err := a.pop(); err != nil {
			return err
		}
	}
	return nil
}

func runDu(ctx context.Context, env *command.Env, in *command.Invocation) error {
	opt := source.Options{Stat: true}
	var depth, most int
	if err := errors.Join(value(in, duDepth, -1, &depth), value(in, duTop, 0, &most), value(in, readRate, 0, &opt.Rate)); err != nil {
		return err
	}
	if duTotal.On(in) {
		depth = 0
	}
	src, err := env.Open(in, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	out := newLines(env)
	print := func(u usage) error {
		if out.json {
			return out.object(struct {
				pathJSON
				Bytes  int64 `json:"bytes"`
				Znodes int64 `json:"znodes"`
			}{jsonPath(u.path), u.bytes, u.znodes})
		}
		size := fmt.Sprint(u.bytes)
		switch {
		case duChildren.On(in):
			size = fmt.Sprint(u.znodes)
		case env.Streams.OutTTY:
			size = fmt.Sprintf("%9s", ui.Bytes(u.bytes))
		}
		fmt.Fprintf(out, "%s\t%s", size, env.Streams.Name(u.path))
		return out.end('\n')
	}
	top := largest[usage]{most: most, size: func(u usage) int64 { return u.bytes }}
	if duChildren.On(in) {
		top.size = func(u usage) int64 { return u.znodes }
	}
	sum := adder{done: func(u usage) error {
		switch {
		case depth >= 0 && u.level > depth:
			return nil
		case most > 0:
			top.add(u)
			return nil
		case u.parent || u.level == 0:
			return print(u)
		}
		return nil
	}}
	missing, err := walkLocation(ctx, env, src, opt, sum.add)
	if err == nil {
		err = sum.end()
	}
	for _, u := range top.sorted() {
		_ = print(u) // Flush returns the error
	}
	if flushed := out.Flush(); flushed != nil {
		return flushed
	}
	return walked(ctx, missing, err, "the sums so far are those of complete parts")
}

// largest keeps the largest of many values; of equal ones, the first.
type largest[T any] struct {
	most int
	size func(T) int64
	list []T
	seqs []int
	next int
}

func (l *largest[T]) add(v T) {
	if l.most <= 0 || len(l.list) == l.most && l.size(v) <= l.size(l.list[0]) {
		return
	}
	l.next++
	if len(l.list) == l.most {
		l.list[0], l.seqs[0] = v, l.next
		heap.Fix(l, 0)
		return
	}
	heap.Push(l, v)
}

// sorted returns them, the largest first, and forgets them.
func (l *largest[T]) sorted() []T {
	var list []T
	for len(l.list) > 0 {
		list = append(list, heap.Pop(l).(T))
	}
	slices.Reverse(list)
	return list
}

// Len, Less, Swap, Push and Pop are for package heap.
func (l *largest[T]) Len() int { return len(l.list) }
func (l *largest[T]) Less(i, j int) bool {
	if a, b := l.size(l.list[i]), l.size(l.list[j]); a != b {
		return a < b
	}
	return l.seqs[i] > l.seqs[j]
}
func (l *largest[T]) Swap(i, j int) {
	l.list[i], l.list[j] = l.list[j], l.list[i]
	l.seqs[i], l.seqs[j] = l.seqs[j], l.seqs[i]
}
func (l *largest[T]) Push(v any) { l.list, l.seqs = append(l.list, v.(T)), append(l.seqs, l.next) }
func (l *largest[T]) Pop() any {
	last := len(l.list) - 1
	v := l.list[last]
	l.list, l.seqs = l.list[:last], l.seqs[:last]
	return v
}
