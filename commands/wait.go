package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/follow"
	"github.com/zkctl/zkctl/internal/ui"
)

var (
	waitExists   = command.NewFlag("exists", "it exists")
	waitGone     = command.NewFlag("gone", "it does not exist")
	waitChildren = command.NewText("children", "n", command.Any, "it has n children: 3, +3 (more) or -3 (less)")
	waitData     = command.NewText("data", "re", command.Any, "a regular expression matches part of the data")
	waitVersion  = command.NewText("version", "n", command.Any, "the version of its data: 3, +3 (higher) or -3 (lower)")
	waitStable   = command.NewValue("stable", "D", command.Any, "nothing has changed for a time such as 10s", duration("--stable"))
	waitTimeout  = command.NewValue("timeout", "D", command.Any, "answer no after a time such as 30s or 5m", duration("--timeout"))
)

var waitCommand = &command.Command{
	Name: "wait", Group: command.Waiting,
	Usage: "location [--exists] [--gone] [--children n] [--data re] [--version n] [--stable D] [--timeout D]",
	Short: "wait until a znode is as it should be",
	Long: "Waits until all conditions hold at once. Prints nothing: the exit code is the answer. It outlasts lost connections and " +
		"expired sessions.",
	Options:   command.Options{waitExists, waitGone, waitChildren, waitData, waitVersion, waitStable, waitTimeout},
	Args:      []command.Arg{{Name: "location", Kind: command.Location}},
	Exits:     command.Exits{0: "the conditions hold", 1: "they did not within --timeout", 2: "that is unknown"},
	Predicate: true,
	Examples: []command.Example{
		{"wait /app/ready --exists --timeout 1m", "for scripts"},
		{"wait /brokers/ids --children +2", "until three brokers are there"},
		{"wait /app/state --data '^running' --stable 10s", "and stays so for ten seconds"},
	},
	Run: runWait,
}

// condition is something that a znode must be; why says what it is instead.
type condition func(z *follow.Change) (holds bool, why string)

func waitConditions(in *command.Invocation) (all []condition, err error) {
	gone := waitGone.On(in)
	add := func(holds func(z *follow.Change) bool, why func(z *follow.Change) string) {
		all = append(all, func(z *follow.Change) (bool, string) {
			switch {
			case z.New == nil:
				return false, "it does not exist"
			case !holds(z):
				return false, why(z)
			}
			return true, ""
		})
	}
	if waitChildren.Given(in) {
		passes, err := compares("--children", waitChildren.In(in))
		if err != nil {
			return nil, err
		}
		add(func(z *follow.Change) bool { return passes(int64(z.New.NumChildren)) }, func(z *follow.Change) string {
			return "it has " + command.Counted(int(z.New.NumChildren), "child")
		})
	}
	if waitVersion.Given(in) {
		passes, err := compares("--version", waitVersion.In(in))
		if err != nil {
			return nil, err
		}
		add(func(z *follow.Change) bool { return passes(int64(z.New.Version)) }, func(z *follow.Change) string {
			return fmt.Sprintf("its version is %d", z.New.Version)
		})
	}
	if waitData.Given(in) {
		re, err := regexp.Compile(waitData.In(in))
		if err != nil {
			return nil, fmt.Errorf("--data: %w", err)
		}
		add(func(z *follow.Change) bool { return z.HasData && re.Match(z.Data) }, func(*follow.Change) string { return "its data does not match" })
	}
	if gone && (waitExists.On(in) || len(all) > 0) {
		return nil, in.Problem("--gone excludes all other conditions but --stable")
	}
	switch {
	case gone:
		all = append(all, func(z *follow.Change) (bool, string) { return z.New == nil, "it exists" })
	case waitExists.On(in):
		add(func(*follow.Change) bool { return true }, nil)
	case len(all) == 0 && !waitStable.Given(in):
		return nil, in.Problem("name what to wait for, such as --exists")
	}
	return all, nil
}

// errHolds ends the waiting.
var errHolds = errors.New("the conditions hold")

func runWait(ctx context.Context, env *command.Env, in *command.Invocation) error {
	conditions, err := waitConditions(in)
	if err != nil {
		return err
	}
	var stable, timeout time.Duration
	if err := errors.Join(value(in, waitStable, 0, &stable), value(in, waitTimeout, 0, &timeout)); err != nil {
		return err
	}
	location, cfg, err := env.Live(cmp.Or(in.Arg(0), env.Dir, "/"))
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	if timeout > 0 {
		late := time.AfterFunc(timeout, func() { end(errTimeIsUp) })
		defer late.Stop()
	}
	w := waiter{conditions: conditions, stable: stable, end: end, why: "nothing is known of it"}
	start := time.Now()
	err = follow.Run(ctx, cfg, location.Path, follow.Options{Data: waitData.Given(in), Settled: w.settled}, w.change)
	w.stop()
	holds := errors.Is(err, errHolds)
	switch late := errors.Is(err, errTimeIsUp); {
	case late && !w.known:
		return fmt.Errorf("no server answered within %v", timeout)
	case !late && !holds:
		return env.At(location, err)
	}
	if env.Output == ui.JSON {
		answer := command.Object{"path": location.Path, "holds": holds, "waited": time.Since(start).Milliseconds()}
		if w.last.New != nil {
			answer["stat"] = jsonStat(*w.last.New)
		}
		if !holds {
			answer["why"] = w.why
		}
		if err := env.PrintJSON(answer); err != nil {
			return err
		}
	}
	if !holds {
		env.Note("%s: %s after %v", env.Streams.Name(location.Path), w.why, timeout)
		return &ui.ExitError{Code: ui.ExitNo}
	}
	return nil
}

// waiter looks whether the conditions hold.
type waiter struct {
	conditions []condition
	stable     time.Duration
	end        func(cause error)
	timer      *time.Timer // of stable
	known      bool        // anything
	last       follow.Change
	why        string // they do not hold
}

func (w *waiter) change(c *follow.Change) error {
	w.stop()
	w.known, w.last = true, *c
	if c.New != nil { // it is the follower's
		stat := *c.New
		w.last.New = &stat
	}
	return nil
}

// settled looks at the newest state.
func (w *waiter) settled() error {
	if !w.known {
		return nil
	}
	if w.last.Refused != nil {
		return w.last.Refused // it was asked for
	}
	for _, holds := range w.conditions {
		ok, why := holds(&w.last)
		if !ok {
			w.why = why
			return nil
		}
	}
	if w.stable == 0 {
		return errHolds
	}
	w.why = "it did not stay as it was for long enough"
	w.stop()
	w.timer = time.AfterFunc(w.stable, func() { w.end(errHolds) })
	return nil
}

func (w *waiter) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}
