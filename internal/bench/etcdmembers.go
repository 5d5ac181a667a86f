package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/zkctl/zkctl/internal/port"
)

// etcdLoadDir has the program that loads etcd, a separate module: etcd's client brings gRPC.
const etcdLoadDir = "internal/bench/etcdload"

// etcdLoad is that program, built.
type etcdLoad struct{ dir string }

func (l *etcdLoad) remove() { os.RemoveAll(l.dir) }

func (b *bench) buildEtcdLoad(ctx context.Context) (*etcdLoad, error) {
	if _, err := exec.LookPath("etcd"); err != nil {
		return nil, errors.New("there is no etcd (try: apt-get install etcd-server)")
	}
	dir, err := os.MkdirTemp("", "zkctl-bench-")
	if err != nil {
		return nil, err
	}
	progress("building %s", etcdLoadDir)
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "etcdload"), ".")
	build.Dir = etcdLoadDir
	if out, err := build.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("build %s: %w: %s", etcdLoadDir, err, strings.ReplaceAll(strings.TrimSpace(tail(string(out))), "\n", "; "))
	}
	if out, err := exec.CommandContext(ctx, "etcd", "--version").Output(); err == nil {
		b.facts = append(b.facts, firstLine(string(out))+", three members, through its own Go client")
	}
	return &etcdLoad{dir}, nil
}

// run measures the writes of the workload on three members.
func (l *etcdLoad) run(ctx context.Context, b *bench, got samples) error {
	var members servedEnsemble
	defer func() { members.stop() }()
	var cluster, urls []string
	var ports [2 * ensembleSize]int
	for i := range ports {
		var err error
		if ports[i], err = port.Free(); err != nil {
			return err
		}
	}
	url := func(port int) string { return "http://127.0.0.1:" + strconv.Itoa(port) }
	for i := range ensembleSize {
		cluster = append(cluster, fmt.Sprintf("m%d=%s", i+1, url(ports[2*i])))
		urls = append(urls, url(ports[2*i+1]))
	}
	for i := range ensembleSize {
		dir, err := os.MkdirTemp("", "zkctl-bench-")
		if err != nil {
			return err
		}
		peer, client := url(ports[2*i]), url(ports[2*i+1])
		s, err := launch(ctx, engine{etcdName, func(string, int) []string {
			return []string{"etcd", "--name", fmt.Sprintf("m%d", i+1), "--data-dir", filepath.Join(dir, "data"),
				"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
				"--listen-client-urls", client, "--advertise-client-urls", client,
				"--initial-cluster", strings.Join(cluster, ","), "--logger", "zap", "--log-level", "error"}
		}, os.Environ()}, dir, ports[2*i+1])
		if err != nil {
			return err
		}
		members = append(members, s)
	}
	ctx, cancel := context.WithTimeout(ctx, b.loadTime+warmUp+time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(l.dir, "etcdload"), "-endpoints", strings.Join(urls, ","),
		"-clients", strconv.Itoa(loadClients), "-window", strconv.Itoa(loadWindow), "-size", strconv.Itoa(len(payload)),
		"-warm", warmUp.String(), "-for", b.loadTime.String())
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Second
	var stderr strings.Builder
	cmd.Stderr = io.Writer(&stderr)
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("run etcdload: %w: %s", err, tail(stderr.String()))
	}
	var r struct {
		Ops     int
		Seconds float64
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return fmt.Errorf("read the answer of etcdload: %w", err)
	}
	got.add(writesOf, etcdName, float64(r.Ops)/r.Seconds)
	return nil
}
