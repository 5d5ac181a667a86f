package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zpath"
)

// wideColumns is from how many columns of a terminal on ls -l writes kinds and times in full.
const wideColumns = 80

// longLister is ls -l: a line, or an object, for each znode. The columns have fixed widths, so that nothing is held back.
type longLister struct {
	out    *lines
	narrow bool
	count  int
}

func newLongLister(env *command.Env) *longLister {
	return &longLister{out: newLines(env), narrow: env.Streams.OutTTY && env.Streams.Width < wideColumns}
}

func (l *longLister) head() {
	switch {
	case l.out.json:
	case l.narrow:
		fmt.Fprintf(l.out, "K %8s %6s %11s  NAME\n", "SIZE", "KIDS", "MODIFIED")
	default:
		fmt.Fprintf(l.out, "%-10s %9s %9s  %-20s  NAME\n", "KIND", "SIZE", "CHILDREN", "MODIFIED")
	}
}

// add writes a znode.
func (l *longLister) add(z *client.Walked, name string) error {
	if l.count++; l.count == 1 {
		l.head()
	}
	kind, s := source.KindOf(z.Stat.EphemeralOwner), &z.Stat
	switch {
	case l.out.json:
		return l.out.object(struct {
			pathJSON
			Kind source.Kind `json:"kind"`
			*statJSON
		}{jsonPath(z.Path), kind, jsonStat(z.Stat)})
	case l.narrow:
		fmt.Fprintf(l.out, "%.1s %8d %6d %s  ", kind, s.DataLength, s.NumChildren, time.UnixMilli(s.Mtime).Local().Format("01-02 15:04"))
	default:
		fmt.Fprintf(l.out, "%-10s %9d %9d  %-20s  ", kind, s.DataLength, s.NumChildren, ui.TimeSeconds(s.Mtime/1000))
	}
	return l.out.name(name, '\n')
}

// printLong is ls -l: the children of a znode or, with whole, the znode and everything below it.
func printLong(ctx context.Context, env *command.Env, conn *client.Conn, root string, watch, whole, withStat bool) error {
	if whole {
		if _, err := askToList(ctx, env, conn, root); err != nil {
			return err
		}
	}
	opt := client.WalkOptions{Stat: true, Levels: 1, Watch: watch}
	if whole {
		opt.Levels = 0
	}
	list := newLongLister(env)
	var skipped command.Failures
	var top client.Walked
	err := conn.Walk(ctx, root, opt, func(z *client.Walked) error {
		switch {
		case z.Path == root:
			top = *z
			if z.Err != nil && !whole || errors.Is(z.Err, proto.ErrNoNode) {
				return z.Err
			}
		case errors.Is(z.Err, proto.ErrNoNode): // deleted meanwhile
			return nil
		}
		if z.Err != nil {
			if err := skipped.Add(z.Err); err != nil {
				return err
			}
		}
		switch {
		case whole:
			return list.add(z, z.Path)
		case z.Path != root:
			return list.add(z, zpath.Name(z.Path))
		}
		return nil
	})
	if withStat && err == nil && !list.out.json {
		printStat(list.out, top.Stat)
	}
	if flushed := list.out.Flush(); err == nil {
		err = flushed
	}
	if err != nil {
		if stopped := command.Stopped(ctx, err, command.Counted(list.count, "znode")+" listed"); stopped != nil {
			return stopped
		}
		return err
	}
	return skipped.Skipped(env)
}
