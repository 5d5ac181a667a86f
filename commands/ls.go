package commands

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

var (
	lsTree = command.NewFlag("R", "list the whole tree below the znode, one path per line")
	lsLong = command.NewFlag("l", "list kinds, sizes and times in columns")
)

var lsCommand = &command.Command{
	Name: "ls", Aliases: []string{"ls2"}, Group: command.Reading, Usage: "[-s] [-w] [-R] [-l] [path]",
	Short: "list the children of a znode",
	Long: "The children come in zkCli's order, that of Java's strings. With -R: the znode itself, then the " +
		"children of each znode, level by level, one path per line. A pattern lists every matching znode. With -l: a line for each " +
		"child, or with -R for each znode, parents first, with its kind, the length of its data, the number of its children and when its data " +
		"changed. Servers do not tell containers and TTL znodes from persistent ones; find does, in files.",
	Options: command.Options{withStat, watch, lsTree, lsLong},
	Args:    []command.Arg{pathArg, oldWatchArg},
	Examples: []command.Example{
		{"ls /", "the children of the root"},
		{"ls -s /app", "the children and the stat"},
		{"ls -l /app", "with kinds, sizes and times"},
		{"ls /app/node-*", "the children of every match"},
		{"ls -R / | grep config", "in the shell: search the tree"},
	},
	Differs: "On a terminal, ls -R asks before it lists more than 10,000 znodes. Ctrl-C stops it. ls2 is ls -s.",
	Run:     runLs,
}

type lsJSON struct {
	Path     string   `json:"path"`
	Children []string `json:"children"`
	*statJSON
}

func runLs(ctx context.Context, env *command.Env, in *command.Invocation) error {
	watch := watching(env, in)
	stats := withStat.On(in) || strings.EqualFold(in.Called, "ls2")
	return each(ctx, env, in, func(conn *client.Conn, path string) error {
		if lsLong.On(in) {
			return printLong(ctx, env, conn, path, watch, lsTree.On(in), stats)
		}
		if lsTree.On(in) {
			return printTree(ctx, env, conn, path, watch)
		}
		children, stat, err := conn.Children(ctx, path, watch)
		if err != nil {
			return err
		}
		command.SortNames(children)
		if env.Output == ui.JSON {
			if children == nil {
				children = []string{}
			}
			return env.PrintJSON(lsJSON{path, children, jsonStat(stat)})
		}
		w := bufio.NewWriter(env.Streams.Out)
		printList(w, env.Streams, children)
		if stats {
			printStat(w, stat)
		}
		return w.Flush()
	})
}

// printList prints names as Java prints a list: [a, b].
func printList(w *bufio.Writer, s *ui.Streams, names []string) {
	_ = w.WriteByte('[')
	for i, name := range names {
		if i > 0 {
			_, _ = w.WriteString(", ")
		}
		_, _ = w.WriteString(s.Name(name))
	}
	_, _ = fmt.Fprint(w, "]\n")
}
