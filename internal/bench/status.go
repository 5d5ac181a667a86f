package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/fourletter"
)

// runEnsemble measures the verbs that look at an ensemble from outside.
func (b *bench) runEnsemble(ctx context.Context) error {
	cleanUp, err := b.prepare(ctx)
	if err != nil {
		return err
	}
	defer cleanUp()
	if b.facts, err = b.machine(ctx); err != nil {
		return err
	}
	b.facts[len(b.facts)-1] = fmt.Sprintf("in turns, %d runs of each (scripts: %d), of which the fastest tenth counts", 8*b.runs, b.runs)
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"status", b.status}, {"top", b.top},
	} {
		if strings.Contains(step.name, b.only) {
			if err := step.run(ctx); err != nil {
				return fmt.Errorf("%s: %w", step.name, err)
			}
		}
	}
	return nil
}

// openWords are the white lists of the members under test, and the word with which nc gets most of what `ensemble status`
// shows of them.
var openWords = []struct{ name, whitelist, word, says string }{
	{"only `srvr` open", "srvr", "srvr", "Mode: "},
	{"all words open", "*", "mntr", "zk_server_state"},
}

// status compares `ensemble status` with zkServer.sh and nc.
func (b *bench) status(ctx context.Context) error {
	script, err := zkServer()
	if err != nil {
		return err
	}
	for _, w := range openWords {
		progress("starting three of Apache's members, %s", w.name)
		m, _, err := b.serveEnsemble(ctx, b.engines()[1], "4lw.commands.whitelist="+w.whitelist+"\n")
		if err != nil {
			return err
		}
		defer m.stop()
		if err := m.warmUp(ctx, "srvr", "mntr", "conf"); err != nil {
			return err
		}
		progress("`ensemble status`, %s", w.name)
		s := statusRuns(b, m, script, w.word, w.says)
		for i := range 8 * b.runs {
			for _, t := range s.all() {
				if t == s.script && i >= b.runs {
					continue
				}
				if err := t.run(ctx); err != nil {
					return err
				}
			}
		}
		session := beyond(s.session, s.start)
		b.figures = append(b.figures,
			figure{"`ensemble status`, " + w.name + ", beside three `zkServer.sh status`", s.widened.quick(), s.script.quick(), millis, false, 20, 0},
			figure{"– with `--members`, beside three `nc` at once that ask for `" + w.word + "`: beyond the start of zkctl", beyond(s.members, s.start), s.nc.quick(), millis, false, 0, 1.5 * s.nc.quick()})
		if w.whitelist != "*" { // else conf tells the members
			b.figures = append(b.figures, figure{"– what finding the other members adds, beside a session with `ls /`", beyond(s.widened, s.members), session, millis, false, 0, 1.5 * session})
		}
	}
	return nil
}

// warmUp asks each member often, so that its code is compiled when the time is taken.
func (m servedEnsemble) warmUp(ctx context.Context, words ...string) error {
	for _, s := range m {
		if err := awaitAnswer(ctx, s.addr, time.Minute); err != nil {
			return err
		}
		for range 300 {
			for _, word := range words {
				if _, err := fourletter.Ask(ctx, nil, s.addr, word); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// statuses are the commands that the benchmark of status runs in turns.
type statuses struct{ script, widened, members, session, start, nc *timed }

func (s *statuses) all() []*timed {
	return []*timed{s.widened, s.nc, s.members, s.session, s.start, s.script}
}

func statusRuns(b *bench, m servedEnsemble, script, word, says string) *statuses {
	var addrs, scripts, asks []string
	for _, s := range m {
		addrs = append(addrs, s.addr)
		scripts = append(scripts, script+" status "+filepath.Join(s.dir, "zoo.cfg"))
		asks = append(asks, "printf "+word+" | nc "+strings.Replace(s.addr, ":", " ", 1)+" &")
	}
	shell := func(lines ...string) []string { return []string{"sh", "-c", strings.Join(lines, "\n")} }
	zkctl := func(args ...string) []string { return append([]string{b.zkctl, "-server", addrs[0]}, args...) }
	return &statuses{
		script:  &timed{argv: shell(scripts...), says: "Mode: ", many: len(m)},
		widened: &timed{argv: zkctl("ensemble", "status", "--admin-port", "0"), says: "quorum 3 of 3", many: 1},
		members: &timed{argv: zkctl("ensemble", "status", "--admin-port", "0", "--members", strings.Join(addrs, ",")), says: "quorum 3 of 3", many: 1},
		session: &timed{argv: zkctl("ls", "/"), says: "zookeeper", many: 1},
		start:   &timed{argv: zkctl("--version"), says: "zkctl", many: 1},
		nc:      &timed{argv: shell(append(asks, "wait")...), says: says, many: len(m)},
	}
}

// timed is a command, and how long its runs took, in ns.
type timed struct {
	argv []string
	says string // counted in what it prints
	many int    // so often
	took []float64
}

// quick is the time that a tenth of the runs keep, in ns. The commands take a few ms, to which other work on the machine
// only ever adds.
func (t *timed) quick() float64 {
	slices.Sort(t.took)
	return t.took[len(t.took)/10]
}

// beyond is how much longer the one takes than the other, in ns.
func beyond(t, other *timed) float64 { return max(0, t.quick()-other.quick()) }

// run takes the time once.
func (t *timed) run(ctx context.Context) error {
	count := func(text []byte) string {
		return fmt.Sprint(strings.Count(strings.ToLower(string(text)), strings.ToLower(t.says)))
	}
	r, err := measure(ctx, t.argv, os.Environ(), count)
	if err != nil {
		return err
	}
	if r.stdout != fmt.Sprint(t.many) {
		return fmt.Errorf("%s printed %q %s times instead of %d (exit code %d): %s", strings.Join(t.argv, " "), t.says, r.stdout, t.many, r.exit, r.stderr)
	}
	t.took = append(t.took, float64(r.wall))
	return nil
}

// zkServer is the path of Apache's script.
func zkServer() (string, error) {
	if _, err := exec.LookPath("nc"); err != nil {
		return "", errors.New("nc is missing; install it (Debian: apt-get install netcat-openbsd)")
	}
	path := filepath.Join(cmp.Or(os.Getenv("ZOOKEEPER_HOME"), "/usr/share/zookeeper"), "bin", "zkServer.sh")
	if _, err := os.Stat(path); err != nil {
		return "", errors.New("zkServer.sh is missing; install Debian's package zookeeper or set ZOOKEEPER_HOME to an unpacked release")
	}
	return path, nil
}
