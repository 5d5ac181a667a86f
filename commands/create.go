package commands

import (
	"context"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

var (
	createSequential = command.NewFlag("s", "sequential: the server appends a counter to the name")
	createEphemeral  = command.NewFlag("e", "ephemeral: it is removed when this session ends")
	createContainer  = command.NewFlag("c", "container: the server deletes it some time after its last child is deleted")
	createTTL        = command.NewValue("t", "ttl", command.Number,
		"the server deletes it after this many milliseconds without changes and children", parseTTL)
	createParents = command.NewFlag("p", "also create missing parents, persistent and with the same ACL")
)

var createCommand = &command.Command{
	Name: "create", Group: command.Writing, Usage: "[-s] [-e] [-c] [-t ttl] [-p] [-b] [-file file] path [data] [acl]",
	Short: "create a znode",
	Long: "Without data the znode's data is null. Data is literal text, @file for the content of a " +
		"file, or - for standard input; write @@ for text that starts with @. Without an ACL " +
		"everyone has all permissions.",
	Options: command.Options{createSequential, createEphemeral, createContainer, createTTL, createParents, dataBase64, dataFile},
	Args: []command.Arg{
		{Name: "path", Kind: command.NewPath},
		{Name: "data", Kind: command.Data, Optional: true, Help: "text, @file, or - for standard input; not with -file"},
		{Name: "acl", Kind: command.ACLs, Optional: true, Help: "scheme:id:perm,… with the permissions c, d, r, w, a"},
	},
	Examples: []command.Example{
		{"create /app 'some data'", "create a znode"},
		{"create -p /app/config/db @db.json", "with its parents, from a file"},
		{"create -e -s /app/members/m- host1", "an ephemeral one with a number"},
		{"create -t 60000 /app/tmp", "deleted a minute after its last change"},
		{"create /app/secret x auth::cdrwa", "only for this session's identities"},
	},
	Differs: "A malformed ACL is refused as a whole; zkCli skips what it cannot parse and creates the znode with the rest, which may be nothing. " +
		"zkCli treats - and @file as the data itself.",
	Nameless: createSequential.On,
	Run:      runCreate,
}

func runCreate(ctx context.Context, env *command.Env, in *command.Invocation) error {
	op, err := newCreate(ctx, env, in)
	if err != nil {
		return err
	}
	conn, err := env.Conn()
	if err != nil {
		return err
	}
	path, stat, err := op.run(ctx, conn, createParents.On(in))
	if err != nil {
		return op.explain(err)
	}
	env.Note("Created %s", escape.Line(path))
	if op.mode.IsEphemeral() && env.Shell == nil {
		env.Warn("the znode is ephemeral and is removed with this session, which ends now")
	}
	if env.Output == ui.JSON {
		o := command.Object{"path": path}
		if stat != (proto.Stat{}) {
			o["stat"] = jsonStat(stat)
		}
		return env.PrintJSON(o)
	}
	return nil
}
