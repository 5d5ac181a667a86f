package commands

import (
	"bufio"
	"context"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

var getEphemeralsCommand = &command.Command{
	Name: "getEphemerals", Group: command.Reading, Usage: "[path]", Short: "list the ephemeral znodes of this session",
	Long: "Only those of this session, in the server's order. With a path, only those whose paths start with it.",
	Args: []command.Arg{{Name: "path", Kind: command.Path, Optional: true}},
	Examples: []command.Example{
		{"getEphemerals /app", "those below /app"},
		{"getEphemerals", "all of this session"},
	},
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		conn, err := env.Conn()
		if err != nil {
			return err
		}
		prefix := "/"
		if len(in.Args) > 0 {
			prefix = in.Args[0]
		}
		paths, err := conn.Ephemerals(ctx, prefix)
		if err != nil {
			return err
		}
		if len(in.Args) > 0 && prefix != "/" && strings.HasSuffix(in.Words[0].Text, "/") { // /app/ must not match /apple
			paths = slices.DeleteFunc(paths, func(p string) bool { return !strings.HasPrefix(p, prefix+"/") })
		}
		if env.Output == ui.JSON {
			if paths == nil {
				paths = []string{}
			}
			return env.PrintJSON(command.Object{"ephemerals": paths})
		}
		w := bufio.NewWriter(env.Streams.Out)
		printList(w, env.Streams, paths)
		return w.Flush()
	},
}
