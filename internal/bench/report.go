package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// machine describes the hardware and software, without host names.
func (b *bench) machine(ctx context.Context) ([]string, error) {
	java, err := exec.CommandContext(ctx, b.in.Java, "-version").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("ask Java for its version: %w", err)
	}
	version, err := exec.CommandContext(ctx, b.zkctl, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("ask zkctl for its version: %w", err)
	}
	processor := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for _, line := range strings.Split(string(text), "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				processor = strings.TrimSpace(value)
				break
			}
		}
	}
	system := runtime.GOOS
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		number, _, _ := strings.Cut(firstLine(string(text)), "-") // what follows names who built it
		system += " " + number
	}
	disk, err := fsyncTime(os.TempDir(), time.Second)
	if err != nil {
		return nil, fmt.Errorf("measure the disk: %w", err)
	}
	return []string{
		fmt.Sprintf("%s: %d cores (%s); %s on its disk: %s (median)", system, runtime.NumCPU(), processor, fsyncFloor, shown(disk)),
		firstLine(string(version)),
		"Apache's tools on " + firstLine(string(java)),
		fmt.Sprintf("medians of %d runs (short ones: %d), the two tools in turns", b.runs, 4*b.runs),
	}, nil
}

// serverFacts describe the server that the client's benchmarks use.
func (b *bench) serverFacts(ctx context.Context) ([]string, error) {
	srvr, err := b.server.FourLetter(ctx, "srvr")
	if err != nil {
		return nil, err
	}
	zookeeper, _, _ := strings.Cut(strings.TrimPrefix(firstLine(srvr), "Zookeeper version: "), "-")
	return []string{
		"Apache ZooKeeper " + zookeeper + ", one server on the same machine, its data on its disk, fsync on",
		"zkCli: org.apache.zookeeper.ZooKeeperMain with -Xmx256m, as zkCli.sh runs it",
	}, nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimSpace(line)
}

func (b *bench) report() string {
	var s strings.Builder
	if len(b.rows) > 0 {
		s.WriteString("| command | zkctl | Apache | faster | target | zkctl memory | Apache memory |\n")
		s.WriteString("|---|---:|---:|---:|---:|---:|---:|\n")
	}
	for _, r := range b.rows {
		memory := mebibytes(r.ours.memory)
		if r.memory > 0 {
			memory += fmt.Sprintf(" (< %d)", r.memory>>20)
		}
		target := "–"
		if r.ratio > 0 {
			target = fmt.Sprintf("≥ %.0f×", r.ratio)
		}
		fmt.Fprintf(&s, "| %s | %s | %s | %.1f× | %s | %s | %s |\n", r.name,
			shown(r.ours.wall), shown(r.theirs.wall), r.faster(), target, memory, mebibytes(r.theirs.memory))
	}
	if len(b.alone) > 0 {
		s.WriteString("\n| command | time | speed | memory | target |\n|---|---:|---:|---:|---|\n")
	}
	for _, a := range b.alone {
		speed := "–"
		if a.bytes > 0 {
			speed = fmt.Sprintf("%.0f MiB/s", a.speed())
		}
		fmt.Fprintf(&s, "| %s | %s | %s | %s | %s |\n", a.name, shown(a.got.wall), speed, mebibytes(a.got.memory), a.target())
	}
	if len(b.figures) > 0 {
		if s.Len() > 0 {
			s.WriteString("\n")
		}
		figureTable(&s, cmp.Or(b.beside, "Apache"), b.figures)
	}
	if len(b.comparisons) > 0 {
		comparisonTable(&s, b.comparisons)
	}
	if len(b.times) > 0 {
		s.WriteString("\n| what | median | slowest | target |\n|---|---:|---:|---:|\n")
	}
	for _, t := range b.times {
		fmt.Fprintf(&s, "| %s | %s | %s | < %s |\n", t.name, shown(t.took), shown(t.slowest), shown(t.limit))
	}
	s.WriteString("\n")
	for _, f := range b.facts {
		fmt.Fprintf(&s, "- %s\n", f)
	}
	for _, note := range b.unmeasured {
		fmt.Fprintf(&s, "- not measured: %s\n", note)
	}
	return s.String()
}

func (r row) faster() float64 { return float64(r.theirs.wall) / float64(r.ours.wall) }

// missed lists what missed its target.
func (b *bench) missed() string {
	var names []string
	for _, r := range b.rows {
		if r.faster() < r.ratio || r.memory > 0 && r.ours.memory >= r.memory {
			names = append(names, r.name)
		}
	}
	for _, a := range b.alone {
		if a.memory > 0 && a.got.memory >= a.memory || a.speed() < a.least {
			names = append(names, a.name)
		}
	}
	for _, f := range b.figures {
		if !f.met() {
			names = append(names, f.name)
		}
	}
	for _, c := range b.comparisons {
		if !c.met() {
			names = append(names, fmt.Sprintf("%s (%s of %s)", c.name, c.ratio.shown(c.value()), c.beside))
		}
	}
	for _, t := range b.times {
		if t.took >= t.limit {
			names = append(names, t.name)
		}
	}
	return strings.Join(names, ", ")
}

func shown(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 100*time.Millisecond:
		return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
	case d >= time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}

func mebibytes(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// writeInto puts the report between the marks of its kind, bench or bench-offline, in a
// Markdown file.
func writeInto(file, kind, report string) error {
	begin, end := "<!-- "+kind+": begin -->\n", "<!-- "+kind+": end -->\n"
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return errors.New(file + " has no marks " + strings.TrimSpace(begin) + " and " + strings.TrimSpace(end))
	}
	return os.WriteFile(file, []byte(before+begin+report+end+after), 0o644)
}
