package commands

import (
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
	pathArg        = Arg{Name: "path", Kind: Path}
	oldWatchArg    = Arg{Name: "watch", Optional: true, Old: true}
)

// watching tells whether the command sets a watch: by -w, or by the word after the path
// that zkCli took before 3.5 and still takes.
func (in *Invocation) watching(env *Env) bool {
	if len(in.Args) > 1 {
		name := in.Command.Name
		env.note("'%[1]s path [watch]' has been deprecated. Please use '%[1]s -w path' instead.", name)
		return true
	}
	return in.Has("w")
}

// each calls show for each znode that the first argument names. Several are set apart by
// lines with their paths; an error of one does not keep the others back.
func (in *Invocation) each(ctx context.Context, env *Env, show func(conn *client.Conn, path string) error) error {
	conn, err := env.conn()
	if err != nil {
		return err
	}
	paths, err := in.Paths(ctx, conn, 0)
	if err != nil {
		return err
	}
	if len(paths) == 1 {
		return show(conn, paths[0])
	}
	failed := false
	for i, path := range paths {
		if env.Output != ui.JSON {
			if i > 0 {
				fmt.Fprintln(env.Streams.Out)
			}
			fmt.Fprintf(env.Streams.Out, "%s:\n", env.Streams.Name(path))
		}
		if err := show(conn, path); err != nil {
			if about(err) != nil {
				return err
			}
			env.complain(Explain(ctx, err))
			failed = true
		}
	}
	if failed {
		return &ui.ExitError{Code: ui.ExitFailed}
	}
	return nil
}

// about is the error unless it is about one znode alone: the server's answer, or a bad path.
func about(err error) error {
	var path *client.PathError
	if errors.As(err, &path) {
		return nil
	}
	return fatal(err)
}
