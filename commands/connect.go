package commands

import (
	"context"
	"fmt"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/ui"
)

var connectCommand = &command.Command{
	Name: "connect", Group: command.Ensemble, Usage: "[host:port[,host:port…][/chroot] | name]", Short: "open a new session, perhaps with other servers",
	Long: "Once it is open the session before is closed, and its ephemeral znodes go; when it cannot be opened the one before " +
		"stays. Without servers: the same ones. A name is that of a local server or of a profile, which " +
		"brings its own identities and TLS. Identities that addauth added do not carry over.",
	Args: []command.Arg{{Name: "servers", Kind: command.Servers, Optional: true}},
	Examples: []command.Example{
		{"connect", "again, after the session has expired"},
		{"connect zk1:2181,zk2:2181/app", "another ensemble, below /app"},
		{"connect prod", "as the profile prod says"},
	},
	Differs: "It waits for the connection. When there is none it fails, and the session that was there stays; zkCli closes it first.",
	Offline: true,
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		if env.Session == nil {
			return session.ErrNone
		}
		before := env.Session.Servers()
		if err := env.Session.Connect(ctx, in.Arg(0)); err != nil {
			if conn, gone := env.Session.Conn(); gone == nil && conn.Server() != "" {
				err = fmt.Errorf("%w; the session with %s stays", err, before)
			}
			return err
		}
		conn, err := env.Conn()
		if err != nil {
			return err
		}
		if in.Arg(0) != "" {
			env.Dir, env.Before = "/", "" // the current znode was one of the other ensemble
		}
		if env.Output != ui.JSON {
			return nil
		}
		return env.PrintJSON(command.Object{"servers": env.Session.Servers(), "server": conn.Server(), "state": conn.State()})
	},
}
