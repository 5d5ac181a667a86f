// Bench compares zkctl with Apache's tools: the same work on the same server or files, in the same
// run and in alternation, so that conditions are equal. It prints a Markdown table.
//
//	go run ./internal/bench [-offline | -local | -ensemble | -logs | -find | -transfer | -watch] -zkctl bin/zkctl [-runs 5] [-write docs/performance.md]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/client"
)

// Sizes of the trees, in znodes.
const (
	listedTree  = 150_000
	deletedTree = 20_000
	wideParent  = 100_000
)

func main() {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case measureArg:
			os.Exit(measureChild(os.Args[2:]))
		case floorArg:
			os.Exit(floor(os.Args[2]))
		case echoArg, journalArg, followArg:
			os.Exit(floorChild(os.Args[1:]))
		}
	}
	zkctl := flag.String("zkctl", "", "the `binary` to measure; built for the occasion when empty")
	runs := flag.Int("runs", 0, "how often each command that takes long is run; the table shows medians (5, with -local 3)")
	write := flag.String("write", "", "also put the table into this Markdown `file`, between its bench marks")
	only := flag.String("only", "", "measure only what has this `word` in its name")
	loadTime := flag.Duration("for", 3*time.Second, "with -local: how `long` each load lasts")
	other := flag.String("beside", "", "with -local: measure this `binary` of zkctl instead of Apache's servers, to compare two builds")
	offline := flag.Bool("offline", false, "measure the tools for logs and snapshots instead of the client")
	local := flag.Bool("local", false, "measure the embedded server beside Apache's instead")
	ensemble := flag.Bool("ensemble", false, "measure the verbs that look at an ensemble from outside instead")
	text := flag.Bool("logs", false, "measure the verbs that read text logs, beside rg and lnav, instead")
	find := flag.Bool("find", false, "measure the commands that read any location, beside ls -R and a script over kazoo, instead")
	transfer := flag.Bool("transfer", false, "measure the verbs that move data, beside scripts over kazoo, walks and etcdctl make-mirror, instead")
	many := flag.Bool("million", false, "with -transfer: also measure the memory for a million znodes, which takes minutes")
	watch := flag.Bool("watch", false, "measure how soon watch prints changes, and its memory, instead")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *runs < 1 {
		*runs = 5
		if *local {
			*runs = 3
		}
	}
	b := &bench{runs: *runs, zkctl: *zkctl, only: *only, loadTime: *loadTime}
	run, kind := b.run, "bench"
	if *offline {
		run, kind = b.runOffline, "bench-offline"
	}
	if *local {
		run, kind, b.other = b.runLocal, "bench-local", *other
		if b.other != "" {
			b.beside = "other zkctl"
		}
	}
	if *ensemble {
		run, kind = b.runEnsemble, "bench-ensemble"
	}
	if *text {
		run, kind = b.runLogs, "bench-logs"
	}
	if *find {
		run, kind, b.beside = b.runFind, "bench-find", "the other"
	}
	if *transfer {
		run, kind, b.beside, b.many = b.runTransfer, "bench-transfer", "the other", *many
	}
	if *watch {
		run, kind = b.runWatch, "bench-watch"
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	fmt.Print(b.report())
	if *write != "" {
		if err := writeInto(*write, kind, b.report()); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
	}
	for _, note := range b.unmeasured {
		fmt.Fprintln(os.Stderr, "bench: NOT MEASURED: "+note)
	}
	missed := b.missed()
	if missed != "" {
		fmt.Fprintln(os.Stderr, "bench: below the target: "+missed)
	}
	if missed != "" || len(b.unmeasured) > 0 {
		os.Exit(1)
	}
}

type bench struct {
	runs        int
	beside      string // what figures are compared with; "" for Apache
	zkctl, only string
	other       string // another zkctl, which serves instead of Apache's server
	in          *apache.Installation
	server      *apache.Server
	conn        *client.Conn
	facts       []string
	rows        []row
	times       []timing
	alone       []alone
	figures     []figure
	many        bool // see -million
	comparisons []comparison
	unmeasured  []string      // what could not be measured, and why
	loadTime    time.Duration // how long each load of a server lasts
}

// row is a command, measured with both tools.
type row struct {
	name         string
	ours, theirs result
	ratio        float64 // target: at least this many times faster
	memory       int64   // most bytes; 0 for no limit
}

// timing is a time with a limit, without a counterpart in zkCli.
type timing struct {
	name                 string
	took, slowest, limit time.Duration
}

func (b *bench) run(ctx context.Context) error {
	cleanUp, err := b.prepare(ctx)
	if err != nil {
		return err
	}
	defer cleanUp()
	b.in.ToolJVM = []string{"-Xmx256m"} // what zkEnv.sh gives zkCli.sh
	progress("starting the server")
	if b.server, err = b.in.Start(ctx, apache.Options{JVM: []string{"-Xmx1g"}}); err != nil {
		return err
	}
	defer b.server.Stop()
	if b.facts, err = b.machine(ctx); err != nil {
		return err
	}
	facts, err := b.serverFacts(ctx)
	if err != nil {
		return err
	}
	b.facts = append(b.facts, facts...)
	if b.conn, err = client.Open(client.Config{Servers: b.server.Addr(), SessionTimeout: 40 * time.Second}); err != nil {
		return err
	}
	defer b.conn.Close()
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"one-shot", b.oneShot}, {"list", b.list}, {"delete", b.deleteAll}, {"completion", b.completion},
	} {
		if strings.Contains(step.name, b.only) {
			if err := step.run(ctx); err != nil {
				return fmt.Errorf("%s: %w", step.name, err)
			}
		}
	}
	return nil
}

// prepare finds Apache's tools, and builds zkctl.
func (b *bench) prepare(ctx context.Context) (cleanUp func(), err error) {
	if runtime.GOOS == "windows" {
		return nil, errors.New("it measures processes as unix does")
	}
	if b.in, err = apache.Find(); err != nil {
		return nil, err
	}
	return b.build(ctx)
}

// build builds zkctl unless a binary was given.
func (b *bench) build(ctx context.Context) (cleanUp func(), err error) {
	if b.zkctl != "" {
		return func() {}, nil
	}
	dir, err := os.MkdirTemp("", "zkctl-bench-")
	if err != nil {
		return nil, err
	}
	b.zkctl = filepath.Join(dir, "zkctl")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.zkctl, "./cmd/zkctl")
	build.Env = append(build.Environ(), "CGO_ENABLED=0") // as releases are built
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("build zkctl: %w", err)
	}
	return func() { os.RemoveAll(dir) }, nil
}

func progress(format string, a ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", a...) }

func (b *bench) oneShot(ctx context.Context) error {
	return b.compare(ctx, row{name: "`ls /`", ratio: 30, memory: 25 << 20}, 4*b.runs, nil, "ls", "/")
}

func (b *bench) list(ctx context.Context) error {
	progress("creating %d znodes", listedTree)
	if err := fillTree(ctx, b.conn, "/listed", 300, listedTree/300-1); err != nil {
		return err
	}
	name := fmt.Sprintf("`ls -R /` of %s znodes", thousands(listedTree))
	if err := b.compare(ctx, row{name: name, ratio: 25}, b.runs, nil, "ls", "-R", "/"); err != nil {
		return err
	}
	return b.clear(ctx, b.server, "/listed")
}

func (b *bench) deleteAll(ctx context.Context) error {
	name := fmt.Sprintf("`deleteall` of %s znodes", thousands(deletedTree))
	fill := func(ctx context.Context) error {
		return fillTree(ctx, b.conn, "/deleted", 100, deletedTree/100-1)
	}
	return b.compare(ctx, row{name: name, ratio: 8}, b.runs, fill, "deleteall", "/deleted")
}

// compare runs a znode command in zkctl and in zkCli.
func (b *bench) compare(ctx context.Context, r row, runs int, prepare func(context.Context) error, command ...string) error {
	args := append([]string{"-server", b.server.Addr()}, command...)
	return b.duel(ctx, r, duel{
		runs: runs, prepare: prepare,
		ours:   append([]string{b.zkctl, "-y"}, args...),
		theirs: b.in.ZkCliCommand(ctx, args...),
	})
}

// duel is the same work for two tools.
type duel struct {
	runs    int
	prepare func(context.Context) error // before each run of each tool
	ours    []string
	theirs  *exec.Cmd
	digest  func([]byte) string // the part of stdout that must be equal; nil as for measure
}

// duel runs a command with both tools in alternation, and checks that they print the same.
func (b *bench) duel(ctx context.Context, r row, d duel) error {
	var ours, theirs []result
	for i := range d.runs {
		progress("%s, run %d of %d", r.name, i+1, d.runs)
		tools := []struct {
			results *[]result
			argv    []string
			env     []string
		}{
			{&ours, d.ours, os.Environ()},
			{&theirs, d.theirs.Args, d.theirs.Env},
		}
		if i%2 == 1 {
			tools[0], tools[1] = tools[1], tools[0]
		}
		for _, tool := range tools {
			if d.prepare != nil {
				if err := d.prepare(ctx); err != nil {
					return err
				}
			}
			got, err := measure(ctx, tool.argv, tool.env, d.digest)
			if err != nil {
				return err
			}
			*tool.results = append(*tool.results, got)
		}
		if o, t := ours[i], theirs[i]; o.exit != t.exit || o.stdout != t.stdout {
			return fmt.Errorf("%s: zkctl printed %d lines (exit code %d), Apache's tool %d (exit code %d), and they must be the same:\n%s\n%s",
				r.name, o.lines, o.exit, t.lines, t.exit, o.stderr, t.stderr)
		}
	}
	r.ours, r.theirs = median(ours), median(theirs)
	b.rows = append(b.rows, r)
	return nil
}
