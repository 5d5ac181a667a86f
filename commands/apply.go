package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zkctl/zkctl/internal/apply"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/jsondoc"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/textdiff"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zpath"
)

var (
	applyFile  = command.NewText("f", "file", command.File, "the description: a YAML file, a folder of them, or - for standard input")
	applyPrune = command.NewFlag("prune", "delete what is below the described trees and not described")
)

var applyCommand = &command.Command{
	Name: "apply", Group: command.Writing, Usage: "-f file|folder [--prune] [--dry-run]",
	Short: "make znodes as YAML files describe them",
	Long: "Each document in a file describes a tree: path, data (or json, base64, file), acl, kind (persistent, container, ttl), ttl and " +
		"children by their names. apply prints what differs, asks on a terminal, and changes only that. What a file does not say stays as it is; " +
		"json counts by its content, not its white space; auth in an acl stands for this session's identities. A second run changes nothing.",
	Options: command.Options{applyFile, applyPrune, dryRun},
	Examples: []command.Example{
		{"apply -f app.yaml --dry-run", "show what would change"},
		{"apply -f config.d --prune", "and delete what is not described"},
	},
	Run: runApply,
}

func runApply(ctx context.Context, env *command.Env, in *command.Invocation) error {
	if !applyFile.Given(in) {
		return in.Problem("missing description: -f file")
	}
	all, roots, err := manifests(ctx, env, applyFile.In(in))
	if err != nil {
		return err
	}
	conn, err := env.Conn()
	if err != nil {
		return err
	}
	if !dryRun.On(in) {
		if err := conn.MayChange("apply " + escape.Line(applyFile.In(in))); err != nil {
			return err
		}
	}
	a := newApplying(env, conn)
	if err := a.compare(ctx, all); err != nil {
		return err
	}
	if applyPrune.On(in) {
		if err := a.extras(ctx, all, roots); err != nil {
			return err
		}
	}
	switch {
	case len(a.targets) == 0:
		env.Note("nothing differs")
		return nil
	case dryRun.On(in):
		env.Note("%s would change", command.Counted(len(a.targets), "znode"))
		return nil
	}
	question := fmt.Sprintf("Make these changes of %s?", command.Counted(len(a.targets), "znode"))
	if err := env.ConfirmChange(ctx, conn, 1, 0, question, "nothing was changed"); err != nil {
		return err
	}
	return a.run(ctx)
}

// applying is a run of apply.
type applying struct {
	env     *command.Env
	conn    *client.Conn
	targets []apply.Target
	seen    map[string]proto.Stat // of those that exist, as their differences were printed
	who     *identities           // of this session; nil until an ACL with auth is compared
}

func newApplying(env *command.Env, conn *client.Conn) *applying {
	return &applying{env: env, conn: conn, seen: map[string]proto.Stat{}}
}

// current is a znode as it is.
type current struct {
	data []byte
	acl  []proto.ACL
	stat proto.Stat
}

// compare reads the described znodes, and prints those that differ.
func (a *applying) compare(ctx context.Context, all []described) error {
	for part := range slices.Chunk(all, surveyed) {
		now, errs := make([]*current, len(part)), make([]error, len(part))
		command.ForEach(ctx, len(part), command.InFlight, func(i int) error {
			c := &current{}
			if c.data, c.stat, errs[i] = a.conn.Get(ctx, part[i].path, false); errs[i] == nil {
				c.acl, _, errs[i] = a.conn.GetACL(ctx, part[i].path)
				now[i] = c
			}
			if errors.Is(errs[i], proto.ErrNoNode) {
				now[i], errs[i] = nil, nil
			}
			return errs[i]
		}, errs, func(int) {})
		for i, d := range part {
			if errs[i] != nil {
				return errs[i]
			}
			if err := a.differ(ctx, d, now[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// differ prints how a znode differs from its description, and makes it a target.
func (a *applying) differ(ctx context.Context, d described, now *current) error {
	z := &source.Znode{Path: d.path, Known: true, Kind: d.kind, TTL: d.ttl, Data: d.data, ACL: d.acl}
	if now == nil {
		if z.ACL == nil {
			z.ACL = proto.OpenACL
		}
		a.targets = append(a.targets, apply.Target{Path: d.path, Wanted: z})
		shown := textdiff.Data(d.path+" (new)", d.path, nil, d.data, textdiff.Context)
		if len(d.data) == 0 {
			shown.Summary = "without data"
		}
		return a.print(d.path, shown)
	}
	if now.stat.EphemeralOwner != 0 {
		return fmt.Errorf("%s is an ephemeral znode of session 0x%x, which a description cannot make", escape.Line(d.path), uint64(now.stat.EphemeralOwner))
	}
	if z.Data == nil {
		z.Data = now.data
	} else if doc, err := jsondoc.Parse(now.data); d.json != nil && err == nil {
		z.Data = doc.Rewrite(d.json)
	}
	if z.ACL == nil {
		z.ACL = now.acl
	}
	sameData, sameACL := bytes.Equal(z.Data, now.data), a.sameACL(ctx, now.acl, z.ACL)
	if sameACL {
		z.ACL = now.acl
	}
	if sameData && sameACL {
		return nil
	}
	a.targets = append(a.targets, apply.Target{Path: d.path, Wanted: z})
	a.seen[d.path] = now.stat
	if !sameData {
		if err := a.print(d.path, textdiff.Data(versioned(d.path, now.stat.Version), d.path, now.data, z.Data, textdiff.Context)); err != nil {
			return err
		}
	}
	if !sameACL {
		return a.print(d.path, diffACL(d.path, now.acl, z.ACL, now.stat))
	}
	return nil
}

// sameACL reports whether an ACL is as described.
func (a *applying) sameACL(ctx context.Context, have, wanted []proto.ACL) bool {
	if !slices.ContainsFunc(wanted, func(w proto.ACL) bool { return w.ID.Scheme == "auth" }) {
		return slices.Equal(have, wanted)
	}
	if a.who == nil {
		a.who = newIdentities(ctx, a.conn)
	}
	return a.who.same(have, wanted)
}

func (a *applying) print(path string, d textdiff.Diff) error { return printChange(a.env, path, d) }

// extras finds what is below the described trees and not described. Ephemeral znodes stay, with those above them.
func (a *applying) extras(ctx context.Context, all []described, roots []string) error {
	known := map[string]bool{}
	for _, d := range all {
		known[d.path] = true
	}
	for _, root := range roots {
		t, err := readTree(ctx, a.env, a.conn, root, maxTree)
		switch {
		case errors.Is(err, proto.ErrNoNode):
			continue
		case err != nil:
			return err
		}
		for _, denied := range t.denied {
			return denied // what is below is not known
		}
		for _, path := range t.bottomUp() {
			if known[path] {
				continue
			}
			stat, err := a.conn.Exists(ctx, path, false)
			switch {
			case errors.Is(err, proto.ErrNoNode):
				continue
			case err != nil:
				return err
			case stat.EphemeralOwner != 0 || special(a.conn, path):
				for ; path != root && !known[path]; path = zpath.Parent(path) {
					known[path] = true
				}
				continue
			}
			known[path] = true
			a.targets = append(a.targets, apply.Target{Path: path})
			a.seen[path] = stat
			d := textdiff.Diff{From: versioned(path, stat.Version), To: path + " (deleted)", Summary: fmt.Sprintf("%s of data", ui.Bytes(int64(stat.DataLength)))}
			if err := a.print(path, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// run makes the changes, but none of a znode that has changed since its difference was printed.
func (a *applying) run(ctx context.Context) error {
	asSeen := func(path string, found *proto.Stat) bool {
		seen, known := a.seen[path]
		return known && found.Version == seen.Version && found.Aversion == seen.Aversion && found.Czxid == seen.Czxid
	}
	res, err := apply.Patch(ctx, a.conn, apply.Options{OnConflict: apply.Overwrite, NoSequences: true, Mine: asSeen,
		SameACL: func(have, wanted []proto.ACL) bool { return a.sameACL(ctx, have, wanted) }}, a.targets)
	done := fmt.Sprintf("created %s, changed %s, deleted %s", command.Counted(res.Created, "znode"), command.Thousands(res.Changed), command.Thousands(res.Deleted))
	for _, f := range slices.Concat(res.Failed.List, res.Skipped.List, res.Foreign.List) {
		a.env.Complain(fmt.Errorf("%s: %w", escape.Line(f.Path), a.env.Explain(ctx, f.Err)))
	}
	if interrupted := command.Stopped(ctx, err, done); interrupted != nil {
		return interrupted
	}
	if n := res.Failed.N + res.Skipped.N + res.Foreign.N; err == nil && n > 0 {
		err = fmt.Errorf("%s not as described; %s", command.Counted(n, "znode"), done)
	}
	if err == nil {
		a.env.Note("%s", done)
	}
	return err
}
