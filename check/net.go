package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/fourletter"
	"github.com/zkctl/zkctl/internal/ui"
)

type netOptions struct {
	streams   *ui.Streams
	connect   connect
	limits    Asker
	hosts     []string
	count     int
	interval  time.Duration
	timeout   time.Duration
	tick      time.Duration
	syncTicks int64
	output    string
}

func newNetCommand(s *ui.Streams, connect connect, limits Asker) *cobra.Command {
	opt := &netOptions{streams: s, connect: connect, limits: limits}
	c := &cobra.Command{
		Use:               "net [HOST…]",
		Short:             "check the round trips to the hosts of an ensemble",
		ValidArgsFunction: command.Takes(command.Servers, 0, -1),
		Long: `Measure round trips from this machine to the client ports of hosts, all at once, and
compare them with tickTime and syncLimit: those that the server tells, else the
defaults. A round trip is measured twice: how long the host takes to accept a
connection, which is the network, and how long the server takes to answer ruok.

Without HOST, the servers of -server are measured. Of a host on which nothing listens
yet, the round trips of its refusals are shown.`,
		Annotations: command.Exits{0: "the network to all hosts is fit", 1: "that to one is not, or it does not answer", 2: "that is unknown for one, because no ZooKeeper server answers there"}.Predicate(),
		Example: `  zkctl check net zk1 zk2:2181 zk3
  zkctl -server zk1,zk2,zk3 check net --count 1000 --interval 10ms
  zkctl check net 10.0.0.2 --tick-time 500ms --sync-limit 4 -o json`,
		Args: command.ArgCount(0, -1),
		RunE: func(c *cobra.Command, args []string) error {
			opt.hosts = args
			return runNet(c.Context(), opt)
		},
	}
	fs := c.Flags()
	fs.IntVar(&opt.count, "count", 50, "`number` of round trips to each host")
	fs.DurationVar(&opt.interval, "interval", 50*time.Millisecond, "`time` from one round trip to the next")
	fs.DurationVar(&opt.timeout, "timeout", 3*time.Second, "`time` that a round trip may take")
	fs.DurationVar(&opt.tick, "tick-time", 0, "tickTime to compare with, a `time` (default: the server's)")
	fs.Int64Var(&opt.syncTicks, "sync-limit", 0, "syncLimit to compare with, in `ticks` (default: the server's)")
	formatFlag(c, &opt.output)
	return c
}

// netResult is what was found of a host.
type netResult struct {
	Server  string
	Address string // IP address and port; "" if the name has none
	Sent    int
	Lost    int // no answer in time
	Refused int // of Connect
	Empty   int // accepted, but not answered
	Connect times
	Answer  times
	Err     error // why the first round trip failed, unless it was refused
	Reply   error // why a connection was not answered
	Strange bool  // the answer is not ZooKeeper's

	Limits Limits
	From   string // whose the limits are: server, options, default
}

// Whose the limits are.
const (
	fromServer  = "server"
	fromOptions = "options"
	fromDefault = "default"
)

const (
	hostsAtOnce = 16
	mostTrips   = 1_000_000
	giveUp      = 3 // round trips without an answer, one after the other
)

func runNet(ctx context.Context, opt *netOptions) error {
	format, err := ui.ParseFormat(opt.output)
	switch {
	case err != nil:
		return err
	case opt.count < 1 || opt.count > mostTrips:
		return fmt.Errorf("--count: invalid value %d; use 1 to %d", opt.count, mostTrips)
	case opt.interval < 0:
		return fmt.Errorf("--interval: invalid value %v; use 0 or more", opt.interval)
	case opt.timeout <= 0:
		return fmt.Errorf("--timeout: invalid value %v; use a positive time, such as 3s", opt.timeout)
	case opt.tick < 0 || opt.syncTicks < 0:
		return errors.New("--tick-time and --sync-limit must be more than 0")
	}
	cfg, err := opt.connect()
	if err != nil {
		return err
	}
	servers := strings.Join(opt.hosts, ",")
	if len(opt.hosts) == 0 {
		servers = cfg.Servers
	}
	addrs, chroot, err := client.ParseServers(servers)
	switch {
	case err != nil:
		return err
	case chroot != "" && len(opt.hosts) > 0:
		return fmt.Errorf("unexpected path %s after the hosts", chroot)
	}
	results := make([]*netResult, len(addrs))
	progress := opt.streams.NewProgress("check net", int64(opt.count)*int64(len(addrs)))
	defer progress.Done()
	trips := make(chan struct{}, hostsAtOnce)
	go func() {
		slots := make(chan struct{}, hostsAtOnce)
		var all sync.WaitGroup
		for i, a := range addrs {
			all.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				results[i] = opt.measure(ctx, &cfg, a, trips)
			})
		}
		all.Wait()
		close(trips)
	}()
	made := int64(0)
	for range trips {
		made++
		progress.Set(made)
	}
	progress.Done()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	verdicts := make([]*verdict, len(results))
	for i, r := range results {
		verdicts[i] = judgeNet(r, opt.timeout)
	}
	if err := printNet(opt.streams, format, results, verdicts); err != nil {
		return err
	}
	return exit(verdicts...)
}

// trip is one round trip.
type trip struct {
	connect time.Duration
	answer  time.Duration // 0 if the connection was not made
	peer    string
	reply   string
	err     error
}

func (opt *netOptions) measure(ctx context.Context, cfg *client.Config, a client.Address, trips chan<- struct{}) *netResult {
	r := &netResult{Server: a.String(), From: fromDefault, Limits: Limits{defaultTick, defaultSyncTicks}}
	peers, err := opt.resolve(ctx, cfg, a)
	if err != nil {
		r.Err = err
		return r
	}
	var connects, answers []time.Duration
	defer func() { r.Connect, r.Answer = timesOf(connects), timesOf(answers) }()
	silent := 0
	next := time.NewTimer(0)
	defer next.Stop()
	for r.Sent < opt.count && ctx.Err() == nil {
		select {
		case <-next.C:
		case <-ctx.Done():
			return r
		}
		next.Reset(opt.interval)
		t := opt.trip(ctx, cfg, a, peers)
		if ctx.Err() != nil {
			return r
		}
		trips <- struct{}{}
		r.Sent++
		timedOut := isTimeout(t.err)
		switch {
		case client.Refused(t.err):
			r.Refused++
			connects = append(connects, t.connect)
		case t.connect > 0: // a connection was made
			connects = append(connects, t.connect)
			switch {
			case timedOut:
				r.Lost++
			case t.err != nil || t.reply == "":
				r.Empty, r.Reply = r.Empty+1, cmp.Or(errors.Unwrap(t.err), t.err) // without what Ask says was asked
			default:
				answers = append(answers, t.answer)
				r.Strange = r.Strange || t.reply != "imok" && strings.TrimSpace(t.reply) != fourletter.NotWhitelisted("ruok")
			}
		case timedOut:
			r.Lost++
		default:
			r.Err = t.err
		}
		if silent++; !timedOut {
			silent = 0
		}
		if r.Sent == 1 {
			if t.peer != "" {
				peers, r.Address = []string{t.peer}, t.peer
			}
			if timedOut || r.Err != nil {
				return r
			}
			opt.ask(ctx, cfg, r)
		}
		if silent == giveUp || r.Err != nil {
			break
		}
	}
	return r
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// ask fills in the limits.
func (opt *netOptions) ask(ctx context.Context, cfg *client.Config, r *netResult) {
	if opt.tick > 0 || opt.syncTicks > 0 {
		r.From = fromOptions
	}
	if opt.tick == 0 && r.Refused == 0 && r.Empty == 0 {
		within, cancel := context.WithTimeout(ctx, opt.timeout)
		defer cancel()
		if l, err := opt.limits(within, *cfg, r.Server); err == nil {
			r.Limits.Tick = l.Tick
			if l.SyncTicks > 0 {
				r.Limits.SyncTicks = l.SyncTicks
			}
			if opt.syncTicks == 0 {
				r.From = fromServer
			}
		}
	}
	if opt.tick > 0 {
		r.Limits.Tick = opt.tick
	}
	if opt.syncTicks > 0 {
		r.Limits.SyncTicks = opt.syncTicks
	}
}

// resolve returns the addresses of a host once, so that the name server is no part of a round trip.
func (opt *netOptions) resolve(ctx context.Context, cfg *client.Config, a client.Address) ([]string, error) {
	if cfg.Dial != nil || net.ParseIP(a.Host) != nil {
		return []string{a.String()}, nil
	}
	within, cancel := context.WithTimeout(ctx, opt.timeout)
	defer cancel()
	list, err := net.DefaultResolver.LookupNetIP(within, "ip", a.Host)
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return nil, fmt.Errorf("unknown host %s", a.Host)
	case err != nil:
		return nil, fmt.Errorf("the name server did not tell the address of %s: %w", a.Host, err)
	}
	peers := make([]string, len(list))
	for i, ip := range list {
		peers[i] = netip.AddrPortFrom(ip.Unmap(), uint16(a.Port)).String()
	}
	return peers, nil
}

// trip connects to the first of the peers that can be reached, and asks for ruok.
func (opt *netOptions) trip(ctx context.Context, cfg *client.Config, a client.Address, peers []string) (t trip) {
	ctx, cancel := context.WithTimeout(ctx, opt.timeout)
	defer cancel()
	dial := cfg.Dial
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: -1}).DialContext
	}
	own := *cfg
	own.Dial = func(ctx context.Context, network, _ string) (conn net.Conn, err error) {
		for i, peer := range peers {
			within, cancel := context.WithTimeout(ctx, opt.timeout/time.Duration(len(peers)-i))
			start := time.Now()
			conn, err = dial(within, network, peer)
			t.connect, t.peer = time.Since(start), peer
			cancel()
			if err == nil {
				return conn, nil
			}
		}
		if !client.Refused(err) {
			t.connect = 0
		}
		return nil, err
	}
	through := own.Dialer()
	var ready time.Time
	reply, err := fourletter.Ask(ctx, func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := through(ctx, network, addr)
		ready = time.Now()
		return conn, err
	}, a.String(), "ruok")
	t.answer, t.reply, t.err = time.Since(ready), string(reply), err
	return t
}

func printNet(s *ui.Streams, format ui.Format, results []*netResult, verdicts []*verdict) error {
	if format == ui.JSON {
		for i, r := range results {
			verdicts[i].complete()
			if err := ui.PrintJSON(s.Out, r.document(verdicts[i])); err != nil {
				return err
			}
		}
		return nil
	}
	out := &strings.Builder{}
	for i, r := range results {
		if i > 0 {
			out.WriteByte('\n')
		}
		at := ""
		if r.Address != "" && r.Address != r.Server {
			at = " (" + r.Address + ")"
		}
		fmt.Fprintf(out, "%s%s: %s\n", escape.Line(r.Server), escape.Line(at), verdicts[i].word(s))
		rows := [][]string{{"round trip", "made", "lost", "median", "90%", "99%", "slowest"}}
		row := func(name string, t times, lost int) {
			if t.Count > 0 {
				rows = append(rows, []string{name, fmt.Sprint(t.Count), fmt.Sprint(lost), brief(t.Median), brief(t.P90), brief(t.P99), brief(t.Slowest)})
			}
		}
		name := "connect"
		if r.Refused > 0 {
			name = "refusal"
		}
		row(name, r.Connect, r.Sent-r.Connect.Count)
		row("answer", r.Answer, max(0, r.Connect.Count-r.Answer.Count))
		if len(rows) > 1 {
			rows = append(rows, []string{"limit", "", "0", "", "", "≤ " + brief(r.Limits.Tick/perTick), "< " + brief(r.Limits.Tick*time.Duration(r.Limits.SyncTicks))})
			table(s, out, rows, "90%", "made")
			whose := map[string]string{fromServer: "as the server tells", fromOptions: "as the options say", fromDefault: "the defaults, since the server tells nothing else"}[r.From]
			fmt.Fprintln(out, s.Hang(fmt.Sprintf("  tickTime %d, syncLimit %d: %s", r.Limits.Tick.Milliseconds(), r.Limits.SyncTicks, whose), 4))
		}
		verdicts[i].print(s, out)
	}
	_, err := io.WriteString(s.Out, out.String())
	return err
}

// netDocument is a netResult in JSON.
type netDocument struct {
	Server  string  `json:"server"`
	Address *string `json:"address"`
	Fit     *bool   `json:"fit"`
	Sent    int     `json:"sent"`
	Lost    int     `json:"lost"`
	Refused int     `json:"refused"`
	Connect times   `json:"connect"`
	Answer  times   `json:"answer"`
	Tick    int64   `json:"tickTime"` // ms
	Sync    int64   `json:"syncLimit"`
	From    string  `json:"limitsFrom"`
	verdict
}

func (r *netResult) document(v *verdict) *netDocument {
	d := &netDocument{Server: r.Server, Fit: v.fit(), Sent: r.Sent, Lost: r.Lost, Refused: r.Refused, Connect: r.Connect, Answer: r.Answer,
		Tick: r.Limits.Tick.Milliseconds(), Sync: r.Limits.SyncTicks, From: r.From, verdict: *v}
	if r.Address != "" {
		d.Address = &r.Address
	}
	return d
}
