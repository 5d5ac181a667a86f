package snapshot

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

type summaryOptions struct {
	streams *ui.Streams
	file    string
	path    string
	depth   int
	top     int
	format  string
}

func newSummaryCommand(s *ui.Streams, run func(context.Context, *summaryOptions) error) *cobra.Command {
	opt := &summaryOptions{streams: s, path: "/"}
	c := &cobra.Command{
		Use:               "summary FILE [PATH [DEPTH]]",
		ValidArgsFunction: command.Takes(command.File, 0, 0),
		Short:             "count znodes and bytes, as SnapshotRecursiveSummary does",
		Long: `For the znode at PATH (default /) and each znode with children down to DEPTH
levels below it (default 0: all levels), print how many znodes are below it, and
how many bytes of data they and it have, as Apache's SnapshotRecursiveSummary
(zkSnapshotRecursiveSummaryToolkit.sh) does.

With --top N, list the N largest subtrees below PATH instead, by bytes and by
number of znodes.`,
		Example: `  zkctl snapshot summary version-2/snapshot.71 / 1
  zkctl snapshot summary --top 10 version-2/snapshot.71`,
		Args: argCount(1, 3),
		RunE: func(c *cobra.Command, args []string) error {
			opt.file = args[0]
			if len(args) > 1 {
				opt.path = args[1]
			}
			if len(args) > 2 {
				depth, err := strconv.Atoi(args[2])
				if err != nil || depth < 0 {
					return usageError(fmt.Errorf("invalid DEPTH %q; use a number, 0 or more", args[2]))
				}
				opt.depth = depth
			}
			if c.Flags().Changed("top") && opt.top < 1 {
				return usageError(errors.New("--top must be at least 1"))
			}
			return run(c.Context(), opt)
		},
	}
	c.Flags().IntVar(&opt.top, "top", 0, "list the `N` largest subtrees, by bytes and by znodes")
	formatFlag(c, &opt.format, "one object per znode with children")
	return c
}

// subtree is a znode whose descendants are being counted.
type subtree struct {
	path  string
	nodes int64 // it and those below it
	bytes int64 // of their data
	below []byte
}

// climb walks the part of the file and calls leave with each znode once everything below it is
// counted (children before parents), with its level and its parent's frame, which is nil for the
// first.
func climb(im image, part scope, leave func(s *subtree, level int, parent *subtree)) error {
	var stack []subtree
	pop := func() {
		level := len(stack) - 1
		s := stack[level]
		stack = stack[:level]
		var parent *subtree
		if level > 0 {
			parent = &stack[level-1]
			parent.nodes += s.nodes
			parent.bytes += s.bytes
		}
		leave(&s, level, parent)
	}
	err := part.each(im, func(n *storage.Node) error {
		for len(stack) > 0 && !isBelow(n.Path, stack[len(stack)-1].path) {
			pop()
		}
		if len(stack) != strings.Count(n.Path[len(part.path):], "/") {
			return outOfOrder(im.name(), n)
		}
		stack = append(stack, subtree{path: n.Path, nodes: 1, bytes: int64(len(n.Data))})
		return nil
	})
	for len(stack) > 0 {
		pop()
	}
	return err
}

func runSummary(_ context.Context, opt *summaryOptions) error {
	format, err := parseFormat(opt.format)
	if err != nil {
		return err
	}
	part, err := newScope(opt.path, -1)
	if err != nil {
		return err
	}
	im := &fileImage{path: opt.file}
	if opt.top > 0 {
		return printTop(opt, im, part, format)
	}
	var answer []byte
	walk := climb(im, part, func(s *subtree, level int, parent *subtree) {
		text := s.below
		if s.nodes > 1 && (opt.depth == 0 || level <= opt.depth) {
			if format == ui.JSON {
				text = append(summaryObject(s), text...)
			} else {
				text = append(summaryBlock(opt.streams, s, level), text...)
			}
		}
		if parent != nil {
			parent.below = append(parent.below, text...)
		} else {
			answer = text
		}
	})
	if answer == nil && walk != nil {
		return walk
	}
	if format != ui.JSON {
		answer = append(answer, '\n') // ends the text, which is itself lines
	}
	if _, err := opt.streams.Out.Write(answer); err != nil {
		return err
	}
	return walk
}

func summaryBlock(streams *ui.Streams, s *subtree, level int) []byte {
	tab := strings.Repeat("--", level)
	return fmt.Appendf(nil, "%s %s\n%s   children: %d\n%s   data: %d\n", tab, streams.Name(shown(s.path)), tab, s.nodes-1, tab, s.bytes)
}

func summaryObject(s *subtree) []byte {
	b := escape.AppendJSONString([]byte(`{"path":`), shown(s.path))
	b = strconv.AppendInt(append(b, `,"children":`...), s.nodes-1, 10)
	b = strconv.AppendInt(append(b, `,"data":`...), s.bytes, 10)
	return append(b, "}\n"...)
}
