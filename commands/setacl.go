package commands

import (
	"context"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

var (
	aclVersion = command.NewText("v", "version", command.Number, "only if the ACL has this version (aclVersion of stat)")
	setACLTree = command.NewFlag("R", "also set the ACL of everything below")
)

var setACLCommand = &command.Command{
	Name: "setAcl", Group: command.ACLGroup, Usage: "[-s] [-v version] [-R] path acl",
	Short: "replace the ACL of a znode",
	Long: "The ACL is a list of scheme:id:perm, separated by commas, with the permissions c (create children), " +
		"d (delete children), r (read), w (write) and a (set the ACL). Write a comma in an id as \\, " +
		"and quote a list that contains spaces. An ACL without a for this session, which could then not set another one, " +
		"needs confirmation on a terminal and -y elsewhere.",
	Options: command.Options{withStat, aclVersion, setACLTree},
	Args: []command.Arg{
		{Name: "path", Kind: command.Path},
		{Name: "acl", Kind: command.ACLs},
		{Name: "version", Kind: command.Number, Optional: true, Old: true},
	},
	Examples: []command.Example{
		{"setAcl /app world:anyone:r,ip:10.0.0.0/8:cdrwa", "everyone may read, a network may do everything"},
		{"setAcl -R /app auth::cdrwa", "the whole tree, only for this session's identities"},
		{"setAcl /app x509:CN=app\\,O=org:cdrwa", "a TLS client whose name contains a comma"},
	},
	Differs: "A malformed ACL is refused as a whole; zkCli skips what it cannot parse and sets the rest. " +
		"So is a digest that is not a hash and, without -y, an ACL that locks this session out. " +
		"With -R, a tree that the new ACL makes readable is listed with it, and one that it makes unreadable is listed before. " +
		"If an ACL cannot be set, the exit code is 1 (0 with zkCli).",
	Run: runSetACL,
}

func runSetACL(ctx context.Context, env *command.Env, in *command.Invocation) error {
	acl, err := command.ParseACL(in.Args[1])
	if err != nil {
		return err
	}
	version, err := expectedVersion(in, aclVersion, in.Args, 2)
	if err != nil {
		return err
	}
	conn, err := env.Conn()
	if err != nil {
		return err
	}
	if setACLTree.On(in) {
		s := aclSetter{env: env, conn: conn, acl: acl, version: version}
		return s.run(ctx, in.Args[0])
	}
	if err := confirmACL(ctx, env, conn, in.Args[0], 0, acl); err != nil {
		return err
	}
	stat, err := conn.SetACL(ctx, in.Args[0], acl, version)
	if err != nil {
		return command.ExplainACL(err, acl)
	}
	if env.Output == ui.JSON {
		return env.PrintJSON(command.Object{"path": in.Args[0], "stat": jsonStat(stat)})
	}
	if withStat.On(in) {
		printStat(env.Streams.Out, stat)
	}
	return nil
}
