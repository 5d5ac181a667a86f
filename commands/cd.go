package commands

import (
	"cmp"
	"context"
	"errors"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

var cdCommand = &command.Command{
	Name: "cd", Group: command.ShellCmd, Usage: "[path|-]",
	Short: "change the current znode, where relative paths start",
	Long:  "Without a path it changes to /, with - to the previous znode.",
	Args:  []command.Arg{{Name: "path", Kind: command.Path, Optional: true}},
	Examples: []command.Example{
		{"cd /app/config", "then `get db` reads /app/config/db"},
		{"cd ..", "one level up"},
		{"cd -", "back"},
	},
	Differs: "zkCli has no such command.",
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		dir := "/"
		if len(in.Args) > 0 && in.Args[0] != "/" {
			conn, err := env.Conn()
			if err != nil {
				return err
			}
			if dir, err = chosenDir(ctx, env, conn, in); err != nil {
				return err
			}
			if _, err := conn.Exists(ctx, dir, false); err != nil {
				return err
			}
		}
		env.Dir, env.Before = dir, cmp.Or(env.Dir, "/")
		if env.Output == ui.JSON {
			return env.PrintJSON(command.Object{"path": dir})
		}
		return nil
	},
}

// chosenDir returns the znode named by the argument of cd.
func chosenDir(ctx context.Context, env *command.Env, conn *client.Conn, in *command.Invocation) (string, error) {
	if in.Words[0] == (command.Word{Text: "-"}) {
		if env.Before == "" {
			return "", errors.New("cd -: no previous znode")
		}
		return env.Before, nil
	}
	var skipped command.Failures
	paths, err := in.Paths(ctx, conn, 0, &skipped)
	if err == nil && len(paths) == 0 {
		err = skipped.Skipped(env)
	}
	if err != nil {
		return "", err
	}
	if len(paths) > 1 {
		return "", in.Problem("%s matches %d znodes", in.Args[0], len(paths))
	}
	return paths[0], nil
}
