package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/follow"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/textdiff"
	"github.com/zkctl/zkctl/internal/ui"
)

var (
	watchTree    = command.NewFlag("R", "everything below the znode, too", "r")
	watchValue   = command.NewFlag("value", "also print the new data")
	watchDiff    = command.NewFlag("diff", "also print how the data differs")
	watchStat    = command.NewFlag("stat", "also print the znode's stat")
	watchOnly    = command.NewFlag("changes-only", "leave out the state at the start")
	watchExec    = command.NewText("exec", "command", command.Any, "run a command for each change instead: {path}, {change}, {version}, {zxid}")
	watchCount   = command.NewValue("count", "N", command.Number, "end after N changes", positive("--count"))
	watchTimeout = command.NewValue("timeout", "D", command.Any, "end after a time such as 30s or 5m", duration("--timeout"))
)

var watchCommand = &command.Command{
	Name: "watch", Group: command.Waiting,
	Usage: "[-R] [--value | --diff | --stat] [--changes-only] [--exec command] [--count N] [--timeout D] [location]",
	Short: "watch a znode or a tree, and print each change",
	Long: "Prints the state, and then each change of the data, of the ACL, and of the list of children, or with -R of everything below. It shows " +
		"states, not every write: what changes twice before it is read again is one line. When the connection was lost, it " +
		"reads again, and marks what it finds as (missed); a new session follows one that expired. Servers report no change of an ACL; it " +
		"is seen when something else changes. Before ZooKeeper 3.6, each znode takes a watch of its own.\n\n" +
		"--exec splits its command into words as the shell splits a line and runs it without a shell, for one change after the other. The new data " +
		"is its standard input; ZKCTL_PATH, ZKCTL_CHANGE, ZKCTL_VERSION and ZKCTL_ZXID are in its environment. --diff keeps the data of all " +
		"znodes in memory.",
	Options: command.Options{watchTree, watchValue, watchDiff, watchStat, watchOnly, watchExec, watchCount, watchTimeout},
	Args:    []command.Arg{locationArg},
	Examples: []command.Example{
		{"watch /app/config --diff", "what changes in a configuration"},
		{"watch -R /app --changes-only -o json", "a tree, for programs"},
		{"watch /app/config --exec 'systemctl reload app'", "do something after each change"},
		{"watch /app/leader --count 1 --timeout 1m", "the next change"},
	},
	Run: runWatch,
}

// duration reads a time span above 0.
func duration(option string) func(text string) (time.Duration, error) {
	return func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return 0, fmt.Errorf("%s: %q is not a time above 0; use a number with a unit, such as 500ms, 10s or 5m", option, text)
		}
		return d, nil
	}
}

func runWatch(ctx context.Context, env *command.Env, in *command.Invocation) error {
	w := watcher{env: env, out: newLines(env), stat: watchStat.On(in), diff: watchDiff.On(in), value: watchValue.On(in), only: watchOnly.On(in)}
	var timeout time.Duration
	if err := errors.Join(value(in, watchCount, 0, &w.most), value(in, watchTimeout, 0, &timeout)); err != nil {
		return err
	}
	shown := 0
	for _, option := range []command.Flag{watchStat, watchDiff, watchValue} {
		if option.On(in) {
			shown++
		}
	}
	if shown > 1 || shown > 0 && watchExec.Given(in) {
		return in.Problem("--value, --diff, --stat and --exec exclude each other")
	}
	if watchExec.Given(in) {
		var err error
		if w.exec, err = command.ParseTemplate("--exec", watchExec.In(in)); err != nil {
			return err
		}
	}
	location, cfg, err := env.Live(cmp.Or(in.Arg(0), env.Dir, "/"))
	if err != nil {
		return err
	}
	tree := watchTree.On(in)
	opt := follow.Options{Tree: tree, Names: !tree, Data: w.value || w.exec != nil, Keep: w.diff || w.value && !tree,
		Warn: env.Complain, Settled: w.out.Flush, Connection: w.connection}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, errTimeIsUp)
		defer cancel()
	}
	w.ctx = ctx
	err = follow.Run(ctx, cfg, location.Path, opt, w.change)
	flushed := w.out.Flush()
	switch {
	case errors.Is(err, errEnough):
		err = nil
	case errors.Is(err, errTimeIsUp):
		err = nil
		if w.most > 0 {
			err = fmt.Errorf("only %d of %s within %v", w.seen, command.Counted(w.most, "change"), timeout)
		}
	}
	if err == nil && w.failed > 0 {
		err = fmt.Errorf("--exec: %d of %s failed", w.failed, command.Counted(w.ran, "command"))
	}
	if err == nil {
		err = flushed
	}
	return env.At(location, err)
}

// errEnough ends a watch after --count changes.
var errEnough = errors.New("enough changes")

// watcher prints changes, or runs a command for each.
type watcher struct {
	env               *command.Env
	ctx               context.Context
	out               *lines
	value, diff, stat bool
	only              bool // changes, not the state at the start
	exec              command.Template
	most, seen        int
	ran, failed       int
}

func (w *watcher) connection(back bool) {
	if back {
		w.env.Note("connected again")
	} else {
		w.env.Note("connection lost; what changes meanwhile is shown afterwards")
	}
}

func (w *watcher) change(c *follow.Change) error {
	if c.Kind == follow.Start {
		if w.only || w.exec != nil {
			return nil
		}
		return w.print(c)
	}
	w.seen++
	var err error
	if w.exec != nil {
		err = w.run(c)
	} else {
		err = w.print(c)
	}
	if err == nil && w.most > 0 && w.seen >= w.most {
		err = errEnough
	}
	return err
}

// run runs the command for a change.
func (w *watcher) run(c *follow.Change) error {
	version, zxid := "", ""
	switch {
	case c.New != nil:
		version, zxid = fmt.Sprint(c.New.Version), proto.Hex(c.New.Mzxid)
	case c.Old != nil:
		version, zxid = fmt.Sprint(c.Old.Version), proto.Hex(c.Old.Mzxid)
	}
	program, err := w.exec.Fill(command.Placeholder{Name: "path", Value: c.Path}, command.Placeholder{Name: "change", Value: string(c.Kind)},
		command.Placeholder{Name: "version", Value: version}, command.Placeholder{Name: "zxid", Value: zxid})
	if err != nil {
		return err
	}
	w.ran++
	ok, err := w.env.Execute(w.ctx, program, c.Data)
	if !ok {
		w.failed++
	}
	return err
}

// print prints a change.
func (w *watcher) print(c *follow.Change) error {
	if w.out.json {
		return w.out.object(w.json(c))
	}
	s := w.env.Streams
	line := fmt.Sprintf("%s %s %s  %s", c.Time.Format("15:04:05.000"), s.Paint(fmt.Sprintf("%-8s", c.Kind), kindColor(c.Kind)), s.Name(c.Path), changeText(c, s))
	if c.Missed {
		line += "  (missed)"
	}
	_, _ = w.out.WriteString(s.Hang(line, len("15:04:05.000 children ")) + "\n")
	switch {
	case w.stat && c.New != nil:
		printStat(w.out, *c.New)
	case w.diff && (c.HasData || c.HasOldData) && c.Kind != follow.Children && c.Kind != follow.ACL:
		if err := w.printDiff(c); err != nil {
			return err
		}
	case w.value && c.New != nil && c.HasData && c.Kind != follow.Children && c.Kind != follow.ACL:
		w.printValue(c.Data)
	}
	if c.Refused != nil {
		_ = w.out.Flush()
		w.env.Complain(command.Explain(w.ctx, c.Refused))
	}
	w.out.count++
	return nil
}

// printDiff prints how the data differs.
func (w *watcher) printDiff(c *follow.Change) error {
	from, to := "(none)", "(none)"
	if c.Old != nil {
		from = fmt.Sprintf("version %d", c.Old.Version)
	}
	if c.New != nil {
		to = fmt.Sprintf("version %d", c.New.Version)
	}
	if err := w.out.Flush(); err != nil {
		return err
	}
	return textdiff.Data(from, to, c.OldData, c.Data, textdiff.Context).Print(w.env.Streams)
}

func (w *watcher) printValue(data []byte) {
	if data == nil {
		data = []byte("null")
	}
	shown, rest := formatData(data, &command.Invocation{}, w.env.Streams)
	_, _ = w.out.Write(shown)
	if len(shown) == 0 || shown[len(shown)-1] != '\n' {
		_ = w.out.WriteByte('\n')
	}
	if rest > 0 {
		fmt.Fprintf(w.out, "and %s more bytes\n", command.Thousands(rest))
	}
}

// changeText says what a change is, after the path.
func changeText(c *follow.Change, s *ui.Streams) string {
	var parts []string
	add := func(format string, a ...any) { parts = append(parts, fmt.Sprintf(format, a...)) }
	switch {
	case c.Kind == follow.Children:
		add("%s", childrenText(c, s))
	case c.New == nil && c.Old == nil:
		add("does not exist")
	case c.New == nil:
		add("version %d, %s", c.Old.Version, command.Counted(int(c.Old.Length), "byte"))
	case c.Kind == follow.ACL:
		add("ACL version %d -> %d", c.Old.ACL, c.New.Aversion)
	case c.Old == nil:
		add("version %d, %s", c.New.Version, command.Counted(int(c.New.DataLength), "byte"))
		if c.New.NumChildren > 0 {
			add("%s", command.Counted(int(c.New.NumChildren), "child"))
		}
		if owner := c.New.EphemeralOwner; owner != 0 {
			add("ephemeral of %s", proto.Hex(owner))
		}
	default:
		add("version %d -> %d", c.Old.Version, c.New.Version)
		if c.Old.Length != c.New.DataLength {
			add("%d -> %s", c.Old.Length, command.Counted(int(c.New.DataLength), "byte"))
		} else {
			add("%s", command.Counted(int(c.New.DataLength), "byte"))
		}
	}
	return strings.Join(parts, ", ")
}

// mostNames is how many names of children a line has.
const mostNames = 20

func childrenText(c *follow.Change, s *ui.Streams) string {
	var words []string
	for _, list := range []struct {
		sign  string
		names []string
	}{{"+", c.Added}, {"-", c.Gone}} {
		for i, name := range list.names {
			if i == mostNames {
				words = append(words, fmt.Sprintf("and %s%s more", list.sign, command.Thousands(len(list.names)-i)))
				break
			}
			words = append(words, list.sign+s.Name(name))
		}
	}
	if words == nil { // their names are unknown
		words = append(words, fmt.Sprintf("%d now", c.New.NumChildren))
	}
	return strings.Join(words, " ")
}
