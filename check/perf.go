package check

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// Load says how an ensemble is to be loaded: clients set the data of znodes at a fixed rate, whatever the answers.
type Load struct {
	Clients  int
	PerSec   float64
	Size     int // bytes of data
	Keys     int // znodes
	Duration time.Duration
}

// Loaded says how an ensemble took a load.
type Loaded struct {
	Took    time.Duration
	Done    int64            // writes that succeeded
	Errors  map[string]int64 // writes that failed, by the error
	Unknown int64            // writes of which nobody knows whether they succeeded

	// Latencies of those that succeeded, from when they should have begun.
	Median, P99, Slowest, Deviation time.Duration
}

// Loader loads the ensemble of env, after it has asked if its servers are elsewhere, and leaves nothing behind.
type Loader func(ctx context.Context, env *command.Env, l Load) (*Loaded, error)

// loads are the rates of etcdctl check perf. There are fewer clients: servers accept 60 connections of one host
// (maxClientCnxns).
var loads = map[string]Load{
	"s":  {Clients: 10, PerSec: 150, Size: 1024, Keys: 1000},
	"m":  {Clients: 20, PerSec: 1000, Size: 1024, Keys: 1000},
	"l":  {Clients: 40, PerSec: 8000, Size: 1024, Keys: 1000},
	"xl": {Clients: 50, PerSec: 15000, Size: 1024, Keys: 1000},
}

var loadNames = []string{"s", "m", "l", "xl"}

type perfOptions struct {
	env      *command.Env
	loader   Loader
	load     string
	duration time.Duration
	yes      bool
	output   string
}

func newPerfCommand(env *command.Env, loader Loader) *cobra.Command {
	opt := &perfOptions{env: env, loader: loader}
	c := &cobra.Command{
		Use:   "perf",
		Short: "check that an ensemble takes a load, as etcdctl does",
		Long: `Write to the ensemble of -server at a fixed rate for a minute, and say whether it
passes, and why not. It passes if it takes 90 % of the rate, no write takes longer
than 500 ms or fails, and the standard deviation of their times is below 100 ms.
The loads are s (150 writes/s), m (1000), l (8000) and xl (15000), of 1 KiB each.

zkctl asks before it loads a server that is not on this machine, and leaves nothing
behind. To choose the load yourself, see zkctl bench.`,
		Annotations: command.Exits{0: "the ensemble passes", 1: "it does not", 2: "that is unknown, because it could not be loaded"}.Predicate(),
		Example: `  zkctl -server zk1,zk2,zk3 check perf
  zkctl -server zk1,zk2,zk3 check perf --load l -y -o json`,
		Args: command.ArgCount(0, 0),
		RunE: func(c *cobra.Command, _ []string) error { return runPerf(c.Context(), opt) },
	}
	fs := c.Flags()
	fs.StringVar(&opt.load, "load", loadNames[0], "how much to `load`: "+strings.Join(loadNames, ", "))
	_ = c.RegisterFlagCompletionFunc("load", cobra.FixedCompletions(loadNames, cobra.ShellCompDirectiveNoFileComp))
	fs.DurationVar(&opt.duration, "duration", time.Minute, "`time` to load the ensemble")
	fs.BoolVarP(&opt.yes, "yes", "y", false, "do not ask before loading servers that are not on this machine")
	formatFlag(c, &opt.output)
	return c
}

func runPerf(ctx context.Context, opt *perfOptions) error {
	format, err := ui.ParseFormat(opt.output)
	if err != nil {
		return err
	}
	l, known := loads[strings.ToLower(opt.load)]
	switch {
	case !known:
		return fmt.Errorf("--load: unknown load %q; use one of %s", opt.load, strings.Join(loadNames, ", "))
	case opt.duration <= 0:
		return fmt.Errorf("--duration: invalid value %v; use a positive time, such as 60s", opt.duration)
	}
	l.Duration = opt.duration
	env := *opt.env
	env.Output, env.Yes = format, opt.yes || env.Yes
	got, err := opt.loader(ctx, &env, l)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	v := judgePerf(l, got)
	if err := printPerf(opt, format, l, got, v); err != nil {
		return err
	}
	return exit(v)
}

// What an ensemble must do to pass, as etcdctl check perf has it.
const (
	leastShare    = 0.9
	mostSlowest   = 500 * time.Millisecond
	mostDeviation = 100 * time.Millisecond
)

// judgePerf says whether an ensemble passes.
func judgePerf(l Load, got *Loaded) *verdict {
	v := new(verdict)
	if rate := got.perSec(); rate < leastShare*l.PerSec {
		v.fault("it took %.0f writes/s, less than 90 %% of %.0f", rate, l.PerSec)
	}
	if got.Slowest > mostSlowest {
		v.fault("the slowest write took %s, more than %v", brief(got.Slowest), mostSlowest)
	}
	if got.Deviation > mostDeviation {
		v.fault("the times of writes are spread: their standard deviation is %s, more than %v", brief(got.Deviation), mostDeviation)
	}
	for _, name := range slices.Sorted(maps.Keys(got.Errors)) {
		v.fault("%s failed: %s", command.Counted(int(got.Errors[name]), "write"), name)
	}
	if got.Unknown > 0 {
		v.fault("of %s nobody knows whether they succeeded, because the connection broke", command.Counted(int(got.Unknown), "write"))
	}
	return v
}

func (l *Loaded) perSec() float64 { return float64(l.Done) / max(l.Took.Seconds(), 1e-9) }

func printPerf(opt *perfOptions, format ui.Format, l Load, got *Loaded, v *verdict) error {
	s := opt.env.Streams
	if format == ui.JSON {
		v.complete()
		errors := got.Errors
		if errors == nil {
			errors = map[string]int64{}
		}
		return ui.PrintJSON(s.Out, &perfDocument{Load: strings.ToLower(opt.load), Fit: v.fit(), Wanted: l.PerSec, PerSec: got.perSec(), Duration: got.Took.Milliseconds(), Done: got.Done,
			Errors: errors, Unknown: got.Unknown, Median: ms(got.Median), P99: ms(got.P99), Slowest: ms(got.Slowest), Deviation: ms(got.Deviation), verdict: *v})
	}
	out := &strings.Builder{}
	fmt.Fprintf(out, "load %s, %.0f writes/s for %v: %s\n", strings.ToLower(opt.load), l.PerSec, got.Took.Round(100*time.Millisecond), v.word(s))
	rows := [][]string{{"", "writes/s", "median", "99%", "slowest", "std. deviation"},
		{"measured", fmt.Sprintf("%.0f", got.perSec()), brief(got.Median), brief(got.P99), brief(got.Slowest), brief(got.Deviation)},
		{"to pass", fmt.Sprintf("≥ %.0f", leastShare*l.PerSec), "", "", "≤ " + brief(mostSlowest), "≤ " + brief(mostDeviation)}}
	table(s, out, rows, "median", "99%")
	v.print(s, out)
	_, err := io.WriteString(s.Out, out.String())
	return err
}

// perfDocument is the result in JSON.
type perfDocument struct {
	Load      string           `json:"load"`
	Fit       *bool            `json:"passes"`
	Wanted    float64          `json:"wantedWritesPerSecond"`
	PerSec    float64          `json:"writesPerSecond"`
	Duration  int64            `json:"duration"` // ms
	Done      int64            `json:"writes"`
	Errors    map[string]int64 `json:"errors"`
	Unknown   int64            `json:"fateUnknown"`
	Median    float64          `json:"medianMs"`
	P99       float64          `json:"p99Ms"`
	Slowest   float64          `json:"maxMs"`
	Deviation float64          `json:"standardDeviationMs"`
	verdict
}
