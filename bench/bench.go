// Package bench loads an ensemble and measures how fast it answers.
//
//	bench.go    the verb and its options
//	mix.go      what is asked, and how often
//	source.go   the requests of one client
//	calls.go    operations whose requests wait for each other: lock, connect
//	place.go    the znodes of a run, its mark, and their removal
//	fixed.go    a load for another room
//	run.go      a run: questions, servers, load, result
//	series.go   intervals of a run: the live line, HDR logs, comparisons
//	compare.go  whether two runs differ
//	print.go    the result, as a table and as JSON
//	cpu_*.go    the processor time that the load itself takes
package bench

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// Member is a member of an ensemble that serves.
type Member struct {
	Address client.Address
	ID      int64 // -1 if unknown
	Mode    string
}

// Members asks an ensemble for its members that serve.
type Members func(ctx context.Context, cfg client.Config) ([]Member, error)

// Verb is bench.
func Verb(members Members) command.Verb {
	return command.Verb{
		Name: "bench", Short: "load an ensemble and measure how fast it answers", Group: command.Ensembles,
		New: func(env *command.Env) *cobra.Command {
			c := newCommand(env, members)
			if env.Shell == nil {
				// Half of the processors are for a server on this machine. The fewer there are, the less it costs to hand on work.
				c.PreRun = func(*cobra.Command, []string) { runtime.GOMAXPROCS(max(1, runtime.NumCPU()/2)) }
			}
			return c
		},
	}
}

// options are those of the command line.
type options struct {
	env     *command.Env
	members Members

	mix        string
	clients    int
	inFlight   int
	rate       float64
	duration   time.Duration
	warmUp     time.Duration
	size       string
	keys       int
	path       string
	through    string
	persistent bool
	clean      bool
	hdr        string
	compare    string
	yes        bool
	output     string
}

// The defaults.
const (
	defaultMix      = "read=80,write=20"
	defaultPath     = "/zkctl-bench"
	defaultClients  = 4
	defaultInFlight = 16
	defaultDuration = 10 * time.Second
	defaultWarmUp   = time.Second
	defaultKeys     = 1000
)

func newCommand(env *command.Env, members Members) *cobra.Command {
	o := &options{env: env, members: members}
	c := &cobra.Command{
		Use: "bench [MIX]",
		Long: `Load an ensemble and measure throughput and latency. MIX is one operation, or several
with their weights, such as get=90,set=10; --mix says the same:

  get, exists, children   read a znode, its stat, or the names of its children
  read                    is get; write is set
  set                     write the data of a znode
  create, delete          of a znode each; the opposite is done in transactions
                          of 100 that are not measured
  ephemeral               create an ephemeral znode, and delete it
  multi                   create, set and delete a znode in one transaction
  watch                   set a watch and change its znode, until the event comes
  lock                    take a free lock and release it (alone)
  connect                 open and close a session (alone)

Each client is a session on a separate connection; the clients are spread over the
servers of -server, and each keeps --in-flight operations under way. With --rate,
operations begin on time whether or not earlier ones are answered, and their latency
counts from when they should have begun, so a server that stalls cannot hide it.

All znodes are below --path, and are removed at the end. They are ephemeral, in
containers, so the servers remove them even if zkctl is killed; --persistent measures
ordinary znodes. What a killed run left is removed by the next one, or by --clean.

docs/bench.md says how not to fool oneself.`,
		Example: `  zkctl -server zk1,zk2,zk3 bench
  zkctl bench set --clients 16 --rate 2000 --duration 1m
  zkctl bench read=95,write=5 --through followers --hdr before.hlog
  zkctl bench read=95,write=5 --through followers --compare before.hlog
  zkctl bench --clean`,
		Args:              command.ArgCount(0, 1),
		ValidArgsFunction: cobra.FixedCompletions(mixHints(), cobra.ShellCompDirectiveNoFileComp),
		RunE:              func(c *cobra.Command, args []string) error { return o.main(c.Context(), args) },
	}
	fs := c.Flags()
	fs.StringVar(&o.mix, "mix", defaultMix, "`operations` and their weights, or one operation")
	_ = c.RegisterFlagCompletionFunc("mix", cobra.FixedCompletions(mixHints(), cobra.ShellCompDirectiveNoFileComp))
	fs.IntVar(&o.clients, "clients", defaultClients, "`number` of sessions, each on a separate connection")
	fs.IntVar(&o.inFlight, "in-flight", defaultInFlight, "`number` of operations that each client has under way")
	fs.Float64Var(&o.rate, "rate", 0, "begin `N` operations a second, whatever the answers; 0 is as fast as answers come")
	fs.DurationVar(&o.duration, "duration", defaultDuration, "measure for this `time`")
	fs.DurationVar(&o.warmUp, "warm-up", defaultWarmUp, "load for this `time` first, without measuring")
	fs.StringVar(&o.size, "size", "100", "`bytes` of data in a znode, such as 100, 4k or 1m")
	fs.IntVar(&o.keys, "keys", defaultKeys, "`number` of znodes that are read and written")
	fs.StringVar(&o.path, "path", defaultPath, "`znode` below which everything happens; its parent must exist")
	command.ZnodeFlag(c, "path")
	fs.StringVar(&o.through, "through", "", "load the leader, the followers, or one `member`: its id or host:port (default the servers of -server)")
	_ = c.RegisterFlagCompletionFunc("through", cobra.FixedCompletions([]string{leader, followers}, cobra.ShellCompDirectiveNoFileComp))
	fs.BoolVar(&o.persistent, "persistent", false, "use persistent znodes, which are removed at the end")
	fs.BoolVar(&o.clean, "clean", false, "only remove what killed runs left below --path")
	fs.StringVar(&o.hdr, "hdr", "", "write latencies to `file`: an HDR interval log, or percentiles if it ends in .hgrm")
	fs.StringVar(&o.compare, "compare", "", "compare with the run whose --hdr log is `file`")
	fs.BoolVarP(&o.yes, "yes", "y", false, "do not ask before loading servers that are not on this machine")
	fs.StringVarP(&o.output, "output", "o", string(ui.Text), "`format`: text, or json, one object")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{string(ui.Text), string(ui.JSON)}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// plan is what is to be done, checked.
type plan struct {
	mix        mix
	clients    int
	inFlight   int
	rate       float64
	duration   time.Duration
	warmUp     time.Duration
	size       int
	keys       int
	persistent bool
}

// Bounds of the options.
const (
	mostClients   = 20_000
	mostInFlight  = 10_000
	mostKeys      = 9_999_999
	mostRate      = 10e6
	mostEphemeral = 10_000 // of a session: they are all listed in the transaction that closes it
	mostSize      = 1 << 20
)

// check reads the options.
func (o *options) check(args []string) (p *plan, err error) {
	text := o.mix
	if len(args) > 0 {
		if o.mix != defaultMix {
			return nil, fmt.Errorf("--mix %s and %q say the same twice; give one of them", o.mix, args[0])
		}
		text = args[0]
	}
	p = &plan{clients: o.clients, inFlight: o.inFlight, rate: o.rate, duration: o.duration, warmUp: o.warmUp, keys: o.keys, persistent: o.persistent}
	if p.mix, err = parseMix(text); err != nil {
		return nil, err
	}
	size, err := ui.ParseBytes(o.size)
	switch {
	case err != nil:
		return nil, fmt.Errorf("--size: %w", err)
	case size < 0 || size > mostSize:
		return nil, fmt.Errorf("--size %s: use 0 to 1m; servers refuse requests above jute.maxbuffer, 1 MiB by default", o.size)
	case o.clients < 1 || o.clients > mostClients:
		return nil, fmt.Errorf("--clients %d: use 1 to %d", o.clients, mostClients)
	case o.inFlight < 1 || o.inFlight > mostInFlight:
		return nil, fmt.Errorf("--in-flight %d: use 1 to %d", o.inFlight, mostInFlight)
	case !(o.rate >= 0 && o.rate <= mostRate):
		return nil, fmt.Errorf("--rate %v: use a number of operations a second up to %d, or 0 for as many as possible", o.rate, int(mostRate))
	case o.duration <= 0:
		return nil, fmt.Errorf("--duration %v: use a positive time, such as 10s", o.duration)
	case o.warmUp < 0:
		return nil, fmt.Errorf("--warm-up %v: use a time, such as 1s, or 0", o.warmUp)
	case o.keys < 1 || o.keys > mostKeys:
		return nil, fmt.Errorf("--keys %d: use 1 to %d", o.keys, mostKeys)
	case !o.persistent && p.mix.needsKeys() && (o.keys-1)/o.clients+1 > mostEphemeral:
		return nil, fmt.Errorf("--keys %d: a session closes with at most %d ephemeral znodes; use more --clients, or --persistent", o.keys, mostEphemeral)
	}
	p.size = int(size)
	return p, nil
}
