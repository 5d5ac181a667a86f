package commands

import (
	"context"
	"fmt"

	"github.com/zkctl/zkctl/internal/ui"
)

var connectCommand = &Command{
	Name: "connect", Group: Ensemble, Usage: "[host:port[,host:port…][/chroot] | name]", Short: "open a new session, perhaps with other servers",
	Long: "Once it is open the session before is closed, and its ephemeral znodes go; when it cannot be opened the one before " +
		"stays. Without servers: the same ones. A name is that of a local server or of a profile, which " +
		"brings its own identities and TLS. Identities that addauth added do not carry over.",
	Args: []Arg{{Name: "servers", Kind: Servers, Optional: true}},
	Examples: []Example{
		{"connect", "again, after the session has expired"},
		{"connect zk1:2181,zk2:2181/app", "another ensemble, below /app"},
		{"connect prod", "as the profile prod says"},
	},
	Differs: "It waits for the connection. When there is none it fails, and the session that was there stays; zkCli closes it first.",
	Offline: true,
	Run: func(ctx context.Context, env *Env, in *Invocation) error {
		if env.Session == nil {
			return ErrNoSession
		}
		before := env.Session.Servers()
		if err := env.Session.Connect(ctx, in.Arg(0)); err != nil {
			if conn, gone := env.Session.Conn(); gone == nil && conn.Server() != "" {
				err = fmt.Errorf("%w; the session with %s stays", err, before)
			}
			return err
		}
		conn, err := env.conn()
		if err != nil {
			return err
		}
		if in.Arg(0) != "" {
			env.Dir, env.Before = "/", "" // the current znode was one of the other ensemble
		}
		if env.Output != ui.JSON {
			return nil
		}
		return env.printJSON(object{"servers": env.Session.Servers(), "server": conn.Server(), "state": conn.State()})
	},
}

var closeCommand = &Command{
	Name: "close", Group: Ensemble, Short: "close the session",
	Long:    "Its ephemeral znodes and watches go. connect opens a new one.",
	Offline: true,
	Run: func(_ context.Context, env *Env, _ *Invocation) error {
		if env.Session == nil {
			return nil
		}
		if err := env.Session.Close(); err != nil || env.Output != ui.JSON {
			return err
		}
		return env.printJSON(object{"closed": true})
	},
}
