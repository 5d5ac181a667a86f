package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/textdiff"
	"github.com/zkctl/zkctl/internal/ui"
)

var (
	editCreate    = command.NewFlag("create", "create znodes that do not exist")
	editUnchecked = command.NewFlag("unchecked", "accept text that is not valid JSON or YAML, and show JSON as it is")
)

var editCommand = &command.Command{
	Name: "edit", Group: command.Writing, Usage: "[--create] [--unchecked] path [path ...]",
	Short: "edit the data of znodes in your editor",
	Long: "Opens the data in $VISUAL or $EDITOR, shows the difference, asks, and writes it if the znode still has the same version. " +
		"If it has changed meanwhile, both changes are merged; where they touch the same lines, the editor opens again with both. " +
		"Several znodes are written in one transaction.\n\n" +
		"Compressed data is compressed again in the same way, JSON on one line stays on one line, and a final line break stays or stays away; " +
		"binary data is shown in hex. What was valid JSON or YAML must stay so: otherwise the editor opens again at the error. " +
		"If anything fails, the text is kept in a file that the error names.",
	Options: command.Options{editCreate, editUnchecked},
	Args:    []command.Arg{{Name: "path", Kind: command.Path, Repeat: true}},
	Examples: []command.Example{
		{"edit /app/config", "edit a znode"},
		{"edit /app/a.json /app/b.json", "several, in one transaction"},
		{"edit --create /app/new.yaml", "write a new one"},
	},
	Run: runEdit,
}

// editRounds is how many times the editor opens, or a merge is tried again, at most.
const editRounds = 50

func runEdit(ctx context.Context, env *command.Env, in *command.Invocation) error {
	conn, err := env.Conn()
	if err != nil {
		return err
	}
	if err := conn.MayChange("edit znodes"); err != nil {
		return err
	}
	var skipped command.Failures
	paths, err := in.AllPaths(ctx, conn, len(in.Args), &skipped)
	if err != nil {
		return err
	}
	e := &editing{env: env, conn: conn, unchecked: editUnchecked.On(in)}
	for _, path := range paths {
		d, err := e.read(ctx, path, editCreate.On(in))
		if err != nil {
			return err
		}
		e.drafts = append(e.drafts, d)
	}
	if err = e.makeDrafts(); err == nil {
		err = e.run(ctx)
	}
	if err = e.finish(ctx, err); err == nil {
		err = e.answer()
	}
	return env.AndSkipped(err, &skipped)
}

// editing is a run of edit.
type editing struct {
	env       *command.Env
	conn      *client.Conn
	dir       string // of the drafts
	drafts    []*draft
	unchecked bool
}

// read reads a znode, and makes a draft of it.
func (e *editing) read(ctx context.Context, path string, create bool) (*draft, error) {
	d := &draft{path: path, open: true}
	err := d.read(ctx, e.conn)
	switch {
	case errors.Is(err, proto.ErrNoNode) && !create:
		return nil, command.Reword(err, "Node does not exist: %s (edit --create makes it)", escape.Line(path))
	case errors.Is(err, proto.ErrNoNode):
		err = client.ValidateCreatePath(path, false)
	}
	if err != nil {
		return nil, err
	}
	if d.shape, d.base, err = newShape(path, d.data, e.unchecked); err != nil {
		return nil, fmt.Errorf("%s: %w", escape.Line(path), err)
	}
	d.text = d.base
	return d, nil
}

// run opens the editor, until the changes are written or there are none.
func (e *editing) run(ctx context.Context) error {
	for range editRounds {
		if err := e.open(ctx); err != nil {
			return err
		}
		again, err := e.check()
		if err != nil {
			return err
		}
		if again {
			continue
		}
		if again, err = e.write(ctx); err != nil || !again {
			return err
		}
	}
	return fmt.Errorf("gave up after %d rounds", editRounds)
}

// write shows the changes, asks, and writes them. If znodes changed meanwhile, it merges and starts again, and reports
// whether the editor is needed for that.
func (e *editing) write(ctx context.Context) (again bool, err error) {
	for range editRounds {
		changed := e.changed()
		if len(changed) == 0 {
			return false, nil
		}
		if err := e.confirm(ctx, changed); err != nil {
			return false, err
		}
		err := e.commit(ctx, changed)
		if !outdated(err) {
			return false, err
		}
		if again, err = e.merge(ctx); err != nil || again {
			return again, err
		}
	}
	return false, errors.New("other clients change the znodes again and again")
}

// outdated reports whether a write failed because a znode is not what it was when it was read.
func outdated(err error) bool {
	var op *client.OpError
	return errors.As(err, &op) && (op.Code == proto.ErrBadVersion || op.Code == proto.ErrNodeExists || op.Code == proto.ErrNoNode && op.Op == proto.OpSetData)
}

// changed returns the drafts that differ from their znodes.
func (e *editing) changed() (changed []*draft) {
	for _, d := range e.drafts {
		if d.changes() {
			changed = append(changed, d)
		}
	}
	return changed
}

func (e *editing) confirm(ctx context.Context, changed []*draft) error {
	asks := e.env.Streams.InTTY && !e.env.Yes
	if e.env.Output != ui.JSON && (asks || !e.env.Quiet) {
		for _, d := range changed {
			if err := textdiff.Data(d.name(), d.path, d.data, d.edited, textdiff.Context).Print(e.env.Streams); err != nil {
				return err
			}
		}
	}
	question := fmt.Sprintf("Write %s?", escape.Line(changed[0].path))
	if len(changed) > 1 {
		question = fmt.Sprintf("Write these %s znodes?", command.Thousands(len(changed)))
	}
	return e.env.Confirm(ctx, question, "nothing was changed")
}

// commit writes the changes, all or none.
func (e *editing) commit(ctx context.Context, changed []*draft) error {
	if len(changed) == 1 {
		return changed[0].write(ctx, e.conn)
	}
	ops := make([]proto.MultiOp, len(changed))
	for i, d := range changed {
		ops[i] = d.op()
	}
	settled, cancel := command.Settling(ctx)
	defer cancel()
	results, err := e.conn.Multi(settled, ops)
	if err != nil {
		return err
	}
	for i, d := range changed {
		d.written = true
		if i < len(results) && results[i].Stat != nil {
			d.stat = *results[i].Stat
		}
	}
	return nil
}

// merge reads the znodes again, and makes the changes of others part of the drafts. It reports whether a draft has
// conflicts, which the editor has to resolve.
func (e *editing) merge(ctx context.Context) (conflicts bool, err error) {
	for _, d := range e.drafts {
		d.open = false
		existed := d.exists
		err := d.read(ctx, e.conn)
		switch {
		case errors.Is(err, proto.ErrNoNode) && existed:
			return false, command.Reword(err, "%s was deleted while you edited it", escape.Line(d.path))
		case errors.Is(err, proto.ErrNoNode):
			continue
		case err != nil:
			return false, err
		}
		theirs, err := d.shape.again(d.path, d.data, e.unchecked)
		switch {
		case err != nil:
			return false, fmt.Errorf("%s changed while you edited it: %w", escape.Line(d.path), err)
		case d.text == d.base:
			d.base, d.text, d.edited = theirs, theirs, d.data
			continue
		case theirs == d.base:
			continue
		}
		text, n := textdiff.Merge(d.base, d.text, theirs, sides)
		d.base, d.text = theirs, text
		if n == 0 {
			if d.edited, err = d.shape.data(text); err == nil {
				e.env.Note("%s changed while you edited it; both changes are merged", escape.Line(d.path))
				continue
			}
		}
		e.env.Note("%s changed while you edited it; %s with your change", escape.Line(d.path), cmp.Or(conflictsOf(n), "the result is not valid"))
		d.open, d.fault, conflicts = true, err, true
	}
	return conflicts, nil
}

func conflictsOf(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 conflict"
	}
	return command.Thousands(n) + " conflicts"
}

// answer says what was written.
func (e *editing) answer() error {
	wrote := 0
	for _, d := range e.drafts {
		if d.written {
			wrote++
		}
		if e.env.Output != ui.JSON {
			continue
		}
		if err := e.env.PrintJSON(struct {
			Path    string    `json:"path"`
			Changed bool      `json:"changed"`
			Stat    *statJSON `json:"stat,omitempty"`
		}{d.path, d.written, jsonStat(d.stat)}); err != nil {
			return err
		}
	}
	if wrote == 0 {
		e.env.Note("nothing was changed")
	}
	return nil
}
