package cmd

import (
	"context"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// differences are the lines at which zkctl differs from zkCli 3.8 on purpose; docs/differences.md
// lists them for users.
var differences = byLine([]difference{
	{
		lines:  "create /a/badacl2 data world:anyone:z",
		reason: "a misspelt permission would make a znode that nobody can read; zkctl refuses it",
		exit:   1,
		agree: func(ctx context.Context, conn *client.Conn) error {
			acl := []proto.ACL{{ID: proto.WorldAnyone}}
			_, _, err := conn.Create(ctx, "/a/badacl2", []byte("data"), acl, proto.Persistent, 0)
			return err
		},
	},
	{
		lines:  "setAcl /acl world:anyone:",
		reason: "a list that grants nothing locks everybody out; zkctl refuses it",
		exit:   1,
		agree: func(ctx context.Context, conn *client.Conn) error {
			_, err := conn.SetACL(ctx, "/acl", []proto.ACL{{ID: proto.WorldAnyone}}, -1)
			return err
		},
	},
	{
		lines:  "setAcl /a world:anyone:cdrw",
		reason: "nobody of this session could set the ACL again; zkctl wants -y",
		exit:   1,
		agree: func(ctx context.Context, conn *client.Conn) error {
			acl := []proto.ACL{{ID: proto.WorldAnyone, Perms: proto.PermCreate | proto.PermDelete | proto.PermRead | proto.PermWrite}}
			_, err := conn.SetACL(ctx, "/a", acl, -1)
			return err
		},
	},
	{
		lines:  "ls; ls b",
		reason: "without a path the current znode is meant, / here, and a relative path starts there",
		stdout: func(s string) bool { return strings.HasPrefix(s, "[") },
	},
	{
		lines:  "get; get /b/",
		reason: "without a path the current znode is meant; a slash at the end is passed over",
		stdout: func(s string) bool { return s == "\n" || s == "null\n" },
	},
	{
		lines:  "stat; ls2",
		reason: "without a path the current znode is meant",
		stdout: func(s string) bool { return strings.Contains(s, "cZxid") },
	},
	{
		lines:  "getAcl",
		reason: "without a path the current znode is meant",
		stdout: func(s string) bool { return strings.Contains(s, "cdrwa") },
	},
	{
		lines:  "getAllChildrenNumber",
		reason: "without a path the current znode is meant",
		stdout: func(s string) bool { return len(s) > 1 },
	},
	{
		lines:  "sync q",
		reason: "a relative path starts at the current znode",
		stdout: func(s string) bool { return s == "Sync is OK\n" },
	},
	{
		lines:  "deleteall bare",
		reason: "a relative path starts at the current znode",
		agree: func(ctx context.Context, conn *client.Conn) error {
			_, _, err := conn.Create(ctx, "/bare", nil, proto.OpenACL, proto.Persistent, 0)
			return err
		},
	},
	{
		lines:  "deleteall /a",
		reason: "a znode that may not be listed is no reason to delete nothing; this one has no children and goes, too",
	},
	{
		lines:  "create relative x",
		reason: "a relative path starts at the current znode",
		agree: func(ctx context.Context, conn *client.Conn) error {
			return conn.Delete(ctx, "/relative", -1)
		},
	},
	{
		lines:  "create /trailing/ x",
		reason: "a slash at the end is passed over",
		agree: func(ctx context.Context, conn *client.Conn) error {
			return conn.Delete(ctx, "/trailing", -1)
		},
	},
	{
		lines:  "version",
		reason: "it is zkctl's own",
		stdout: func(s string) bool { return strings.HasPrefix(s, "zkctl ") },
	},
	{
		lines:  "stat /e/eph",
		reason: "zkCli leaves the session of a one-shot command to time out; zkctl closes it, and its ephemeral znodes go",
		exit:   1,
	},
	{
		lines:  "addauth digest",
		reason: "an identity without a password is a mistake; zkCli keeps quiet about it",
		exit:   1,
	},
	{
		lines: `whoami extra; config extra; printwatches maybe; printwatches on off; quit now;
			addauth digest a:b c`,
		reason: "zkCli ignores what a command does not take; zkctl says so",
		exit:   1,
	},
	{
		lines:  "delete /q/a extra",
		reason: "delete takes several paths; zkCli wants a version there, fails and exits with 0",
		exit:   1,
		agree: func(ctx context.Context, conn *client.Conn) error {
			_, _, err := conn.Create(ctx, "/q/a", nil, proto.OpenACL, proto.Persistent, 0)
			return err
		},
	},
	{
		lines:  "set /b/quote a b",
		reason: "the old form set path data version needs a number; zkCli takes any word for -1",
		exit:   1,
		agree: func(ctx context.Context, conn *client.Conn) error {
			_, err := conn.Set(ctx, "/b/quote", []byte("a"), -1)
			return err
		},
	},
	{
		lines:  "setquota -n x /q; setquota -n -1 /q",
		reason: "zkCli reports the fault and exits with 0",
		exit:   1,
	},
	{
		lines:  "history; redo",
		reason: "a command line has no history",
		exit:   1,
	},
	{
		lines:  "LS /; getacl /q",
		reason: "names are accepted in any case",
		stdout: func(s string) bool { return strings.Contains(s, "zookeeper") || strings.Contains(s, "cdrwa") },
	},
	{
		lines:  "ls2 /order",
		reason: "the old names are accepted",
		stdout: func(s string) bool { return strings.Contains(s, "cZxid") },
	},
	{
		lines:  "rmr /order/a9",
		reason: "the old names are accepted",
		agree: func(ctx context.Context, conn *client.Conn) error {
			_, _, err := conn.Create(ctx, "/order/a9", nil, proto.OpenACL, proto.Persistent, 0)
			return err
		},
	},
	{
		lines:  "rmr",
		reason: "the old names are accepted",
		exit:   1,
	},
	{
		lines:  "help",
		reason: "zkCli has none",
		stdout: func(s string) bool { return strings.HasPrefix(s, "zkctl is a command line") },
	},
})

// difference is what zkctl does at some lines.
type difference struct {
	lines  string // separated by semicolons
	reason string
	exit   int // of zkctl
	// agree brings zkctl's server to the state of zkCli's, so that later lines compare.
	agree func(context.Context, *client.Conn) error
	// stdout checks zkctl's; nil for none.
	stdout func(string) bool
}

func byLine(list []difference) map[string]difference {
	lines := map[string]difference{}
	for _, d := range list {
		for _, line := range strings.Split(d.lines, ";") {
			lines[strings.TrimSpace(line)] = d
		}
	}
	return lines
}
