package transfer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/apply"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
)

// writing is what the verbs that write a tree share.
type writing struct {
	env         *command.Env
	onConflict  string
	deleteExtra bool
	noSequences bool
	acl         string
	dryRun      bool
	resume      bool
	system      bool
	verbose     bool
	yes         bool
	batch, rate int
	output      string

	moves  bool           // it is mv
	moved  command.Object // its result in JSON, which it prints when all is done
	znodes int            // that the source has, 0 if that is not known
	bar    *progress

	acls []proto.ACL // that --acl gives to all znodes; nil to keep theirs
}

// The values of --on-conflict, and those of --acl besides a file.
var conflicts = []string{string(apply.Fail), string(apply.Skip), string(apply.Overwrite)}

const (
	keepACL  = "keep"
	worldACL = "world"
)

func (w *writing) add(c *cobra.Command) {
	fs := c.Flags()
	fs.StringVar(&w.onConflict, "on-conflict", string(apply.Fail), "`policy` for a znode that exists: fail, skip (it stays), overwrite (its data and ACL)")
	_ = c.RegisterFlagCompletionFunc("on-conflict", cobra.FixedCompletions(conflicts, cobra.ShellCompDirectiveNoFileComp))
	fs.BoolVar(&w.deleteExtra, "delete-extra", false, "delete what is below the destination and not in the source")
	fs.BoolVar(&w.noSequences, "no-sequences", false, "do not raise the numbers of the next sequential children")
	fs.StringVar(&w.acl, "acl", keepACL, "keep the ACLs, world (open to everyone), or a `file` with one ACL for all")
	fs.BoolVar(&w.system, "system", false, "also the quotas in /zookeeper")
	w.addCommon(c)
}

// addCommon declares what mv shares, too.
func (w *writing) addCommon(c *cobra.Command) {
	fs := c.Flags()
	fs.BoolVar(&w.dryRun, "dry-run", false, "print what would be done, and change nothing")
	fs.BoolVar(&w.resume, "resume", false, "go on with a copy that was interrupted: what it has written counts as done")
	fs.BoolVarP(&w.verbose, "verbose", "v", false, "print each znode that is created, changed, deleted or skipped")
	fs.IntVar(&w.batch, "batch", apply.DefaultBatch, "at most `N` znodes in a transaction")
	fs.IntVar(&w.rate, "rate", apply.DefaultRate, "at most `N` changes a second; 0 for no limit")
	fs.BoolVarP(&w.yes, "yes", "y", false, "skip confirmation prompts")
	fs.StringVarP(&w.output, "output", "o", string(ui.Text), "text or json: one object")
}

// check checks the options.
func (w *writing) check() error {
	format, err := ui.ParseFormat(w.output)
	if err != nil {
		return err
	}
	env := *w.env
	env.Output, env.Yes = format, w.yes || env.Yes
	w.env = &env
	switch {
	case !contains(conflicts, w.onConflict):
		return fmt.Errorf("--on-conflict: unknown policy %q; use %s", w.onConflict, strings.Join(conflicts, ", "))
	case w.batch <= 0:
		return fmt.Errorf("--batch: %d is not a number above 0", w.batch)
	case w.rate < 0:
		return fmt.Errorf("--rate: %d is not a number of changes a second; use 0 for no limit", w.rate)
	}
	switch w.acl {
	case keepACL:
		return nil
	case worldACL:
		w.acls = proto.OpenACL
		return nil
	}
	text, err := os.ReadFile(w.acl)
	if err != nil {
		return fmt.Errorf("--acl: use keep, world or a file: %w", err)
	}
	if w.acls, err = command.ParseACL(strings.TrimSpace(string(text))); err != nil {
		return fmt.Errorf("--acl %s: %w", w.acl, err)
	}
	return nil
}

func contains(list []string, word string) bool {
	for _, one := range list {
		if one == word {
			return true
		}
	}
	return false
}

// aclOf returns the ACL that a znode gets.
func (w *writing) aclOf(acl []proto.ACL) []proto.ACL {
	if w.acls != nil {
		return w.acls
	}
	return acl
}

// open opens both ends.
func (w *writing) open(from, to string) (src, dst *source.Source, err error) {
	if src, err = w.env.OpenLocation(from); err != nil {
		return nil, nil, err
	}
	if dst, err = w.target(to); err != nil {
		_ = src.Close() // the error of dst counts
		return nil, nil, err
	}
	return src, dst, nil
}

// target opens a location to be written.
func (w *writing) target(to string) (*source.Source, error) {
	if l, err := source.Parse(to, time.Now()); err == nil && l.Form == source.File {
		return nil, fmt.Errorf("%s cannot be written: files are only read; name znodes of a live ensemble", w.env.Streams.Name(to))
	}
	return w.env.OpenLocation(to)
}

func (w *writing) options(root string) apply.Options {
	rate := w.rate
	if rate == 0 {
		rate = -1
	}
	return apply.Options{
		Root: root, OnConflict: apply.Conflict(w.onConflict), Resume: w.resume, DeleteExtra: w.deleteExtra, NoSequences: w.noSequences,
		DryRun: w.dryRun, System: w.system, Batch: w.batch, Rate: rate,
	}
}

// write makes the tree at dst as wanted, which do does, and reports. of reports whether an error is that of the source.
func (w *writing) write(ctx context.Context, dst *source.Source, opt apply.Options, do doing, of func(error) bool) error {
	if err := w.mayWrite(dst); err != nil {
		return err
	}
	if err := w.confirm(ctx, dst, opt, do); err != nil {
		return err
	}
	bar := newProgress(w.env, "written")
	bar.of(w.znodes)
	w.bar = bar
	out := &listing{env: w.env, all: w.verbose || w.dryRun}
	opt.Each = out.each
	pairs, made := newProgress(w.env, "made"), 0
	pairs.unit = "pairs"
	opt.Raise = func(parents, n int, largest string) (bool, error) {
		yes, err := w.raise(ctx, parents, n, largest)
		pairs.begin()
		pairs.of(n)
		made = 0
		return yes, err
	}
	opt.Paired = func(more int) {
		made += more
		pairs.set(made)
	}
	out.clear = func() {
		pairs.done()
		bar.done()
	}
	opt.Lost = func(err error) {
		out.clear()
		w.env.Warn("%v; waiting for a connection", err)
	}
	opt.Progress = bar.set
	res, err := do(ctx, opt)
	out.clear()
	return w.report(ctx, dst, out, res, err, of)
}

// mayWrite returns an error if the destination's guard keeps every change away.
func (w *writing) mayWrite(dst *source.Source) error {
	if w.dryRun {
		return nil
	}
	return dst.Conn().MayChange("write znodes")
}

// doing writes with the options.
type doing func(ctx context.Context, opt apply.Options) (*apply.Result, error)

// confirm asks, on a terminal, before anything at the destination is changed or deleted.
func (w *writing) confirm(ctx context.Context, dst *source.Source, opt apply.Options, do doing) error {
	replaces := opt.DeleteExtra || opt.OnConflict == apply.Overwrite
	guarded := dst.Conn().Guard().Level != client.Unguarded
	if !replaces || opt.DryRun || !guarded && (w.env.Yes || !w.env.Streams.InTTY) {
		return nil
	}
	opt.DryRun = true
	res, err := do(ctx, opt)
	if err != nil || res.Changed+res.Deleted == 0 {
		return nil // the run itself reports it
	}
	question := fmt.Sprintf("Change %s and delete %s at %s?", command.Counted(res.Changed, "znode"), command.Counted(res.Deleted, "znode"), w.env.Streams.Name(dst.Location.Text))
	return w.env.ConfirmChange(ctx, dst.Conn(), 1, 0, question, "nothing was changed")
}

// raise says what it takes to raise sequence numbers, and asks if that is much for one parent.
func (w *writing) raise(ctx context.Context, parents, pairs int, largest string) (bool, error) {
	w.bar.done()
	raising := "raising"
	if w.dryRun {
		raising = "would raise"
	}
	w.env.Note("%s the next sequence numbers of %s by %s", raising, command.Counted(parents, "znode"), command.Counted(pairs, "create-and-delete pair"))
	if largest == "" || w.env.Yes {
		return true, nil
	}
	const instead = "use -y to do it, --no-sequences to leave them, or a snapshot, which keeps the numbers (export --format snapshot)"
	if w.dryRun || !w.env.Streams.InTTY {
		w.env.Warn("%s takes more than %s of them; %s", escape.Line(largest), command.Thousands(apply.AskAbove), instead)
		return w.env.Streams.InTTY, nil
	}
	return w.env.Streams.Ask(ctx, fmt.Sprintf("%s takes more than %s of them. Make them?", w.env.Streams.Name(largest), command.Thousands(apply.AskAbove)))
}

// listing prints changes one by one.
type listing struct {
	env   *command.Env
	all   bool
	clear func() // the progress line
	json  []doneJSON
}

// doneJSON is what was done to a znode, in JSON.
type doneJSON struct {
	Path   string `json:"path"`
	Action string `json:"action"`
}

func (l *listing) each(d apply.Done) {
	switch {
	case !l.all:
	case l.env.Output == ui.JSON:
		l.json = append(l.json, doneJSON{d.Path, string(d.Action)})
	default:
		l.clear()
		fmt.Fprintf(l.env.Streams.Out, "%s\t%s\n", d.Action, l.env.Streams.Name(d.Path))
	}
}

// report prints what a run has done, and returns the error of the verb.
func (w *writing) report(ctx context.Context, dst *source.Source, out *listing, res *apply.Result, err error, of func(error) bool) error {
	env := w.env
	if env.Output == ui.JSON && w.moves && !w.dryRun {
		w.moved = w.object(out, res)
		w.moved["moved"] = 0
	} else if env.Output == ui.JSON {
		if printErr := env.PrintJSON(w.object(out, res)); printErr != nil {
			return errors.Join(printErr, err)
		}
	} else if err == nil || done(res)+res.Failed.N > 0 {
		w.print(res)
	}
	if interrupted := command.Stopped(ctx, err, w.soFar(res)); interrupted != nil {
		return interrupted
	}
	var conflict *apply.ConflictError
	switch {
	case errors.As(err, &conflict):
		hint := "--on-conflict skip or overwrite goes on, --resume if an earlier run was interrupted"
		switch {
		case w.moves && w.resume:
			hint = "delete it, or choose another destination"
		case w.moves:
			hint = "--resume goes on if an earlier run was interrupted"
		case w.resume:
			hint = "--on-conflict skip or overwrite goes on"
		}
		return fmt.Errorf("%w at the destination (%s); %s", conflict, hint, w.soFar(res))
	case err != nil && of(err) && done(res) == 0:
		return err
	case err != nil && of(err):
		return fmt.Errorf("%w; %s", err, w.soFar(res))
	case err != nil:
		return fmt.Errorf("%w; %s", env.At(dst.Location, env.Explain(ctx, err)), w.soFar(res))
	case res.Failed.N > 0:
		return &ui.ExitError{Code: ui.ExitFailed, Err: fmt.Errorf("%s could not be written", command.Counted(res.Failed.N, "znode"))}
	}
	return nil
}

func done(res *apply.Result) int { return res.Created + res.Changed + res.Deleted }

// soFar says what a run that has ended early has done.
func (w *writing) soFar(res *apply.Result) string {
	done := done(res)
	switch {
	case w.dryRun:
		return "nothing was changed"
	case done == 0 && res.Unsure == 0:
		return "nothing was written"
	case res.Unsure > 0:
		return fmt.Sprintf("%s were written and %s may have been; --resume goes on", command.Counted(done, "znode"), command.Thousands(res.Unsure))
	}
	return fmt.Sprintf("%s were written; --resume goes on", command.Counted(done, "znode"))
}

// print prints the result for a person.
func (w *writing) print(res *apply.Result) {
	env := w.env
	for _, f := range res.Failed.List {
		env.Complain(fmt.Errorf("%s: %s", escape.Line(f.Path), reason(f.Err)))
	}
	if more := res.Failed.N - len(res.Failed.List); more > 0 {
		env.Complain(fmt.Errorf("and %s more, most of them below those", command.Thousands(more)))
	}
	if w.verbose || w.dryRun {
		for _, f := range res.Skipped.List {
			fmt.Fprintf(env.Streams.Out, "skip\t%s\t%v\n", env.Streams.Name(f.Path), f.Err)
		}
	}
	for _, f := range res.Higher.List {
		env.Warn("%s: %v; numbers are never lowered", escape.Line(f.Path), f.Err)
	}
	if env.Quiet {
		return
	}
	would := ""
	if w.dryRun {
		would = "would be "
	}
	text := fmt.Sprintf("%screated %s, changed %s, deleted %s; same %s, skipped %s, failed %s", would, command.Thousands(res.Created), command.Thousands(res.Changed),
		command.Thousands(res.Deleted), command.Thousands(res.Same), command.Thousands(res.Skipped.N), command.Thousands(res.Failed.N))
	if res.Ephemeral > 0 {
		text += fmt.Sprintf(" (skipped: %s ephemeral)", command.Thousands(res.Ephemeral))
	}
	fmt.Fprintln(env.Streams.Out, env.Streams.Fold(text))
}

// reason says what is the matter with a znode.
func reason(err error) string {
	var op *client.OpError
	if errors.As(err, &op) {
		if text := command.Sentence(op); text != "" {
			return strings.Replace(err.Error(), op.Error(), text, 1)
		}
	}
	return err.Error()
}

// failureJSON is a znode and what is the matter with it, in JSON.
type failureJSON struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

func failuresJSON(f apply.Failures) []failureJSON {
	list := make([]failureJSON, len(f.List))
	for i, one := range f.List {
		list[i] = failureJSON{one.Path, reason(one.Err)}
	}
	return list
}

func (w *writing) object(out *listing, res *apply.Result) command.Object {
	o := command.Object{
		"created": res.Created, "changed": res.Changed, "deleted": res.Deleted, "same": res.Same,
		"skipped": res.Skipped.N, "skippedZnodes": failuresJSON(res.Skipped), "ephemeral": res.Ephemeral,
		"failed": res.Failed.N, "failedZnodes": failuresJSON(res.Failed),
		"sequencesRaised": res.Raised, "sequencePairs": res.Pairs, "sequencesHigher": failuresJSON(res.Higher), "dryRun": w.dryRun,
	}
	if out.all {
		o["znodes"] = out.json
	}
	return o
}
