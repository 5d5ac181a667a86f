package commands

import (
	"context"
	"fmt"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/ui"
)

var connectCommand = &command.Command{
	Name: "connect", Group: command.Ensemble, Usage: "[host:port[,host:port…][/chroot] | name]", Short: "open a new session, with the same or other servers",
	Long: "Once the new session is open, the previous one is closed and its ephemeral znodes are removed; if it cannot be opened, the previous one " +
		"stays. Without servers it connects to the same ones. A name is that of a local server or of a profile, which " +
		"has its own identities and TLS settings. Identities added by addauth are not carried over.",
	Args: []command.Arg{{Name: "servers", Kind: command.Servers, Optional: true}},
	Examples: []command.Example{
		{"connect", "again, after the session expired"},
		{"connect zk1:2181,zk2:2181/app", "another ensemble, below /app"},
		{"connect prod", "the servers of the profile prod"},
	},
	Differs: "It waits for the connection. If that fails, the previous session stays; zkCli closes it first.",
	Offline: true,
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		if env.Session == nil {
			return session.ErrNone
		}
		before := env.Session.Servers()
		if err := env.Session.Connect(ctx, in.Arg(0)); err != nil {
			if conn, gone := env.Session.Conn(); gone == nil && conn.Server() != "" {
				err = fmt.Errorf("%w; the session with %s stays open", err, before)
			}
			return err
		}
		conn, err := env.Conn()
		if err != nil {
			return err
		}
		if in.Arg(0) != "" {
			env.Dir, env.Before = "/", "" // the current znode belonged to another ensemble
		}
		if env.Output != ui.JSON {
			return nil
		}
		return env.PrintJSON(command.Object{"servers": env.Session.Servers(), "server": conn.Server(), "state": conn.State()})
	},
}
