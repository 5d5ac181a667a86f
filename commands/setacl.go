package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/textdiff"
	"github.com/zkctl/zkctl/internal/ui"
)

var (
	aclVersion = command.NewText("v", "version", command.Number, "only if the ACL has this version (aclVersion of stat)")
	setACLTree = command.NewFlag("R", "also set the ACL of everything below")
)

var setACLCommand = &command.Command{
	Name: "setAcl", Group: command.ACLGroup, Usage: "[-s] [-v version] [-R] [--dry-run] path acl | path (+|-)entry …",
	Short: "replace or change the ACL of a znode",
	Long: "The ACL is a list of scheme:id:perm, separated by commas, with the permissions c (create children), " +
		"d (delete children), r (read), w (write) and a (set the ACL). Write a comma in an id as \\, " +
		"and quote a list that contains spaces. An ACL without a for this session, which could then not set another one, " +
		"needs confirmation on a terminal and -y elsewhere.\n\n" +
		"+scheme:id:perm adds an entry, or permissions to it; -scheme:id removes one, and -scheme:id:perm some of its permissions. " +
		"For a digest, the user is enough to remove. The other entries stay, whoever changes them meanwhile.",
	Options: command.Options{withStat, aclVersion, setACLTree, dryRun},
	Args: []command.Arg{
		{Name: "path", Kind: command.Path},
		{Name: "acl", Kind: command.ACLs, Repeat: true},
	},
	Dashed: changesACL,
	Examples: []command.Example{
		{"setAcl /app world:anyone:r,ip:10.0.0.0/8:cdrwa", "everyone may read, a network may do everything"},
		{"setAcl -R /app auth::cdrwa", "the whole tree, only for this session's identities"},
		{"setAcl /app +world:anyone:r -digest:bob", "let everyone read, and take all from bob"},
		{"setAcl -R /app -world:anyone:wa --dry-run", "show what would change in a tree"},
		{"setAcl /app x509:CN=app\\,O=org:cdrwa", "a TLS client whose name contains a comma"},
	},
	Differs: "A malformed ACL is refused as a whole; zkCli skips what it cannot parse and sets the rest. " +
		"So is a digest that is not a hash and, without -y, an ACL that locks this session out. " +
		"With -R, a tree that the new ACL makes readable is listed with it, and one that it makes unreadable is listed before. " +
		"If an ACL cannot be set, the exit code is 1 (0 with zkCli).",
	Run: runSetACL,
}

func runSetACL(ctx context.Context, env *command.Env, in *command.Invocation) error {
	edit, n, err := newACLEdit(in)
	if err != nil {
		return err
	}
	path, rest := in.Args[0], in.Args[1+n:]
	if len(rest) > 1 {
		return in.Problem("unexpected argument %q (quote an ACL that contains spaces)", rest[1])
	}
	version, err := expectedVersion(in, aclVersion, rest, 0)
	if err != nil {
		return err
	}
	conn, err := env.Conn()
	if err != nil {
		return err
	}
	if setACLTree.On(in) {
		s := aclSetter{env: env, conn: conn, edit: edit, version: version}
		if dryRun.On(in) {
			return s.rehearse(ctx, path)
		}
		return s.run(ctx, path)
	}
	if dryRun.On(in) {
		now, stat, err := conn.GetACL(ctx, path)
		if err != nil {
			return err
		}
		return rehearseACL(env, path, edit, now, stat, version)
	}
	stat, wrote, err := setOneACL(ctx, env, conn, path, edit, version)
	if err != nil {
		return command.ExplainACL(err, edit.added())
	}
	if env.Output == ui.JSON {
		answer := command.Object{"path": path, "stat": jsonStat(stat)}
		if edit.list == nil {
			answer["changed"] = wrote
		}
		return env.PrintJSON(answer)
	}
	if !wrote {
		env.Note("the ACL of %s is unchanged", escape.Line(path))
	}
	if withStat.On(in) {
		printStat(env.Streams.Out, stat)
	}
	return nil
}

// setOneACL sets or changes the ACL of a znode, after asking if that could not be undone.
func setOneACL(ctx context.Context, env *command.Env, conn *client.Conn, path string, edit aclEdit, version int32) (stat proto.Stat, wrote bool, err error) {
	ask := func(acl []proto.ACL) error { return confirmACL(ctx, env, conn, path, 0, acl) }
	if edit.list == nil {
		stat, wrote, err = changeACL(ctx, conn, path, edit, version, ask)
		if err == nil {
			err = edit.missed(escape.Line(path))
		}
		return stat, wrote, err
	}
	if err := ask(edit.list); err != nil {
		return stat, false, err
	}
	stat, err = conn.SetACL(ctx, path, edit.list, version)
	return stat, err == nil, err
}

// rehearseACL prints what would change in the ACL of a znode.
func rehearseACL(env *command.Env, path string, edit aclEdit, now []proto.ACL, stat proto.Stat, version int32) error {
	if version >= 0 && stat.Aversion != version {
		return &client.OpError{Op: proto.OpSetACL, Path: path, Code: proto.ErrBadVersion}
	}
	acl, err := edit.of(now)
	if err == nil {
		err = edit.missed(escape.Line(path))
	}
	if err != nil {
		return err
	}
	return printChange(env, path, diffACL(path, now, acl, stat))
}

// diffACL compares ACLs entry by entry.
func diffACL(path string, now, acl []proto.ACL, stat proto.Stat) textdiff.Diff {
	return textdiff.Lines(fmt.Sprintf("%s (ACL, version %d)", path, stat.Aversion), path, entries(now), entries(acl), textdiff.Context)
}

// entries are those of an ACL, one a line.
func entries(acl []proto.ACL) string {
	var b strings.Builder
	for i := range acl {
		b.WriteString(command.FormatACL(acl[i:i+1]) + "\n")
	}
	return b.String()
}
