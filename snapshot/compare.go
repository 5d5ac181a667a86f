package snapshot

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/ui"
)

type compareOptions struct {
	streams     *ui.Streams
	left, right string
	bytes       int32
	nodes       int32
	debug       bool
	interactive bool
}

func newCompareCommand(s *ui.Streams, run func(context.Context, *compareOptions) error) *cobra.Command {
	opt := &compareOptions{streams: s}
	c := &cobra.Command{
		Use:   "compare -l LEFT -r RIGHT -b BYTES -n NODES [-i] [-d]",
		Short: "compare subtree sizes, as SnapshotComparer does",
		Long: `Compare two snapshots as Apache's SnapshotComparer (zkSnapshotComparer.sh)
does: list, level by level, the znodes whose subtrees differ by more than a
number of bytes or znodes. To see what differs in each znode, use snapshot diff.

The times in the output are those of this run: first for reading and decoding a
file, then for sorting its znodes.`,
		Example: `  zkctl snapshot compare -l snapshot.36 -r snapshot.71 -b 2 -n 1
  zkctl snapshot compare -l snapshot.36 -r snapshot.71 -b 0 -n 0 -i`,
		Args: argCount(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			for _, name := range []string{"left", "right", "bytes", "nodes"} {
				if !c.Flags().Changed(name) {
					return usageError(fmt.Errorf("missing option -%s\nusage: %s", c.Flags().Lookup(name).Shorthand, c.UseLine()))
				}
			}
			return run(c.Context(), opt)
		},
	}
	flags := c.Flags()
	flags.StringVarP(&opt.left, "left", "l", "", "left snapshot `file` (required)")
	flags.StringVarP(&opt.right, "right", "r", "", "right snapshot `file` (required)")
	flags.Int32VarP(&opt.bytes, "bytes", "b", 0, "show znodes whose subtrees differ by more than this many `bytes` (required)")
	flags.Int32VarP(&opt.nodes, "nodes", "n", 0, "show znodes whose subtrees differ by more than this many `znodes` (required)")
	flags.BoolVarP(&opt.debug, "debug", "d", false, "show each step and what is filtered out")
	flags.BoolVarP(&opt.interactive, "interactive", "i", false, "ask which level or znode to show")
	return c
}

// comparison is a single run of compare. The sentences on stdout are SnapshotComparer's.
type comparison struct {
	*compareOptions
	left, right *sizes
	p           *printer
}

func runCompare(ctx context.Context, opt *compareOptions) error {
	c := &comparison{compareOptions: opt, p: newPrinter(opt.streams.Out)}
	c.p.printf("Successfully parsed options!\n")
	var rightErr, leftErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.right, rightErr = readSizes(opt.right)
	}()
	c.left, leftErr = readSizes(opt.left)
	<-done
	fault := errors.Join(leftErr, rightErr)
	for _, side := range []*sizes{c.left, c.right} {
		if side == nil {
			_ = c.p.flush()
			return fault
		}
		c.p.printf("Deserialized snapshot in %s in %f seconds\n", side.name(), side.read.Seconds())
		c.p.printf("Processed data tree in %f seconds\n", side.process.Seconds())
	}
	c.describe(c.left)
	c.describe(c.right)
	if opt.interactive {
		if err := c.converse(ctx); err != nil {
			return err
		}
	} else {
		c.threshold()
		for depth := range c.depth() {
			c.level(depth)
		}
		c.p.printf("All layers compared.\n")
	}
	if err := c.p.flush(); err != nil {
		return err
	}
	return fault
}

func (c *comparison) depth() int { return max(len(c.left.levels), len(c.right.levels)) }

func (c *comparison) describe(s *sizes) {
	c.p.printf("Node count: %d\nTotal size: %d\nMax depth: %d\n", s.count, s.bytes, len(s.levels))
	for depth, level := range s.levels {
		c.p.printf("Count of nodes at depth %d: %d\n", depth, len(level))
	}
	c.p.printf("\n")
}

func (c *comparison) threshold() {
	c.p.printf("Printing analysis for nodes difference larger than %d bytes or node count difference larger than %d.\n",
		c.bytes, c.nodes)
}

func (c *comparison) level(depth int) {
	c.p.printf("Analysis for depth %d\n", depth)
	c.lists(c.left.level(depth), c.right.level(depth))
}

// converse asks which level, or whose children, to show, until the last level is shown or the
// input ends.
func (c *comparison) converse(ctx context.Context) error {
	in := bufio.NewReader(c.streams.In)
	current, depths := 0, c.depth()
	for current < depths {
		c.p.printf("Current depth is %d\n", current)
		c.p.printf("- Press enter to move to print current depth layer;\n" +
			"- Type a number to jump to and print all nodes at a given depth;\n" +
			"- Enter an ABSOLUTE path to print the immediate subtree of a node. Path must start with '/'.\n")
		if err := c.p.flush(); err != nil {
			return err
		}
		line, err := in.ReadString('\n')
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && line == "" {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		line = strings.TrimRight(line, "\r\n")
		c.threshold()
		depth, err := strconv.ParseInt(line, 10, 32)
		switch {
		case line == "":
			c.level(current)
			current++
		case line[0] == '/':
			c.p.printf("Analysis for node %s\n", line)
			c.subtree(line)
		case err != nil:
			c.p.printf("Input %s is not valid. Depth must be in range [0, %d]. Path must be an absolute path which starts with '/'.\n",
				line, depths-1)
		case depth < 0 || int(depth) >= depths:
			c.p.printf("Depth must be in range [0, %d]\n", depths-1)
			continue
		default:
			current = int(depth)
			c.level(current)
		}
		c.p.printf("\n")
	}
	c.p.printf("All layers compared.\n")
	return nil
}

func (c *comparison) subtree(path string) {
	left, inLeft := c.left.children(path)
	right, inRight := c.right.children(path)
	if !inLeft && !inRight {
		c.p.printf("Path %s is neither found in left tree nor right tree.\n", path)
		return
	}
	c.lists(left, right)
}

// lists compares two lists sorted in the same order.
func (c *comparison) lists(left, right []sized) {
	for len(left) > 0 || len(right) > 0 {
		order := len(right) - len(left) // if one is empty, take from the other
		if len(left) > 0 && len(right) > 0 {
			order = compareJava(left[0].label, right[0].label)
			if c.debug {
				c.p.printf("Comparing %s to %s\n%s\n", c.label(left[0]), c.label(right[0]), verdict(order))
			}
		}
		switch {
		case order < 0:
			c.one("left", left[0])
			left = left[1:]
		case order > 0:
			c.one("right", right[0])
			right = right[1:]
		default:
			c.both(left[0], right[0])
			left, right = left[1:], right[1:]
		}
	}
}

func (c *comparison) label(n sized) string {
	return c.streams.Name(strings.ToValidUTF8(n.label, "\uFFFD"))
}

func verdict(order int) string {
	switch {
	case order < 0:
		return "left is less"
	case order > 0:
		return "right is less"
	}
	return "same"
}

func (c *comparison) one(side string, n sized) {
	if n.bytes > int64(c.bytes) || n.below > int64(c.nodes) {
		c.p.printf("Node %s found only in %s tree. Descendant size: %d. Descendant count: %d\n",
			c.label(n), side, n.bytes, n.below)
	} else if c.debug || c.interactive {
		c.p.printf("Filtered %s node %s of size %d\n", side, c.label(n), n.bytes)
	}
}

func (c *comparison) both(l, r sized) {
	bytes, below := r.bytes-l.bytes, r.below-l.below
	if max(bytes, -bytes) > int64(c.bytes) || max(below, -below) > int64(c.nodes) {
		c.p.printf("Node %s found in both trees. Delta: %d bytes, %d descendants\n", c.label(l), bytes, below)
	} else if c.debug || c.interactive {
		c.p.printf("Filtered node %s of left size %d, right size %d\n", c.label(l), l.bytes, r.bytes)
	}
}
