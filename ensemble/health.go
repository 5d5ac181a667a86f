package ensemble

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// Formats of health.
const (
	formatText       = "text"
	formatJSON       = "json"
	formatNagios     = "nagios"
	formatPrometheus = "prometheus"
)

var healthFormats = []string{formatText, formatJSON, formatNagios, formatPrometheus}

type healthOptions struct {
	asking
	minMembers     int64
	maxLag         int64
	maxLatency     float64
	maxOutstanding int64
	strict         bool
	wait           time.Duration
	canary         bool
	canaryPath     string
	format         string
}

// noLimit is the value of an unset limit.
const noLimit = -1

func newHealthCommand(s *ui.Streams, connect Connect) *cobra.Command {
	opt := &healthOptions{asking: asking{streams: s, connect: connect}}
	c := &cobra.Command{
		Use:         "health",
		Short:       "check that an ensemble is healthy, for monitors",
		Annotations: command.Exits{0: "all checks pass", 1: "one fails; for Nagios, a limit is exceeded", 2: "one could not be made; for Nagios, there is no quorum, or the canary failed", 3: "for Nagios, one could not be made, or an option is wrong"}.Predicate(),
		Long: `Check that the ensemble has a quorum with one leader and that its members are
within the limits. The word srvr, which servers answer by default, is enough for
all limits.

With --format nagios, the output and the exit codes are those of a Nagios plugin;
write it first, so that a mistake in the options after it has the exit code 3 too.`,
		Example: `  zkctl -server zk1 ensemble health
  zkctl ensemble health --format nagios --min-members 3 --max-lag 100 --max-latency 50
  zkctl ensemble health --canary --wait 60s
  zkctl ensemble health --format prometheus > /var/lib/node_exporter/zookeeper.prom`,
		Args: func(c *cobra.Command, words []string) error { return opt.failed(command.ArgCount(0, 0)(c, words)) },
		RunE: func(c *cobra.Command, _ []string) error {
			for _, name := range []string{"min-members", "max-lag", "max-latency", "max-outstanding"} {
				if f := c.Flags().Lookup(name); f.Changed && strings.HasPrefix(f.Value.String(), "-") {
					return opt.failed(fmt.Errorf("--%s: invalid value %s; use 0 or more", name, f.Value))
				}
			}
			return opt.failed(runHealth(c.Context(), opt))
		},
	}
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return opt.failed(c.Parent().FlagErrorFunc()(c, err)) })
	opt.add(c)
	fs := c.Flags()
	fs.Int64Var(&opt.minMembers, "min-members", noLimit, "least `number` of members that must serve, including observers")
	fs.Int64Var(&opt.maxLag, "max-lag", noLimit, "most `transactions` that a member may lag behind the leader")
	fs.Float64Var(&opt.maxLatency, "max-latency", noLimit, "highest average latency of a member, in `ms`")
	fs.Int64Var(&opt.maxOutstanding, "max-outstanding", noLimit, "most `requests` that may wait at a member")
	fs.BoolVar(&opt.strict, "strict", false, "also fail if a member does not serve or has any other problem")
	fs.DurationVar(&opt.wait, "wait", 0, "repeat the checks until all pass, for at most this `time`")
	fs.BoolVar(&opt.canary, "canary", false, "write, watch and delete an ephemeral znode through each member")
	fs.StringVar(&opt.canaryPath, "canary-path", "", "`znode` that --canary creates its znode below (default /)")
	command.ZnodeFlag(c, "canary-path")
	fs.StringVar(&opt.format, "format", formatText, "`format`: "+strings.Join(healthFormats, ", "))
	fs.StringVarP(&opt.format, "output", "o", formatText, "`format`, as --format")
	_ = fs.MarkHidden("output")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(healthFormats, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// check is one thing that health checks.
type check struct {
	Name     string            `json:"check"`
	Member   string            `json:"member,omitempty"`
	OK       answer.Opt[bool]  `json:"ok"`
	Text     string            `json:"text"`
	critical bool              // a failure means that the ensemble does not work
	limit    answer.Opt[int64] // for perfdata
}

// health is the result of the checks.
type health struct {
	survey  *probe.Survey
	verdict probe.Verdict
	checks  []check
	canary  []*canaryResult
}

// ok is true if every check passed, false if one failed, and otherwise unknown.
func (h *health) ok() answer.Opt[bool] {
	all := answer.Some(true)
	for _, c := range h.checks {
		switch good, known := c.OK.Get(); {
		case known && !good:
			return answer.Some(false)
		case !known:
			all = answer.Opt[bool]{}
		}
	}
	return all
}

// waitPause is the time between two checks of --wait.
const waitPause = time.Second

// failed gives an error the exit code of a Nagios plugin that could not check, if this is one.
func (opt *healthOptions) failed(err error) error {
	var exit *ui.ExitError
	if err != nil && opt.format == formatNagios && !errors.As(err, &exit) {
		return &ui.ExitError{Code: nagiosUnknown, Err: err}
	}
	return err
}

func runHealth(ctx context.Context, opt *healthOptions) error {
	if !slices.Contains(healthFormats, opt.format) {
		return fmt.Errorf("--format: unknown format %q; use one of %s", opt.format, strings.Join(healthFormats, ", "))
	}
	if err := notNegative("wait", opt.wait); err != nil {
		return err
	}
	p, widen, err := opt.prober()
	if err != nil {
		return err
	}
	until := time.Now().Add(opt.wait)
	for {
		h, err := opt.check(ctx, p, widen)
		if err != nil {
			return err
		}
		if h.ok().Or(false) || time.Until(until) < waitPause {
			if err := h.print(opt); err != nil {
				return err
			}
			return opt.exit(h)
		}
		select {
		case <-time.After(waitPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (opt *healthOptions) exit(h *health) error {
	if opt.format != formatNagios {
		return exitOf(h.ok())
	}
	if code := h.nagios(); code != nagiosOK {
		return &ui.ExitError{Code: code}
	}
	return nil
}

func (opt *healthOptions) check(ctx context.Context, p *probe.Prober, widen bool) (*health, error) {
	s, err := survey(ctx, p, widen, opt.timeout)
	if err != nil {
		return nil, err
	}
	h := opt.weigh(s)
	if opt.canary {
		err = h.sing(ctx, opt, p)
	}
	return h, err
}

// weigh checks a survey, without the canary.
func (opt *healthOptions) weigh(s *probe.Survey) *health {
	h := &health{survey: s, verdict: s.Judge()}
	h.checks = append(h.checks, check{Name: "quorum", OK: h.verdict.Quorum, Text: h.verdict.Sentence, critical: true})
	if opt.minMembers >= 0 {
		serving := int64(0)
		for _, r := range s.Readings {
			if r.State == probe.Serving {
				serving++
			}
		}
		h.checks = append(h.checks, check{Name: "members", OK: answer.Some(serving >= opt.minMembers), limit: answer.Some(opt.minMembers),
			Text: fmt.Sprintf("%d of at least %d members serve", serving, opt.minMembers)})
	}
	for _, r := range s.Readings {
		if r.State != probe.Serving {
			continue
		}
		if lag, known := r.Lag.Get(); opt.maxLag >= 0 && r.Mode != "standalone" {
			h.limit("lag", r, known, lag <= opt.maxLag, fmt.Sprintf("is %s behind the leader, more than %s", command.Counted(lag, "transaction"), command.Thousands(int(opt.maxLag))))
		}
		if ms, known := r.Latency.Avg.Get(); opt.maxLatency >= 0 {
			h.limit("latency", r, known, ms <= opt.maxLatency, fmt.Sprintf("has an average latency of %s ms, more than %s", decimal(ms), decimal(opt.maxLatency)))
		}
		if n, known := r.Outstanding.Get(); opt.maxOutstanding >= 0 {
			h.limit("outstanding", r, known, n <= opt.maxOutstanding, fmt.Sprintf("has %s, more than %s", command.Counted(n, "outstanding request"), command.Thousands(int(opt.maxOutstanding))))
		}
	}
	if opt.strict {
		for _, problem := range h.verdict.Problems {
			h.checks = append(h.checks, check{Name: "strict", OK: answer.Some(false), Text: problem})
		}
	}
	return h
}

// limit adds a check of a member's number against a limit.
func (h *health) limit(name string, r *probe.Reading, known, kept bool, excess string) {
	c := check{Name: name, Member: r.Name(), Text: r.Name() + " " + excess}
	switch {
	case !known:
		c.Text = fmt.Sprintf("%s does not tell its %s", r.Name(), name)
	case kept:
		c.OK, c.Text = answer.Some(true), fmt.Sprintf("%s keeps the limit on %s", r.Name(), name)
	default:
		c.OK = answer.Some(false)
	}
	h.checks = append(h.checks, c)
}

// sing runs the canaries.
func (h *health) sing(ctx context.Context, opt *healthOptions, p *probe.Prober) error {
	within, cancel := context.WithTimeout(ctx, opt.timeout)
	defer cancel()
	path, err := canaryParent(p.Client.Servers, opt.canaryPath)
	if err != nil {
		return err
	}
	var members []probe.Member
	for _, r := range h.survey.Readings {
		members = append(members, r.Member)
	}
	if err := guardOf(p, members).Allow(client.Unasked(ctx), "create znodes for --canary", false); err != nil {
		return err
	}
	h.canary = canaries(within, p, h.survey.Readings, path)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(h.canary) == 0 {
		h.checks = append(h.checks, check{Name: "canary", OK: answer.Some(false), Text: "no member takes a canary", critical: true})
	}
	for _, c := range h.canary {
		one := check{Name: "canary", Member: c.Address, OK: answer.Some(c.err == nil), critical: true}
		if c.err == nil {
			one.Text = fmt.Sprintf("%s took %s ms for a session, %s ms for a write, %s ms for a deletion and its watch",
				c.Address, decimal(c.Connect), decimal(c.Create), decimal(c.Watch))
		} else {
			one.Text = fmt.Sprintf("%s: %v", c.Address, c.err)
		}
		h.checks = append(h.checks, one)
	}
	return nil
}

// bad returns the checks that failed or could not be made.
func (h *health) bad() (list []check) {
	for _, c := range h.checks {
		if !c.OK.Or(false) {
			list = append(list, c)
		}
	}
	return list
}

var errNoEvent = errors.New("the watch did not fire")
