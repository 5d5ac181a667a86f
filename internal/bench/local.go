package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/load"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
)

// figure is a property of a server, measured on ours and on Apache's.
type figure struct {
	name         string
	ours, theirs float64
	unit         func(float64) string
	higher       bool    // higher is better
	ratio        float64 // target: at least this many times better; 0 for none
	limit        float64 // most for ours; 0 for no limit
}

func (f figure) better() float64 {
	if f.higher {
		return f.ours / f.theirs
	}
	return f.theirs / f.ours
}

func (f figure) met() bool {
	if math.IsNaN(f.ours) {
		return false
	}
	return (f.ratio == 0 || f.better() >= f.ratio || math.IsNaN(f.theirs)) && (f.limit == 0 || f.ours <= f.limit)
}

func (f figure) target() string {
	var t []string
	if f.ratio > 0 {
		t = append(t, fmt.Sprintf("≥ %g×", f.ratio))
	}
	if f.limit > 0 {
		t = append(t, "≤ "+f.unit(f.limit))
	}
	if t == nil {
		return "–"
	}
	return strings.Join(t, ", ")
}

func perSecond(v float64) string { return thousands(int(v)) + "/s" }
func millis(v float64) string    { return shown(time.Duration(v)) }
func bytesOf(v float64) string   { return fmt.Sprintf("%.0f bytes", v) }
func mebis(v float64) string     { return mebibytes(int64(v)) }

// served is a server process under test.
type served struct {
	cmd  *exec.Cmd
	addr string
	dir  string
}

// engine starts one kind of server with a zoo.cfg.
type engine struct {
	name string
	argv func(config string, port int) []string
	env  []string
}

// apacheName is how Apache's servers are called.
const apacheName = "Apache"

func (b *bench) engines() []engine {
	java := []string{b.in.Java, "-Xmx1000m", "-cp", strings.Join(b.in.ServerClassPath, ":"), // as zkServer.sh
		"org.apache.zookeeper.server.quorum.QuorumPeerMain"}
	e := []engine{
		embedded("zkctl", b.zkctl),
		{apacheName, func(config string, _ int) []string { return append(slices.Clone(java), config) }, os.Environ()},
	}
	if b.other != "" {
		e[1] = embedded(b.beside, b.other)
	}
	return e
}

// embedded is the server in a binary of zkctl.
func embedded(name, binary string) engine {
	return engine{name, func(config string, _ int) []string { return []string{binary, "server", "start-foreground", config} }, os.Environ()}
}

// writeZooCfg writes a zoo.cfg with a server's defaults, except for limits on connections.
func writeZooCfg(dir string, port int, lines ...string) (string, error) {
	text := fmt.Sprintf("tickTime=2000\ndataDir=%s\nclientPort=%d\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\nadmin.enableServer=false\n4lw.commands.whitelist=*\n%s",
		filepath.Join(dir, "data"), port, strings.Join(lines, ""))
	file := filepath.Join(dir, "zoo.cfg")
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// serve starts a server on a new directory, or the given one, and returns once a client has
// received its first answer.
func (b *bench) serve(ctx context.Context, e engine, dir string, lines ...string) (*served, time.Duration, error) {
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "zkctl-bench-"); err != nil {
			return nil, 0, err
		}
	}
	port, err := port.Free()
	if err != nil {
		return nil, 0, err
	}
	start := time.Now()
	s, err := launch(ctx, e, dir, port, lines...)
	if err != nil {
		return nil, 0, err
	}
	if err := awaitAnswer(ctx, s.addr, time.Minute); err != nil {
		text, _ := os.ReadFile(filepath.Join(dir, "server.log"))
		s.stop()
		return nil, 0, fmt.Errorf("start %s: %w: %s", e.name, err, tail(string(text)))
	}
	return s, time.Since(start), nil
}

// launch starts a server's process without waiting for it.
func launch(ctx context.Context, e engine, dir string, port int, lines ...string) (*served, error) {
	config, err := writeZooCfg(dir, port, lines...)
	if err != nil {
		return nil, err
	}
	argv := e.argv(config, port)
	s := &served{cmd: exec.CommandContext(ctx, argv[0], argv[1:]...), addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), dir: dir}
	log, err := os.OpenFile(filepath.Join(dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = e.env, log, log
	return s, s.cmd.Start()
}

// awaitAnswer returns once a client has received an answer.
func awaitAnswer(ctx context.Context, addr string, limit time.Duration) error {
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		err := try(ctx, addr, proto.OpGetData, &proto.PathWatchRequest{Path: "/"})
		if err == nil {
			return nil
		}
		if time.Since(start) > limit || ctx.Err() != nil {
			return err
		}
	}
}

// patience is how long a server may take to answer a probe: its port may be open before it serves.
const patience = 100 * time.Millisecond

// try makes one request in its own session.
func try(ctx context.Context, addr string, op proto.Op, record jute.Record) error {
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s, err := openSession(short, addr, 0)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Call(op, record, nil)
}

// stop ends the server and removes its directory.
func (s *served) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
	os.RemoveAll(s.dir)
}

// memory returns the server's resident set in bytes.
func (s *served) memory() (float64, error) { return residentSet(s.cmd.Process.Pid) }

func residentSet(pid int) (float64, error) { return procStatus(pid, "VmRSS") }

// procStatus returns a size in bytes that the system knows of a process.
func procStatus(pid int, field string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("memory is read from /proc: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kib * 1024, err
		}
	}
	return 0, fmt.Errorf("process %d has no %s", pid, field)
}

// stepLimit is how long a part of the benchmark may take, and localLimit all of them: an idle machine with two cores needs
// about half of it.
const (
	stepLimit  = 5 * time.Minute
	localLimit = 11 * time.Minute
)

// runLocal compares the embedded server with Apache's.
func (b *bench) runLocal(ctx context.Context) error {
	cleanUp, err := b.prepare(ctx)
	if err != nil {
		return err
	}
	defer cleanUp()
	if b.facts, err = b.machine(ctx); err != nil {
		return err
	}
	b.facts[len(b.facts)-1] = fmt.Sprintf("medians of %d runs, the servers in turns; memory by znode, with sessions and watches, pauses and idle CPU: one run", b.runs)
	b.facts = append(b.facts, "both servers on the same zoo.cfg, one after the other in turns; data on the same disk, fsync on; Apache's JVM with -Xmx1000m, as zkServer.sh starts it")
	steps := []struct {
		name string
		run  func(context.Context) error
	}{
		{"throughput", b.throughput}, {"ensemble", b.ensemble}, {"start", b.startUp}, {"oneshot", b.besideC}, {"idle", b.idle},
		{"generator", b.generator}, {"znodes", b.manyZnodes}, {"sessions", b.manySessions}, {"pause", b.pause},
	}
	whole, cancel := context.WithTimeout(ctx, localLimit)
	defer cancel()
	for _, step := range steps {
		if !strings.Contains(step.name, b.only) {
			continue
		}
		// What one step lacks is no reason to leave out the others. Without time, its servers are killed and it fails.
		limited, cancel := context.WithTimeout(whole, stepLimit)
		err := step.run(limited)
		if err != nil && limited.Err() != nil {
			err = fmt.Errorf("there was no time (%v, and %v for all): %w", stepLimit, localLimit, err)
		}
		cancel()
		if err != nil {
			b.skip("%s: %v", step.name, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// skip says, now and in the report, what cannot be measured.
func (b *bench) skip(format string, a ...any) {
	note := firstLine(fmt.Sprintf(format, a...))
	progress("NOT MEASURED: %s", note)
	b.unmeasured = append(b.unmeasured, note)
}

// both measures something on each engine, several times in alternation, and returns the medians.
func (b *bench) both(runs int, what string, measure func(e engine) (float64, error)) (ours, theirs float64, err error) {
	var values [2][]float64
	for i := range runs {
		progress("%s, run %d of %d", what, i+1, runs)
		for k, e := range b.engines() {
			v, err := measure(e)
			if err != nil {
				return 0, 0, fmt.Errorf("%s: %w", e.name, err)
			}
			values[k] = append(values[k], v)
		}
	}
	for k := range values {
		slices.Sort(values[k])
	}
	return values[0][runs/2], values[1][runs/2], nil
}

func (b *bench) startUp(ctx context.Context) error {
	idle := [2][]float64{}
	n := 0
	ours, theirs, err := b.both(b.runs, "start", func(e engine) (float64, error) {
		s, took, err := b.serve(ctx, e, "")
		if err != nil {
			return 0, err
		}
		defer s.stop()
		time.Sleep(2 * time.Second) // until it is idle
		m, err := s.memory()
		idle[n%2] = append(idle[n%2], m)
		n++
		return float64(took), err
	})
	if err != nil {
		return err
	}
	for k := range idle {
		slices.Sort(idle[k])
	}
	b.figures = append(b.figures,
		figure{"from the start of the process to a client's first answer", ours, theirs, millis, false, 20, float64(100 * time.Millisecond)},
		figure{"memory when idle", idle[0][b.runs/2], idle[1][b.runs/2], mebis, false, 0, 30 << 20})
	return nil
}

func makeZnodes(ctx context.Context, addr string, n int) error {
	s, err := openSession(ctx, addr, 0)
	if err != nil {
		return err
	}
	defer s.Close()
	for i := range n {
		err := s.Call(proto.OpCreate, &proto.CreateRequest{Path: loadPath(i), Data: payload, ACL: proto.OpenACL}, nil)
		if err != nil && err != proto.ErrNodeExists {
			return err
		}
	}
	return nil
}

// fill creates n znodes of 100 bytes below parents of 1,000 children.
func fill(ctx context.Context, addr string, n int) error {
	total := n + n/1000
	_, err := load.Run(ctx, load.Options{Addr: addr, Clients: 1, Window: 512, Count: total, Request: func(_, i int) (proto.Op, jute.Record) {
		path := fmt.Sprintf("/fill%05d", i/1001)
		if i%1001 > 0 {
			path += fmt.Sprintf("/znode-%04d", i%1001)
		}
		return proto.OpCreate, &proto.CreateRequest{Path: path, Data: payload, ACL: proto.OpenACL}
	}})
	return err
}

func (b *bench) manyZnodes(ctx context.Context) error {
	const n = 1_000_000
	ours, theirs, err := b.both(1, "memory of 1,000,000 znodes", func(e engine) (float64, error) {
		s, _, err := b.serve(ctx, e, "", "forceSync=no\n")
		if err != nil {
			return 0, err
		}
		defer s.stop()
		before, err := s.memory()
		if err != nil {
			return 0, err
		}
		if err := fill(ctx, s.addr, n); err != nil {
			return 0, err
		}
		time.Sleep(3 * time.Second)
		after, err := s.memory()
		return (after - before) / n, err
	})
	if err != nil {
		return err
	}
	b.besides(figure{"memory by znode, at 1,000,000 znodes of 100 bytes", ours, theirs, bytesOf, false, 2, 350})
	return nil
}

func (b *bench) manySessions(ctx context.Context) error {
	const sessions, each = 10_000, 100
	var held [2]float64
	k := 0
	ours, theirs, err := b.both(1, "10,000 sessions with 1,000,000 watches", func(e engine) (float64, error) {
		s, _, err := b.serve(ctx, e, "", "forceSync=no\nmaxSessionTimeout=600000\n") // no client pings
		if err != nil {
			return 0, err
		}
		defer s.stop()
		var open []*wiretest.Client
		defer func() {
			for _, one := range open {
				one.Close()
			}
		}()
		for range sessions {
			one, err := openSession(ctx, s.addr, 10*time.Minute)
			if err != nil {
				return 0, fmt.Errorf("session %d: %w", len(open)+1, err)
			}
			open = append(open, one)
		}
		idle, err := s.memory()
		if err != nil {
			return 0, err
		}
		held[k] = idle
		k++
		for i, one := range open {
			for n := range each {
				err := one.Call(proto.OpExists, &proto.PathWatchRequest{Path: fmt.Sprintf("/watched/%d/%d", i, n), Watch: true}, nil)
				if err != nil && err != proto.ErrNoNode {
					return 0, err
				}
			}
		}
		return s.memory()
	})
	if err != nil {
		return err
	}
	b.figures = append(b.figures,
		figure{"memory with 10,000 idle sessions", held[0], held[1], mebis, false, 0, 0},
		figure{"memory with 1,000,000 watches of theirs", ours, theirs, mebis, false, 0, 0})
	return nil
}

// pause measures the longest silence towards continuously writing clients while the server saves
// 1,000,000 znodes.
func (b *bench) pause(ctx context.Context) error {
	const n = 1_000_000
	ours, theirs, err := b.both(1, "writes while a snapshot is taken", func(e engine) (float64, error) {
		s, _, err := b.serve(ctx, e, "", "forceSync=no\nsnapCount=300000\n")
		if err != nil {
			return 0, err
		}
		defer s.stop()
		if err := fill(ctx, s.addr, n); err != nil {
			return 0, err
		}
		if err := makeZnodes(ctx, s.addr, loadClients); err != nil {
			return 0, err
		}
		worst := time.Duration(0)
		for start := snapshots(s.dir); snapshots(s.dir) < start+2; {
			r, err := load.Run(ctx, load.Options{Addr: s.addr, Clients: 4, Window: 16, For: 2 * time.Second, Request: workloads[0].request})
			if err != nil {
				return 0, err
			}
			worst = max(worst, r.Gap)
		}
		return float64(worst), nil
	})
	if err != nil {
		return err
	}
	b.besides(figure{"longest pause of writers while 1,000,000 znodes are saved", ours, theirs, millis, false, 0, float64(50 * time.Millisecond)})
	return nil
}

func snapshots(dir string) int {
	list, _ := filepath.Glob(filepath.Join(dir, "data", "version-2", "snapshot.*"))
	return len(list)
}

// figureTable writes the report of the figures.
func figureTable(w io.Writer, beside string, figures []figure) {
	fmt.Fprintf(w, "| what | zkctl | %s | better | target |\n|---|---:|---:|---:|---:|\n", beside)
	for _, f := range figures {
		theirs, better := "–", "–"
		if !math.IsNaN(f.theirs) && f.theirs != 0 { // it was measured
			theirs = f.unit(f.theirs)
			if v := f.better(); !math.IsInf(v, 0) {
				better = fmt.Sprintf("%.1f×", v)
			}
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", f.name, f.unit(f.ours), theirs, better, f.target())
	}
}
