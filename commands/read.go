package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/ui"
)

// Options and arguments that several reading commands share.
var (
	withStatOption = Option{Name: "s", Help: "print the znode's stat as well"}
	watchOption    = Option{Name: "w", Help: "watch: print an event when it changes"}
	pathArg        = Arg{Name: "path", Kind: Path, Optional: true} // without it: the current znode
	oldWatchArg    = Arg{Name: "watch", Optional: true, Old: true}
)

// watching tells whether the command sets a watch: by -w, or by the word after the path
// that zkCli took before 3.5 and still takes.
func (in *Invocation) watching(env *Env) bool {
	watch := in.Has("w")
	if len(in.Args) > 1 {
		env.note("'%[1]s path [watch]' has been deprecated. Please use '%[1]s -w path' instead.", in.Command.Name)
		watch = true
	}
	if watch {
		env.warnOfWatch()
	}
	return watch
}

// warnOfWatch says of a watch in a session of one command that nothing can come of it.
func (env *Env) warnOfWatch() {
	if env.Shell == nil {
		env.warn("a watch goes with its session, and this one ends now; the shell waits for its events, and a script " +
			"while its input is open: (echo 'get -w /app'; cat) | zkctl")
	}
}

// each calls show for each znode that the first argument names; without one, for the current
// znode. Several are set apart by lines with their paths; an error of one does not keep the
// others back.
func (in *Invocation) each(ctx context.Context, env *Env, show func(conn *client.Conn, path string) error) error {
	conn, err := env.conn()
	if err != nil {
		return err
	}
	if len(in.Args) == 0 {
		return show(conn, cmp.Or(env.Dir, "/"))
	}
	var skipped failures
	paths, err := in.Paths(ctx, conn, 0, &skipped)
	if err != nil {
		return err
	}
	several := len(paths) > 1
	err = env.many(ctx, paths, func(i int, path string) error {
		if several && env.Output != ui.JSON {
			if i > 0 {
				fmt.Fprintln(env.Streams.Out)
			}
			fmt.Fprintf(env.Streams.Out, "%s:\n", env.Streams.Name(path))
		}
		return show(conn, path)
	})
	return env.andSkipped(err, &skipped)
}

// many calls do for each path. Of one path its error is returned; those of several are printed,
// unless they are about more than the path, and the rest goes on.
func (env *Env) many(ctx context.Context, paths []string, do func(i int, path string) error) error {
	if len(paths) == 1 {
		return do(0, paths[0])
	}
	failed := false
	for i, path := range paths {
		if err := do(i, path); err != nil {
			if about(err) != nil {
				return err
			}
			env.complain(env.explain(ctx, err))
			failed = true
		}
	}
	if failed {
		return &ui.ExitError{Code: ui.ExitFailed}
	}
	return nil
}

// andSkipped adds what a pattern has skipped to the error of a command.
func (env *Env) andSkipped(err error, skipped *failures) error {
	if err != nil && about(err) != nil && err.Error() != "" {
		return err // which ended it
	}
	if more := skipped.skipped(env); more != nil {
		if err != nil {
			env.complain(err)
		}
		return more
	}
	return err
}

// about is the error unless it is about one znode alone: the server's answer, or a bad path.
func about(err error) error {
	var path *client.PathError
	if errors.As(err, &path) {
		return nil
	}
	return fatal(err)
}
