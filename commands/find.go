package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
)

var (
	findName  = command.NewText("name", "glob", command.Any, "the name matches a pattern: *, ? and [a-z]")
	findRegex = command.NewText("regex", "re", command.Any, "a regular expression matches part of the path")
	findKind  = command.Text{Option: &command.Option{Name: "kind", Value: "kind", Kind: command.Choice, Repeat: true,
		Values: []string{string(source.Persistent), string(source.Ephemeral), sequential, string(source.Container), string(source.TTL)},
		Help:   "persistent, ephemeral, container, ttl, or sequential (the name ends with ten digits)"}}
	findSize = command.NewText("size", "n", command.Any, "data of n bytes: +10k is more, -10k less than 10 KiB").Hinted(
		command.Example{"+10k", "more than 10 KiB"}, command.Example{"-100", "less than 100 bytes"}, command.Example{"0", "no data"})
	findChildren = command.NewText("children", "n", command.Any, "n children: +1000 is more, -1000 less").Hinted(
		command.Example{"+1000", "more than 1,000"}, command.Example{"0", "none"})
	findMtime = command.NewText("mtime", "time", command.Any, "changed since -2h (two hours ago), or before +2h; also a date").Hinted(
		command.Example{"-2h", "changed in the last two hours"}, command.Example{"+30d", "not changed for 30 days"})
	findCtime = command.NewText("ctime", "time", command.Any, "created since -2h (two hours ago), or before +2h; also a date").Hinted(
		command.Example{"-2h", "created in the last two hours"}, command.Example{"+30d", "created more than 30 days ago"})
	findOwner = command.NewText("owner", "session", command.Any, "ephemeral, of the session 0x…")
	findACL   = command.NewText("acl", "acl", command.ACLs, "an entry of the ACL: scheme:id, or scheme:id:perms that are all in it")
	findDepth = command.NewText("depth", "A..B", command.Any, "A to B levels below the location; also A.., ..B, or one number").Hinted(
		command.Example{"1..", "all but the location itself"}, command.Example{"..2", "at most two levels below"}, command.Example{"1", "the children"})
	findEmpty  = command.NewFlag("empty", "no data and no children")
	findPrint0 = command.NewFlag("print0", "end each path with a zero byte instead of a line break")
	findExec   = command.NewText("exec", "command", command.Any, "run a command for each match, with {path} replaced")
	findDelete = command.NewFlag("delete", "delete the matches")
)

// sequential is a kind that only the name shows.
const sequential = "sequential"

var findCommand = &command.Command{
	Name: "find", Group: command.Reading, Usage: "[location] [test …] [--print0 | --exec command | --delete [--dry-run]] [--rate N]",
	Short: "find znodes by name, kind, size, age or owner",
	Long: "Prints the paths of the znodes at a location that pass all tests, parents first, siblings in the order of the bytes of " +
		"their names. A location is a znode path, NAME:/path for a profile or a local server, zk://host:port/path, or " +
		"file:PATH[@ZXID|@TIME][:/path] for a snapshot or a data directory.\n\n" +
		"Only what the tests need is read: with --name, --regex and --depth just names. Servers do not tell containers and TTL znodes " +
		"from persistent ones; files do. --exec splits the command into words as the shell splits a line and runs it without a shell; " +
		"ZKCTL_PATH is in its environment. --delete deletes only the matches themselves: one that has other children stays. " +
		"On a terminal it asks first.",
	Options: command.Options{findName, findRegex, findKind, findSize, findChildren, findMtime, findCtime, findOwner, findACL, findDepth, findEmpty,
		findPrint0, findExec, findDelete, dryRun, readRate},
	Args: []command.Arg{locationArg},
	Examples: []command.Example{
		{"find /app --name '*.json'", "by name"},
		{"find / --size +500k", "large ones"},
		{"find / --kind ephemeral --mtime +7d", "of sessions that have lasted for a week"},
		{"find file:version-2@2h:/app --name config", "as they were two hours ago"},
		{"find /app/tmp --empty --ctime +30d --delete --dry-run", "what would be deleted"},
		{"find /app --name state --exec 'echo {path}'", "run a command for each"},
	},
	Run: runFind,
}

func runFind(ctx context.Context, env *command.Env, in *command.Invocation) error {
	var exec command.Template
	if findExec.Given(in) {
		var err error
		if exec, err = command.ParseTemplate("--exec", findExec.In(in)); err != nil {
			return err
		}
	}
	switch {
	case findDelete.On(in) && exec != nil:
		return in.Problem("--exec and --delete exclude each other")
	case dryRun.On(in) && !findDelete.On(in):
		return in.Problem("--dry-run needs --delete")
	}
	src, err := env.Open(in, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	q, err := newFindQuery(in, env.Output == ui.JSON && !findDelete.On(in) && exec == nil, src, time.Now())
	if err != nil {
		return err
	}
	if q.opt.Rate, err = readRate.Or(in, 0); err != nil {
		return err
	}
	switch {
	case findDelete.On(in):
		return findAndDelete(ctx, env, src, q, dryRun.On(in))
	case exec != nil:
		return findAndRun(ctx, env, src, q, exec)
	}
	out, mark := newLines(env), byte('\n')
	if findPrint0.On(in) {
		mark = 0
	}
	missing, err := walkLocation(ctx, env, src, q.opt, q.visit(func(z *source.Znode) error {
		if out.json {
			return out.object(struct {
				pathJSON
				*statJSON
			}{jsonPath(z.Path), jsonStat(z.Stat)})
		}
		return out.name(z.Path, mark)
	}))
	if flushed := out.Flush(); flushed != nil {
		return flushed
	}
	return walked(ctx, missing, err, command.Thousands(out.count)+" found so far")
}

// findAndRun runs a command for each match.
func findAndRun(ctx context.Context, env *command.Env, src *source.Source, q *findQuery, exec command.Template) error {
	ran, failed := 0, 0
	missing, err := env.Walk(ctx, src, q.opt, q.visit(func(z *source.Znode) error {
		program, err := exec.Fill(command.Placeholder{Name: "path", Value: z.Path})
		if err != nil {
			return err
		}
		ran++
		ok, err := env.Execute(ctx, program, nil)
		if !ok {
			failed++
		}
		return err
	}))
	if err == nil && failed > 0 {
		err = fmt.Errorf("--exec: %d of %s failed", failed, command.Counted(ran, "command"))
	}
	return walked(ctx, missing, err, command.Counted(ran, "command")+" ran")
}

// findAndDelete deletes the matches, children before parents, after asking.
func findAndDelete(ctx context.Context, env *command.Env, src *source.Source, q *findQuery, dry bool) error {
	conn := src.Conn()
	if conn == nil {
		return errors.New("--delete: files are only read; name znodes of an ensemble")
	}
	if !dry {
		if err := conn.MayChange("delete znodes"); err != nil {
			return err
		}
	}
	var paths []string
	size := 0
	missing, err := walkLocation(ctx, env, src, q.opt, q.visit(func(z *source.Znode) error {
		switch {
		case z.Path == "/":
			return errors.New("--delete: the root matches, and cannot be deleted; add a test such as --depth 1..")
		case special(conn, z.Path):
			return specialError(z.Path)
		}
		if size += len(z.Path) + 64; size > maxTree {
			return errors.New("--delete: too many matches to be held in memory; delete parts of them first")
		}
		paths = append(paths, z.Path)
		return nil
	}))
	if err != nil {
		return walked(ctx, missing, err, "nothing was deleted")
	}
	if dry {
		return cmp.Or(listDeletions(env, paths), missing)
	}
	d := deletion{conn: conn, size: 1000, only: true}
	if len(paths) > 0 {
		question := fmt.Sprintf("Delete the %s found at %s?", command.Counted(len(paths), "znode"), env.Streams.Name(src.Location.Text))
		if err := env.ConfirmChange(ctx, conn, 1, 0, question, "nothing was deleted"); err != nil {
			return err
		}
		slices.Reverse(paths)
		err = d.delete(ctx, env, doomed{root: src.Location.Path, paths: paths})
	}
	if env.Output != ui.JSON && err == nil {
		env.Note("deleted %s", command.Counted(d.deleted, "znode"))
	}
	return cmp.Or(d.report(env, src.Location.Path, err), missing)
}
