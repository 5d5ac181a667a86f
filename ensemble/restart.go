package ensemble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

type restartOptions struct {
	asking
	rolling bool
	exec    string
	dryRun  bool
	pause   time.Duration
	step    time.Duration
	yes     bool
}

func newRestartCommand(s *ui.Streams, connect Connect) *cobra.Command {
	opt := &restartOptions{asking: asking{streams: s, connect: connect}}
	c := &cobra.Command{
		Use:   "restart --rolling --exec COMMAND",
		Short: "restart the members one by one, without losing the quorum",
		Long: `Restart the members one at a time by running your command for each: observers
first, then followers, and the leader last. Before each step, all members must
serve, and the others must form a quorum on their own. After each step, the member
must have restarted and caught up with the leader. At the first failure, zkctl stops
and reports which members have been restarted.

The command is split into words like a line of the shell; then {host}, {port},
{address} and {id} are replaced in each word; they are also in its environment, as
ZKCTL_HOST and so on. zkctl runs it directly, without a shell, and starts to wait
for the member when the command ends.`,
		Example: `  zkctl -server zk1 ensemble restart --rolling --exec 'ssh {host} sudo systemctl restart zookeeper'
  zkctl ensemble restart --rolling --dry-run --exec 'kubectl delete pod zk-{id}'
  zkctl ensemble restart --rolling --pause 30s -y --exec './restart.sh {id} {address}'`,
		Args: command.ArgCount(0, 0),
		RunE: func(c *cobra.Command, _ []string) error { return runRestart(c.Context(), opt) },
	}
	opt.add(c)
	fs := c.Flags()
	fs.BoolVar(&opt.rolling, "rolling", false, "restart one member at a time; required")
	fs.StringVar(&opt.exec, "exec", "", "`command` that restarts a member")
	fs.BoolVar(&opt.dryRun, "dry-run", false, "check the ensemble and print the steps without restarting anything")
	fs.DurationVar(&opt.pause, "pause", 0, "`time` to wait between two members")
	fs.DurationVar(&opt.step, "step-timeout", 5*time.Minute, "most `time` that one member may take")
	fs.BoolVarP(&opt.yes, "yes", "y", false, "skip the confirmation prompt")
	return c
}

func runRestart(ctx context.Context, opt *restartOptions) error {
	if !opt.rolling {
		return errors.New("restart needs --rolling: it only restarts members one by one")
	}
	if opt.exec == "" {
		return errors.New("missing --exec COMMAND, which restarts a member, such as 'ssh {host} sudo systemctl restart zookeeper'")
	}
	words, err := command.ParseTemplate("--exec", opt.exec)
	if err != nil {
		return err
	}
	if opt.step <= 0 {
		return fmt.Errorf("--step-timeout: invalid value %v; use a positive time, such as 5m", opt.step)
	}
	if err := notNegative("pause", opt.pause); err != nil {
		return err
	}
	p, widen, err := opt.prober()
	if err != nil {
		return err
	}
	if !opt.dryRun { // whether a person must confirm it is asked later
		if err := p.Guard().Allow(client.Unasked(ctx), "restart members", true); err != nil {
			return err
		}
	}
	t := &tour{opt: opt, p: p, widen: widen, words: words}
	s, err := t.ready(ctx)
	if err != nil {
		return err
	}
	for _, r := range s.Readings {
		if _, err := expand(words, r); err != nil {
			return err
		}
	}
	if opt.dryRun {
		return t.plan(s)
	}
	var members []probe.Member
	for _, r := range order(s) {
		members = append(members, r.Member)
	}
	if err := confirm(ctx, opt.streams, opt.yes, guardOf(p, members), "restart "+memberNames(members)); err != nil {
		return err
	}
	return t.run(ctx, len(members))
}

// expand replaces the placeholders.
func expand(t command.Template, r *probe.Reading) (*command.Program, error) {
	a := r.Addresses[0]
	id, known := r.ID.Get()
	if !known && t.Has("id") {
		return nil, fmt.Errorf("--exec: the id of %s is unknown; use {host} or {address}", r.Name())
	}
	return t.Fill(
		command.Placeholder{Name: "host", Value: a.Host}, command.Placeholder{Name: "port", Value: strconv.Itoa(a.Port)},
		command.Placeholder{Name: "address", Value: a.String()}, command.Placeholder{Name: "id", Value: strconv.FormatInt(id, 10)})
}

// order returns observers, followers and the leader, each by id.
func order(s *probe.Survey) []*probe.Reading {
	list := slices.Clone(s.Readings)
	rank := func(r *probe.Reading) int {
		switch {
		case r.Leads():
			return 2
		case r.Votes():
			return 1
		}
		return 0
	}
	slices.SortStableFunc(list, func(a, b *probe.Reading) int { return rank(a) - rank(b) })
	return list
}

// tour restarts the members of an ensemble.
type tour struct {
	opt   *restartOptions
	p     *probe.Prober
	widen bool
	words command.Template
	done  []string // names of members
}

// ready surveys the ensemble and returns an error if no member may be taken down now.
func (t *tour) ready(ctx context.Context) (*probe.Survey, error) {
	s, err := survey(ctx, t.p, t.widen, t.opt.timeout)
	if err != nil {
		return nil, err
	}
	v := s.Judge()
	leaders := 0
	for _, r := range s.Readings {
		switch {
		case r.State != probe.Serving || r.ReadOnly() || r.Stranger:
			return nil, fmt.Errorf("not every member serves: %s", strings.Join(v.Problems, "; "))
		case r.Leads():
			leaders++
		}
	}
	switch {
	case leaders != 1:
		return nil, fmt.Errorf("there must be one leader among the members: %s", v.Sentence)
	case !v.Quorum.Or(false):
		return nil, errors.New(v.Sentence)
	case v.Tolerates.Or(0) < 1:
		return nil, fmt.Errorf("the ensemble would lose its quorum: %s", v.Sentence)
	}
	return s, nil
}

// plan prints the steps.
func (t *tour) plan(s *probe.Survey) error {
	rows := [][]string{{"STEP", "ID", "ADDRESS", "ROLE", "COMMAND"}}
	for i, r := range order(s) {
		program, err := expand(t.words, r)
		if err != nil {
			return err
		}
		rows = append(rows, []string{strconv.Itoa(i + 1), count(r.ID), escape.Line(r.Name()), escape.Line(r.Mode), escape.Line(program.String())})
	}
	_, err := io.WriteString(t.opt.streams.Out, ui.Table(rows, "STEP", "ID"))
	return err
}

// run restarts n members. It chooses the next one after each step, because the leader may change.
func (t *tour) run(ctx context.Context, n int) error {
	for i := range n {
		if i > 0 {
			select {
			case <-time.After(t.opt.pause):
			case <-ctx.Done():
				return t.stopped(ctx.Err(), nil)
			}
		}
		s, err := t.ready(ctx)
		if err != nil {
			return t.stopped(err, nil)
		}
		at := slices.IndexFunc(order(s), func(r *probe.Reading) bool { return !slices.Contains(t.done, r.Name()) })
		if at < 0 {
			break
		}
		r := order(s)[at]
		start := time.Now()
		zxid, err := t.step(ctx, s, r)
		if err != nil {
			return t.stopped(fmt.Errorf("%s %s: %w", r.Mode, r.Name(), err), s)
		}
		t.done = append(t.done, r.Name())
		if _, err := fmt.Fprintf(t.opt.streams.Out, "%d/%d  %s %s was restarted in %.1f s and is in step at zxid %v\n",
			i+1, n, escape.Line(r.Mode), escape.Line(r.Name()), time.Since(start).Seconds(), zxid); err != nil {
			return err
		}
	}
	return nil
}

// stopped adds the progress of the tour to an error.
func (t *tour) stopped(err error, s *probe.Survey) error {
	text := "none was restarted before"
	if t.done != nil {
		text = "restarted before: " + strings.Join(t.done, ", ")
	}
	if s != nil {
		var left []string
		for _, r := range order(s) {
			if !slices.Contains(t.done, r.Name()) {
				left = append(left, r.Name())
			}
		}
		text += "; not done: " + strings.Join(left, ", ")
	}
	return fmt.Errorf("%w (%s)", err, text)
}

// pollPause is the time between two polls of a restarting member.
const pollPause = 200 * time.Millisecond

// step restarts one member and waits until it is back in step: it was down or its counters restarted, it serves, and
// it has what the leader had when it came back. It returns the member's zxid.
func (t *tour) step(ctx context.Context, before *probe.Survey, r *probe.Reading) (answer.Hex, error) {
	program, err := expand(t.words, r)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, t.opt.step)
	defer cancel()
	start := time.Now()
	ended := make(chan error, 1)
	go func() {
		c := program.Command(ctx)
		c.Stdout, c.Stderr = t.opt.streams.Err, t.opt.streams.Err
		c.WaitDelay = time.Second
		ended <- c.Run()
	}()
	gone, finished := false, false
	var last *probe.Reading
	for {
		select {
		case err := <-ended:
			if err != nil {
				return 0, fmt.Errorf("%v: %w", program, err)
			}
			finished = true
		case <-time.After(pollPause):
		case <-ctx.Done():
			return 0, t.notBack(ctx, finished, gone, last)
		}
		s, err := t.look(ctx, before)
		if err != nil {
			return 0, t.notBack(ctx, finished, gone, last)
		}
		for _, now := range s.Readings {
			if now.Name() != r.Name() {
				continue
			}
			last = now
			gone = gone || restarted(r, now, time.Since(start))
			if lag, known := now.Lag.Get(); finished && gone && now.State == probe.Serving && known && lag <= inStep && s.Judge().Quorum.Or(false) {
				return now.Zxid.Or(0), nil
			}
		}
	}
}

// inStep is how many transactions a member in step may lag, because it is not asked at the same moment as the leader.
// A member that is still starting does not serve.
const inStep = 100

// restarted reports whether now shows that the member was restarted since before.
func restarted(before, now *probe.Reading, since time.Duration) bool {
	if now.State != probe.Serving {
		return now.State == probe.Down || now.State == probe.NotServing
	}
	if up, ok := now.Uptime.Get(); ok && time.Duration(up)*time.Millisecond < since {
		return true
	}
	a, ok := before.Received.Get()
	b, ok2 := now.Received.Get()
	return ok && ok2 && b < a
}

// look asks the members of a survey again, without looking for others.
func (t *tour) look(ctx context.Context, known *probe.Survey) (*probe.Survey, error) {
	within, cancel := context.WithTimeout(ctx, t.opt.timeout)
	defer cancel()
	s := t.p.Again(within, known)
	return s, ctx.Err()
}

// notBack returns the error of a step that waited in vain.
func (t *tour) notBack(ctx context.Context, finished, gone bool, last *probe.Reading) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctx.Err()
	}
	switch {
	case !finished:
		return fmt.Errorf("the command did not end within %v", t.opt.step)
	case !gone:
		return fmt.Errorf("the command ended, but the member did not restart within %v", t.opt.step)
	case last != nil && last.State != probe.Serving:
		return fmt.Errorf("it did not serve again within %v: it is %s", t.opt.step, last.State)
	}
	return fmt.Errorf("it did not catch up with the leader within %v", t.opt.step)
}
