package main

import (
	"context"
	_ "embed" // for the scripts
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/sharedio"
)

// walkScript reads a tree in Python over kazoo, createScript makes one.
var (
	//go:embed walk.py
	walkScript []byte
	//go:embed create.py
	createScript []byte
)

const (
	movedParents, movedChildren = 300, 332
	movedTree                   = 1 + movedParents*(1+movedChildren) // about 100,000
	scriptParents               = 30                                 // of which the script makes a tenth: it takes long enough
	transferRuns                = 3                                  // of what is ours; scripts and etcd take longer and run once
	transferMemory              = 48 << 20                           // most bytes for a million znodes
	behindParallelWalks         = 1.3                                // times as long as these diff may take
)

// moving is what the steps of runTransfer share.
type moving struct {
	*bench
	dir    string
	python string
	walk   string // files of the scripts
	create string
	export string // the file of an export
	dst    *apache.Server
	to     *client.Conn // with dst
}

// runTransfer measures the verbs that move data: beside scripts over kazoo that do the same, beside walks of the same trees, and
// beside etcdctl make-mirror on etcd with equal data. A step that fails does not keep the others from being measured.
func (b *bench) runTransfer(ctx context.Context) error {
	cleanUp, err := b.prepare(ctx)
	if err != nil {
		return err
	}
	defer cleanUp()
	m := &moving{bench: b}
	if m.python, err = kazoo(ctx); err != nil {
		return err
	}
	if m.dir, err = scripts(map[string][]byte{"walk.py": walkScript, "create.py": createScript}); err != nil {
		return err
	}
	defer os.RemoveAll(m.dir)
	m.walk, m.create, m.export = filepath.Join(m.dir, "walk.py"), filepath.Join(m.dir, "create.py"), filepath.Join(m.dir, "one.jsonl")
	jvm := apache.Options{JVM: []string{"-Xmx3g"}}
	if b.server, err = b.in.Start(ctx, jvm); err != nil {
		return err
	}
	defer b.server.Stop()
	if m.dst, err = b.in.Start(ctx, jvm); err != nil {
		return err
	}
	defer m.dst.Stop()
	if b.facts, err = b.machine(ctx); err != nil {
		return err
	}
	for _, one := range []struct {
		server *apache.Server
		conn   **client.Conn
	}{{b.server, &b.conn}, {m.dst, &m.to}} {
		if *one.conn, err = client.Open(client.Config{Servers: one.server.Addr(), SessionTimeout: 40 * time.Second}); err != nil {
			return err
		}
		defer (*one.conn).Close()
	}
	for _, root := range []string{"/one", "/two"} {
		progress("creating %d znodes at %s", movedTree, root)
		if err := fillTree(ctx, b.conn, root, movedParents, movedChildren); err != nil {
			return err
		}
	}
	b.facts[len(b.facts)-1] = fmt.Sprintf("medians of %d runs; of kazoo and etcd one run", transferRuns)
	b.facts = append(b.facts, "one Apache ZooKeeper at each end, with -Xmx3g and fsync on; trees of 300 parents with 332 children of 1 byte")
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"export", m.exports}, {"diff", m.diffs}, {"import", m.imports}, {"mirror", m.firstCopy}, {"lag", m.lag}, {"million", m.million},
	} {
		if !strings.Contains(step.name, b.only) || step.name == "million" && !b.many {
			continue
		}
		if err := step.run(ctx); err != nil {
			if ctx.Err() != nil {
				return err
			}
			b.skip("%s: %v", step.name, err)
		}
	}
	return nil
}

// ours is a command line of zkctl whose own server is the source.
func (m *moving) ours(words ...string) []string {
	return append([]string{m.zkctl, "-y", "-server", m.server.Addr()}, words...)
}

// at is a location at the destination.
func (m *moving) at(path string) string { return "zk://" + m.dst.Addr() + path }

func (m *moving) exports(ctx context.Context) error {
	ours := m.ours("export", "/one", "-O", m.export)
	var exported, async, sync []result
	theirs := func(how string) []string { return []string{m.python, m.walk, m.server.Addr(), "/one", how} }
	for i, turn := range []struct {
		argv []string
		to   *[]result
	}{ // the walks take longer than all exports; the first also warms the server up
		{theirs("async"), &async}, {ours, &exported}, {theirs("sync"), &sync}, {ours, &exported}, {ours, &exported},
	} {
		progress("export, and walks of kazoo, run %d of 5", i+1)
		got, err := measure(ctx, turn.argv, os.Environ(), wholeDigest)
		if err != nil {
			return err
		}
		if got.exit != 0 {
			return fmt.Errorf("%s: exit code %d: %s", strings.Join(turn.argv, " "), got.exit, got.stderr)
		}
		*turn.to = append(*turn.to, got)
	}
	took, n := float64(median(exported).wall), thousands(movedTree)
	m.figures = append(m.figures,
		figure{name: fmt.Sprintf("`export` of %s znodes, beside an asynchronous walk of kazoo", n), ours: took, theirs: float64(async[0].wall), unit: millis, ratio: 10},
		figure{name: "`export`, beside a synchronous walk of kazoo", ours: took, theirs: float64(sync[0].wall), unit: millis, ratio: 25})
	return nil
}

func (m *moving) diffs(ctx context.Context) error {
	progress("diff, and two walks at once")
	walk := fmt.Sprintf("%s -server %s grep -c nothing ", m.zkctl, m.server.Addr())
	m.runs = transferRuns
	took, err := m.inTurns(ctx, m.ours("diff", "/one", "/two", "--fields", "data"), []string{"sh", "-c", walk + "/one & " + walk + "/two & wait"})
	if err != nil {
		return err
	}
	m.figures = append(m.figures, figure{name: fmt.Sprintf("`diff` of two trees of %s znodes, beside one `grep` of each at once", thousands(movedTree)),
		ours: took[0], theirs: took[1], unit: millis, limit: behindParallelWalks * took[1]})
	return nil
}

// imports measures import with and without its default limit of changes a second, beside a script.
func (m *moving) imports(ctx context.Context) error {
	if _, err := os.Stat(m.export); err != nil {
		if _, err := measure(ctx, m.ours("export", "/one", "-O", m.export), os.Environ(), wholeDigest); err != nil {
			return err
		}
	}
	progress("creates of kazoo")
	out, err := exec.CommandContext(ctx, m.python, m.create, m.dst.Addr(), "/in", strconv.Itoa(scriptParents), strconv.Itoa(movedChildren)).Output()
	if err != nil {
		return fmt.Errorf("create.py: %w", err)
	}
	theirs, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		return fmt.Errorf("create.py: %w", err)
	}
	if err := m.clear(ctx, m.dst, "/in"); err != nil {
		return err
	}
	var ours [2][]float64
	for i := range transferRuns {
		progress("import, run %d of %d", i+1, transferRuns)
		for k, rate := range []string{"20000", "0"} { // the first is the default
			got, err := measure(ctx, m.ours("import", m.export, m.at("/in"), "--rate", rate), os.Environ(), wholeDigest)
			if err != nil {
				return err
			}
			if got.exit != 0 {
				return fmt.Errorf("import: exit code %d: %s", got.exit, got.stderr)
			}
			ours[k] = append(ours[k], movedTree/got.wall.Seconds())
			if err := m.clear(ctx, m.dst, "/in"); err != nil {
				return err
			}
		}
	}
	n := thousands(movedTree)
	m.figures = append(m.figures,
		figure{name: fmt.Sprintf("`import --rate 0` of %s znodes, beside one create a call of kazoo", n), ours: middle(ours[1]), theirs: theirs, unit: perSecond, higher: true, ratio: 10},
		figure{name: "`import` with its default, 20,000 changes a second", ours: middle(ours[0]), theirs: theirs, unit: perSecond, higher: true})
	return nil
}

// firstCopy measures how soon a mirror has copied everything, beside that of etcd.
func (m *moving) firstCopy(ctx context.Context) error {
	var ours []float64
	for i := range transferRuns {
		progress("the first copy of mirror, run %d of %d", i+1, transferRuns)
		rate, err := m.copyOnce(ctx)
		if err != nil {
			return err
		}
		ours = append(ours, rate)
	}
	f := figure{name: fmt.Sprintf("`mirror`: first copy of %s znodes, beside `etcdctl make-mirror` of as many keys", thousands(movedTree)), ours: middle(ours), unit: perSecond, higher: true}
	if _, err := exec.LookPath("etcd"); err == nil {
		if f.theirs, err = m.etcdCopy(ctx); err != nil {
			return err
		}
		f.ratio = 1
	} else {
		m.skip("`mirror` beside `etcdctl make-mirror`: there is no etcd (try: apt-get install etcd-server etcd-client)")
	}
	m.figures = append(m.figures, f)
	return nil
}

// copyOnce mirrors once, and returns how many znodes a second it copied until all were there.
func (m *moving) copyOnce(ctx context.Context) (float64, error) {
	cmd := exec.CommandContext(ctx, m.zkctl, "-server", m.server.Addr(), "mirror", "/one", m.at("/mirror"), "--rate", "0")
	var stderr sharedio.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}()
	limited, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	made, last := int32(0), error(nil)
	if err := await.Until(limited, func() bool {
		var n int32
		if n, last = m.to.AllChildrenNumber(limited, "/mirror"); last == nil {
			made = n
		}
		return made == movedTree-1
	}); err != nil {
		return 0, fmt.Errorf("the first copy has %d znodes: %w: %w: %s", made, err, last, tail(stderr.String()))
	}
	took := time.Since(start)
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait() // it ends by the signal
	return movedTree / took.Seconds(), m.clear(ctx, m.dst, "/mirror")
}

// million measures the memory for a million znodes.
func (m *moving) million(ctx context.Context) error {
	for _, root := range []string{"/one", "/two"} {
		if err := m.clear(ctx, m.server, root); err != nil {
			return err
		}
	}
	progress("creating %d znodes", manyZnodes)
	if err := fillTree(ctx, m.conn, "/many", 1000, manyZnodes/1000-1); err != nil {
		return err
	}
	file := m.export
	for _, c := range []struct {
		name string
		argv []string
		made string // at the destination, to be removed
	}{
		{"`export` of a million znodes", m.ours("export", "/many", "-O", file), ""},
		{"`export` with zstd", m.ours("export", "/many", "-O", file+".zst"), ""},
		{"`export` of the export as a snapshot", m.ours("export", "file:"+file, "--format", "snapshot", "-O", m.dir, "--allow-inconsistent"), ""},
		{"`diff` of the export and the server", m.ours("diff", "file:"+file, "/many"), ""},
		{"`import --rate 0`", m.ours("import", file, m.at("/in"), "--rate", "0"), "/in"},
		{"`cp --rate 0`", m.ours("cp", "/many", m.at("/copy"), "--rate", "0"), "/copy"},
		{"`mirror --once --rate 0`", m.ours("mirror", "/many", m.at("/mirror"), "--once", "--rate", "0"), "/mirror"},
	} {
		progress("memory of %s", c.name)
		got, err := measure(ctx, c.argv, os.Environ(), wholeDigest)
		if err != nil {
			return err
		}
		if got.exit != 0 {
			return fmt.Errorf("%s: exit code %d: %s", c.name, got.exit, got.stderr)
		}
		m.alone = append(m.alone, alone{name: c.name, got: got, memory: transferMemory})
		if c.made != "" {
			if err := m.clear(ctx, m.dst, c.made); err != nil {
				return err
			}
		}
	}
	return nil
}
