package cmd

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/bench"
	"github.com/zkctl/zkctl/certs"
	"github.com/zkctl/zkctl/check"
	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/ensemble"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/sharedio"
	"github.com/zkctl/zkctl/logformatter"
	"github.com/zkctl/zkctl/logs"
	"github.com/zkctl/zkctl/report"
	"github.com/zkctl/zkctl/snapshot"
	"github.com/zkctl/zkctl/transfer"
)

// verbs are what zkctl runs besides the znode commands, in the order of help: on the command
// line, in the shell, in completion and among the man pages.
func (a *app) verbs() []command.Verb {
	return slices.Concat(withTrace(ensemble.Verbs), []command.Verb{
		bench.Verb(roles),
		{Name: "local", Short: "run ZooKeeper servers and ensembles on this machine",
			Group: command.Local, New: a.localCommand},
		certs.Verb,
		check.Verb(limits, fixedLoad),
		{Name: "server", Short: "run a server from its zoo.cfg, as zkServer.sh does", Group: command.Local, New: serverCommand},
		logformatter.Verb,
		logformatter.LegacyVerb,
		snapshot.Verb,
	}, transfer.Verbs, []command.Verb{
		logs.Verb,
		report.Verb(report.Readers{Logs: logs.Survey, Writes: logformatter.Survey, Tree: snapshot.Survey}),
		a.completionVerb(),
		a.manVerb(),
	})
}

// roles asks an ensemble for the members that serve.
func roles(ctx context.Context, cfg client.Config) (list []bench.Member, err error) {
	found, err := ensemble.Roles(ctx, cfg)
	for _, r := range found {
		list = append(list, bench.Member(r))
	}
	return list, err
}

// limits asks a server for its limits.
func limits(ctx context.Context, cfg client.Config, server string) (l check.Limits, err error) {
	l.Tick, l.SyncTicks, err = ensemble.Limits(ctx, cfg, server)
	return l, err
}

// fixedLoad loads an ensemble as bench does.
func fixedLoad(ctx context.Context, env *command.Env, l check.Load) (*check.Loaded, error) {
	report, all, err := bench.Measure(ctx, env, roles, bench.Fixed(l))
	if err != nil {
		return nil, err
	}
	h := all.Latencies
	got := &check.Loaded{Took: report.Took, Done: h.TotalCount(), Errors: map[string]int64{}, Unknown: all.Unknown,
		Median: time.Duration(h.ValueAtPercentile(50)), P99: time.Duration(h.ValueAtPercentile(99)), Deviation: time.Duration(h.StdDev())}
	if got.Done > 0 {
		got.Slowest = time.Duration(h.Max())
	}
	for code, n := range all.Errors {
		got.Errors[code.Name()] += n
	}
	return got, nil
}

// withTrace adds trace to session: it reads logs, which is another room's matter.
func withTrace(verbs []command.Verb) []command.Verb {
	verbs = slices.Clone(verbs)
	i := slices.IndexFunc(verbs, func(v command.Verb) bool { return v.Name == "session" })
	build := verbs[i].New
	verbs[i].New = func(env *command.Env) *cobra.Command {
		asker := ensemble.NewSessionAsker(env)
		c := build(env)
		c.AddCommand(logs.NewTraceCommand(env.Streams, logs.Members{
			AddFlags: asker.AddFlags, Complete: asker.Complete, Owner: asker.Owner,
			Session: func(ctx context.Context, id int64) (logs.Live, error) {
				s, err := asker.Session(ctx, id)
				return logs.Live(s), err
			},
		}))
		return c
	}
	return verbs
}

// command runs one command or verb in its own session.
func (a *app) command(ctx context.Context, words []string) error {
	c := commands.All.Lookup(words[0])
	switch env := a.env(); {
	case env.Verb(words[0]) != nil:
		return a.verb(ctx, env, words)
	case c == helpCommand:
		return a.helpCommand(ctx, words)
	case c == nil:
		return command.Run(ctx, a.quickEnv(), command.Args(words...)) // it is unknown
	}
	stop, err := a.settle(ctx, false)
	if err != nil {
		return err
	}
	defer stop()
	env, err := a.environment()
	if err != nil {
		return err
	}
	// Differs(session-closed): zkCli lets the session time out, and with it ephemeral znodes.
	defer env.Session.Close()
	printWatches(env)
	return interruptible(ctx, func(ctx context.Context) error { return command.Run(ctx, env, command.Args(words...)) })
}

// verb runs a verb. What the options say of a session, good or bad, counts when it asks for one; what they say of the
// streams counts at once.
func (a *app) verb(ctx context.Context, env *command.Env, words []string) error {
	if err := a.settleColor(); err != nil {
		return err
	}
	stop := func() {}
	env.Session = a.session(func() error {
		end, err := a.settle(ctx, false)
		if err == nil {
			stop = end
		}
		return err
	})
	defer func() {
		_ = env.Session.Close()
		stop()
	}()
	return interruptible(ctx, func(ctx context.Context) error { return command.Run(ctx, env, command.Args(words...)) })
}

// settleColor sets up the streams with the color of the command line, the environment or the profile. A config file that cannot
// be read matters only to a session.
func (a *app) settleColor() error {
	few, color := pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, option := range []string{"color", "profile", "config"} {
		few.AddFlag(a.flags.Lookup(option))
	}
	if err := fillFromEnv(few); err != nil {
		return err
	}
	color.AddFlag(few.Lookup("color"))
	if c, err := a.options.readConfig(); err == nil && !few.Changed("color") {
		if name := c.chosen(a.options.Profile); c.profiles[name] != nil {
			if err := c.fillKnown(color, name); err != nil {
				return err
			}
		}
	}
	return a.options.settleStreams(a.streams)
}

// environment is what commands run in once the options are settled, with a session that opens when
// the first of them needs it. The caller closes the session.
func (a *app) environment() (*command.Env, error) {
	env := a.env()
	env.Session = a.session(func() error { return nil })
	_, err := env.Session.Config() // what is wrong with the options is wrong before any command runs
	return env, err
}

// quickEnv is for what needs no session: help, and an unknown command.
func (a *app) quickEnv() *command.Env {
	_ = fillFromEnv(a.flags) // for the output format, which does not depend on mistakes elsewhere
	return a.env()
}

func (a *app) env() *command.Env {
	return &command.Env{
		Streams: a.streams, Commands: commands.All, Verbs: a.verbs(), Dir: "/",
		Output: a.options.format(), Yes: a.options.Yes, Quiet: a.options.Quiet, StateDir: stateDir(),
	}
}

// session is one that the options describe, once settle has completed them.
func (a *app) session(settle func() error) *session.Session {
	s := session.New(func() (client.Config, error) {
		if err := settle(); err != nil {
			return client.Config{}, err
		}
		return a.options.session(a.flags, a.streams)
	})
	s.Named, s.NamedOnly, s.Advise, s.Clients, s.Tree = a.named, a.namedOnly, a.advise, ensemble.Clients, ensemble.Tree
	return s
}

// printWatches prints watch events while a command runs, between its own writes.
func printWatches(env *command.Env) {
	streams := *env.Streams
	out := &sharedio.Writer{W: streams.Out}
	streams.Out = out
	env.Streams = &streams
	env.Session.OnWatch = session.EventPrinter(out, env.Output)
}
