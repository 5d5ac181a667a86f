package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/load"
	"github.com/zkctl/zkctl/internal/ui"
)

// The values of --through besides a member.
const (
	leader    = "leader"
	followers = "followers"
)

// run is a run of the verb.
type run struct {
	*options
	env     *command.Env
	plan    *plan
	conn    *client.Conn
	cfg     client.Config // of the load's sessions
	servers []Member
	at      *places
	series  *series
	before  *log // of --compare
	started time.Time
}

// cleanUpTime is how long the removal of a run's znodes may take.
const cleanUpTime = 30 * time.Second

func (o *options) main(ctx context.Context, args []string) error {
	format, err := ui.ParseFormat(o.output)
	if err != nil {
		return err
	}
	env := *o.env
	env.Output, env.Yes = format, o.yes || env.Yes
	p, err := o.check(args)
	if err != nil {
		return err
	}
	r := &run{options: o, env: &env, plan: p, started: time.Now()}
	if o.path == "/" {
		return errors.New("--path /: the run must have a znode of its own; use a path such as " + defaultPath)
	}
	if err := client.ValidatePath(o.path); err != nil {
		return err
	}
	if o.compare != "" {
		if r.before, err = readLog(o.compare); err != nil {
			return err
		}
	}
	if r.conn, err = env.Conn(); err != nil {
		return err
	}
	if err := r.conn.MayChange("load the ensemble"); err != nil {
		return err
	}
	if o.clean {
		return r.cleanOnly(ctx)
	}
	if err := r.ready(ctx); err != nil {
		return err
	}
	return r.measure(ctx)
}

// ready finds the servers to load, and asks whether they may be.
func (r *run) ready(ctx context.Context) (err error) {
	if r.cfg, err = r.env.Session.Apart(); err != nil {
		return err
	}
	r.cfg.Watched, r.cfg.Warn, r.cfg.Wait = nil, nil, false
	if err := r.choose(ctx); err != nil {
		return err
	}
	return r.confirm(ctx)
}

// cleanOnly removes what killed runs left.
func (r *run) cleanOnly(ctx context.Context) error {
	if err := r.env.ConfirmChange(ctx, r.conn, 0, 0, "Remove what killed runs left below "+r.path+"?", "nothing was removed"); err != nil {
		return err
	}
	found, err := clean(client.Unasked(ctx), r.conn, r.path, r.env.StateDir)
	if err != nil {
		return err
	}
	if r.env.Output == ui.JSON {
		return r.env.PrintJSON(found)
	}
	r.tellRemains(found)
	if _, err := fmt.Fprintf(r.env.Streams.Out, "removed %s of %s\n", command.Counted(found.Znodes, "znode"), command.Counted(found.Runs, "killed run")); err != nil {
		return err
	}
	return nil
}

func (r *run) tellRemains(found remains) {
	for _, path := range found.Alive {
		r.env.Note("%s is under way, or its session has not expired yet; it stays", escape.Line(path))
	}
	for _, path := range found.Foreign {
		r.env.Warn("%s stays: bench did not make it", escape.Line(path))
	}
}

// choose finds the servers to load.
func (r *run) choose(ctx context.Context) error {
	addrs, _, err := client.ParseServers(r.cfg.Servers)
	if err != nil {
		return err
	}
	var at []client.Address
	if r.through != "" && r.through != leader && r.through != followers {
		if _, err := strconv.ParseInt(r.through, 10, 64); err != nil {
			var chroot string
			if at, chroot, err = client.ParseServers(r.through); err != nil || chroot != "" {
				return fmt.Errorf("--through %s: use leader, followers, a member's id or its host:port", r.through)
			}
		}
	}
	switch {
	case r.through == "":
		at = addrs
		fallthrough
	case at != nil:
		for _, a := range at {
			r.servers = append(r.servers, Member{Address: a, ID: -1})
		}
		return nil
	}
	members, err := r.members(ctx, r.cfg)
	if err != nil {
		return fmt.Errorf("--through %s: %w", r.through, err)
	}
	var known []string
	for _, m := range members {
		known = append(known, fmt.Sprintf("%v (%s)", m.Address, m.Mode))
		switch r.through {
		case leader:
			if m.Mode == "leader" || m.Mode == "standalone" {
				r.servers = append(r.servers, m)
			}
		case followers:
			if m.Mode == "follower" {
				r.servers = append(r.servers, m)
			}
		default:
			if strconv.FormatInt(m.ID, 10) == r.through {
				r.servers = append(r.servers, m)
			}
		}
	}
	if len(r.servers) == 0 {
		if known == nil {
			known = []string{"none; four-letter words or the AdminServer must be open to tell members apart"}
		}
		return fmt.Errorf("--through %s: no such member among those that serve: %s", r.through, escape.Line(strings.Join(known, ", ")))
	}
	return nil
}

// confirm asks before servers elsewhere are loaded.
func (r *run) confirm(ctx context.Context) error {
	var far []string
	for _, m := range r.servers {
		if !here(ctx, m.Address) && !slices.Contains(far, m.Address.Host) {
			far = append(far, m.Address.Host)
		}
	}
	how := "as fast as it answers"
	if r.plan.rate > 0 {
		how = fmt.Sprintf("with %s operations a second", number(r.plan.rate))
	}
	names := escape.Line(strings.Join(far, ", "))
	if len(far) > 0 && !r.env.Streams.InTTY && !r.env.Yes && r.conn.Guard().Level == client.Unguarded {
		return fmt.Errorf("zkctl would load %s, which is not this machine, %s; confirm it with -y", names, how)
	}
	question := fmt.Sprintf("Load %s, which is not this machine, for %v %s?", names, r.plan.duration, how)
	if len(far) == 0 {
		question = fmt.Sprintf("Load the ensemble for %v %s?", r.plan.duration, how)
	}
	return r.env.ConfirmChange(ctx, r.conn, len(far), 0, question, "nothing was sent")
}

// here reports whether an address is of this machine.
func here(ctx context.Context, a client.Address) bool {
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, a.Host)
	if err != nil || len(ips) == 0 {
		return false
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, ip := range ips {
		if !ip.IP.IsLoopback() && !slices.ContainsFunc(own, func(one net.Addr) bool {
			n, ok := one.(*net.IPNet)
			return ok && n.IP.Equal(ip.IP)
		}) {
			return false
		}
	}
	return true
}

// measure makes the znodes, loads the servers, removes the znodes, and prints the result.
func (r *run) measure(ctx context.Context) (err error) {
	var file *atomicfile.File
	if r.hdr != "" {
		if file, err = atomicfile.Replace(r.hdr); err != nil {
			return fmt.Errorf("--hdr: %w", err)
		}
		defer file.Abandon()
	}
	report, used, cleaned, err := r.measured(ctx)
	if err != nil {
		return errors.Join(err, cleaned)
	}
	res := r.result(report, used)
	if file != nil {
		if err := r.write(file, res); err != nil {
			return errors.Join(err, cleaned)
		}
	}
	if err := res.print(r.env); err != nil {
		return errors.Join(err, cleaned)
	}
	switch {
	case report.Interrupted:
		return &ui.ExitError{Code: ui.ExitInterrupted, Err: errors.Join(fmt.Errorf("interrupted after %v: the result is partial", report.Took.Round(time.Millisecond)), cleaned)}
	case cleaned != nil:
		return cleaned
	case res.Operations == 0:
		return errors.New("no operation succeeded")
	}
	return nil
}

// measured makes the znodes, loads the servers, and removes the znodes. used is the time of this process's CPUs; cleaned says why
// znodes were not removed.
func (r *run) measured(ctx context.Context) (report *load.Report, used time.Duration, cleaned, err error) {
	own := client.Unasked(ctx) // the guard has been asked
	if err := r.conn.WaitConnected(ctx); err != nil {
		return nil, 0, nil, err
	}
	if found, err := clean(own, r.conn, r.path, r.env.StateDir); err != nil {
		return nil, 0, nil, err
	} else if r.tellRemains(found); found.Runs > 0 {
		r.env.Note("removed %s of %s", command.Counted(found.Znodes, "znode"), command.Counted(found.Runs, "killed run"))
	}
	r.at, err = prepare(own, r.conn, r.path, r.env.StateDir, r.plan.clients, r.started.UnixMilli())
	if r.at == nil {
		return nil, 0, nil, err
	}
	used = cpuTime()
	if err == nil {
		report, err = r.load(ctx)
	}
	used = cpuTime() - used
	return report, used, r.cleanUp(ctx), err
}

// load loads the servers.
func (r *run) load(ctx context.Context) (*load.Report, error) {
	cfg := load.Config{
		Client: r.cfg, Clients: r.plan.clients, InFlight: r.plan.inFlight, Rate: r.plan.rate, WarmUp: r.plan.warmUp, For: r.plan.duration,
		Kinds: len(r.plan.mix), Bytes: r.plan.size, Every: every(r.plan.duration),
		New: func(i int) load.Source { return newSource(r.plan, r.at, i) },
	}
	for _, m := range r.servers {
		cfg.Servers = append(cfg.Servers, m.Address)
	}
	r.series = newSeries(r, cfg.Every)
	cfg.Interval = r.series.add
	defer r.series.line.Done()
	measure := load.Measure
	if open := r.caller(); open != nil {
		measure = func(ctx context.Context, cfg load.Config) (*load.Report, error) {
			return load.MeasureCalls(ctx, cfg, open)
		}
	}
	r.series.line.Set(func() string { return fmt.Sprintf("opening sessions and warming up for %v …", r.plan.warmUp) })
	report, err := measure(ctx, cfg)
	var attempt *client.AttemptError
	if errors.As(err, &attempt) && len(r.servers) > 1 {
		err = fmt.Errorf("%w; bench loads every server of -server: leave it out, or choose with --through", err)
	}
	return report, err
}

// cleanUp removes the run's znodes, even if ctx has ended.
func (r *run) cleanUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(client.Unasked(context.WithoutCancel(ctx)), cleanUpTime)
	defer cancel()
	err := r.at.remove(ctx, r.conn)
	if err == nil {
		// A run that was killed before this one may be known as dead only now.
		_, err = clean(ctx, r.conn, r.path, r.env.StateDir)
	}
	if err != nil {
		return fmt.Errorf("remove the znodes of the run: %w; zkctl bench --clean removes them", err)
	}
	return nil
}

// write writes the file of --hdr.
func (r *run) write(file *atomicfile.File, res *result) error {
	var out bytes.Buffer
	var err error
	if strings.HasSuffix(r.hdr, ".hgrm") {
		err = res.percentiles(&out)
	} else {
		err = r.series.log(&out)
	}
	if err == nil {
		_, err = file.Write(out.Bytes())
	}
	if err == nil {
		err = file.Commit()
	}
	if err != nil {
		return fmt.Errorf("--hdr: %w", err)
	}
	return nil
}
