package commands

import (
	"cmp"
	"context"
	"fmt"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// Options and arguments shared by several reading commands.
var (
	withStat    = command.NewFlag("s", "also print the znode's stat")
	watch       = command.NewFlag("w", "watch: print an event when it changes")
	pathArg     = command.Arg{Name: "path", Kind: command.Path, Optional: true} // without it: the current znode
	oldWatchArg = command.Arg{Name: "watch", Optional: true, Old: true}
)

// watching reports whether the command sets a watch: by -w, or by the word after the path that
// zkCli used before 3.5 and still accepts.
func watching(env *command.Env, in *command.Invocation) bool {
	watches := watch.On(in)
	if len(in.Args) > 1 {
		env.Note("'%[1]s path [watch]' has been deprecated. Please use '%[1]s -w path' instead.", in.Command.Name)
		watches = true
	}
	if watches {
		warnOfWatch(env)
	}
	return watches
}

// warnOfWatch warns that a watch in a session of a single command is useless.
func warnOfWatch(env *command.Env) {
	if env.Shell == nil {
		env.Warn("a watch ends with its session, and this one ends now; the shell waits for its events, and so does a script " +
			"while its input is open: (echo 'get -w /app'; cat) | zkctl")
	}
}

// each calls show for each znode named by the first argument, or for the current znode if there
// is none. Several are separated by lines with their paths; an error for one does not stop the
// others.
func each(ctx context.Context, env *command.Env, in *command.Invocation, show func(conn *client.Conn, path string) error) error {
	conn, err := env.Conn()
	if err != nil {
		return err
	}
	if len(in.Args) == 0 {
		return show(conn, cmp.Or(env.Dir, "/"))
	}
	var skipped command.Failures
	paths, err := in.Paths(ctx, conn, 0, &skipped)
	if err != nil {
		return err
	}
	several := len(paths) > 1
	err = env.Many(ctx, paths, func(i int, path string) error {
		if several && env.Output != ui.JSON {
			if i > 0 {
				fmt.Fprintln(env.Streams.Out)
			}
			fmt.Fprintf(env.Streams.Out, "%s:\n", env.Streams.Name(path))
		}
		return show(conn, path)
	})
	return env.AndSkipped(err, &skipped)
}
