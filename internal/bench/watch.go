package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
)

const (
	watchRate    = 5000 // changes a second
	watchFor     = 10 * time.Second
	watchWarmUp  = time.Second // whose changes do not count
	watchedNodes = 1000        // that change, one after the other
	watchDelay   = 5 * time.Millisecond
	watchBytes   = 200 // most, for each znode
)

// runWatch measures how long after a change's acknowledgement `watch -R` has printed it, and the memory that it takes for each
// znode, on the embedded server.
func (b *bench) runWatch(ctx context.Context) error {
	cleanUp, err := b.build(ctx)
	if err != nil {
		return err
	}
	defer cleanUp()
	s, _, err := b.serve(ctx, embedded("zkctl", b.zkctl), "")
	if err != nil {
		return err
	}
	defer s.stop()
	if b.conn, err = client.Open(client.Config{Servers: s.addr, SessionTimeout: 40 * time.Second}); err != nil {
		return err
	}
	defer b.conn.Close()
	b.facts = []string{
		fmt.Sprintf("%s: %d cores; server, writer and watch on the same machine", runtime.GOOS, runtime.NumCPU()),
		fmt.Sprintf("%s changes a second for %v, of %s znodes in turns, after %v of warming up; %d runs",
			thousands(watchRate), watchFor, thousands(watchedNodes), watchWarmUp, b.runs),
	}
	if err := fillParent(ctx, b.conn, "/watched", watchedNodes); err != nil {
		return err
	}
	if strings.Contains("delay", b.only) {
		if err := b.watchDelay(ctx, s.addr); err != nil {
			return err
		}
	}
	if strings.Contains("memory", b.only) {
		return b.watchMemory(ctx, s.addr)
	}
	return nil
}

func (b *bench) watchDelay(ctx context.Context, addr string) error {
	var p99, worst, used []time.Duration
	for i := range b.runs {
		progress("%d changes a second, run %d of %d", watchRate, i+1, b.runs)
		d, cpu, err := b.watchDelays(ctx, addr, i)
		if err != nil {
			return err
		}
		p50 := d[len(d)/2]
		p99, worst, used = append(p99, d[len(d)*99/100]), append(worst, d[len(d)-1]), append(used, cpu)
		progress("median %s, 99th percentile %s, slowest %s; watch took %s of CPU time", shown(p50), shown(p99[i]), shown(worst[i]), shown(cpu))
	}
	for _, list := range [][]time.Duration{p99, worst, used} {
		slices.Sort(list)
	}
	b.times = append(b.times, timing{fmt.Sprintf("`watch -R` prints a change, at %s a second: 99th percentile of each run", thousands(watchRate)),
		p99[len(p99)/2], p99[len(p99)-1], watchDelay})
	b.facts = append(b.facts, fmt.Sprintf("slowest change of each run: median %s; CPU time of watch in a run: median %s", shown(worst[len(worst)/2]), shown(used[len(used)/2])))
	return nil
}

// watching is a `watch -R` whose output is read.
type watching struct {
	cmd *exec.Cmd
	out *bufio.Scanner
	err bytes.Buffer
}

// startWatch starts one, and returns once it has printed the state of as many znodes.
func (b *bench) startWatch(ctx context.Context, addr, root string, znodes int) (*watching, error) {
	w := &watching{cmd: exec.CommandContext(ctx, b.zkctl, "-server", addr, "watch", "-R", root)}
	w.cmd.Stderr = &w.err
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	w.out = bufio.NewScanner(out)
	for range znodes {
		if !w.out.Scan() {
			w.stop()
			return nil, fmt.Errorf("watch -R %s ended: %s", root, w.err.String())
		}
	}
	return w, nil
}

// stop returns the CPU time that it took.
func (w *watching) stop() time.Duration {
	_ = w.cmd.Process.Signal(os.Interrupt)
	_, _ = io.Copy(io.Discard, io.Reader(readerOf{w.out}))
	_ = w.cmd.Wait()
	return w.cmd.ProcessState.UserTime() + w.cmd.ProcessState.SystemTime()
}

// readerOf reads the lines that are left.
type readerOf struct{ *bufio.Scanner }

func (r readerOf) Read([]byte) (int, error) {
	if r.Scan() {
		return 0, nil
	}
	return 0, io.EOF
}

// watchDelays changes znodes for a while, and returns the time from each acknowledgement to the line that shows the change or
// one after it, sorted, and the CPU time of watch. The znodes have been changed as often as in the runs before.
func (b *bench) watchDelays(ctx context.Context, addr string, run int) (delays []time.Duration, cpu time.Duration, err error) {
	w, err := b.startWatch(ctx, addr, "/watched", watchedNodes+1)
	if err != nil {
		return nil, 0, err
	}
	const changes = int(watchRate * (watchWarmUp + watchFor) / time.Second)
	const rounds = changes / watchedNodes
	acked, printed := make([]time.Time, changes), make([]time.Time, changes)
	var read sync.WaitGroup
	read.Go(func() {
		at := [watchedNodes]int{} // how many changes of a znode have been printed
		for left := changes; left > 0 && w.out.Scan(); {
			now := time.Now()
			node, version, ok := changeLine(w.out.Bytes())
			if !ok {
				continue
			}
			for round := int(version) - run*rounds; at[node] < round; left-- {
				printed[at[node]*watchedNodes+node] = now
				at[node]++
			}
		}
	})
	writing := writeAtRate(ctx, addr, acked)
	if writing != nil {
		w.stop()
		return nil, 0, writing
	}
	late := time.AfterFunc(10*time.Second, func() { _ = w.cmd.Process.Signal(os.Interrupt) })
	read.Wait()
	late.Stop()
	cpu = w.stop()
	for i := int(watchRate * watchWarmUp / time.Second); i < changes; i++ {
		if printed[i].IsZero() {
			return nil, 0, fmt.Errorf("watch did not print change %d: %s", i, w.err.String())
		}
		delays = append(delays, max(0, printed[i].Sub(acked[i])))
	}
	slices.Sort(delays)
	return delays, cpu, nil
}

// changeLine reads "… changed  /watched/node-000041  version 3 -> 4, 1 byte".
func changeLine(line []byte) (node int, version int32, ok bool) {
	_, rest, is := bytes.Cut(line, []byte("changed  /watched/node-"))
	_, after, has := bytes.Cut(rest, []byte(" -> "))
	if !is || !has || len(rest) < 6 {
		return 0, 0, false
	}
	node, err := strconv.Atoi(string(rest[:6]))
	digits, _, _ := bytes.Cut(after, []byte(","))
	v, err2 := strconv.Atoi(string(digits))
	return node, int32(v), err == nil && err2 == nil && node < watchedNodes
}

// writeAtRate changes the znodes in turns, and notes when each change is acknowledged.
func writeAtRate(ctx context.Context, addr string, acked []time.Time) error {
	c, err := openSession(ctx, addr, 0)
	if err != nil {
		return err
	}
	defer c.Close()
	failed := make(chan error, 1)
	go func() {
		for i := range acked {
			body, err := c.View()
			if err == nil && proto.Error(binary.BigEndian.Uint32(body[12:])) != 0 {
				err = fmt.Errorf("change a znode: %w", proto.Error(binary.BigEndian.Uint32(body[12:])))
			}
			if err != nil {
				failed <- err
				return
			}
			acked[i] = time.Now()
		}
		failed <- nil
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	start := time.Now()
	for sent := 0; sent < len(acked); {
		select {
		case <-tick.C:
		case err := <-failed:
			return err
		}
		due := min(len(acked), int(time.Since(start)*watchRate/time.Second))
		var batch []byte
		for ; sent < due; sent++ {
			path := fmt.Sprintf("/watched/node-%06d", sent%watchedNodes)
			batch = append(batch, wiretest.Request(int32(sent+1), proto.OpSetData, &proto.SetDataRequest{Path: path, Data: payload[:10], Version: -1})...)
		}
		if _, err := c.Write(batch); err != nil {
			return err
		}
	}
	return <-failed
}

// watchMemory measures the memory at its peak with many znodes.
func (b *bench) watchMemory(ctx context.Context, addr string) error {
	peak := func(root string, znodes int) (float64, error) {
		w, err := b.startWatch(ctx, addr, root, znodes)
		if err != nil {
			return 0, err
		}
		defer w.stop()
		return procStatus(w.cmd.Process.Pid, "VmHWM")
	}
	few, err := peak("/watched", watchedNodes+1)
	if err != nil {
		return err
	}
	progress("creating %d znodes", manyZnodes)
	if err := fillTree(ctx, b.conn, "/many", 1000, manyZnodes/1000-1); err != nil {
		return err
	}
	progress("memory of watch")
	many, err := peak("/many", manyZnodes+1)
	if err != nil {
		return err
	}
	each := (many - few) / (manyZnodes - watchedNodes)
	b.facts = append(b.facts, fmt.Sprintf("memory of `watch -R` at its peak: %s for %s znodes, %s for %s: %.0f bytes a znode, at most %d wanted",
		mebis(few), thousands(watchedNodes), mebis(many), thousands(manyZnodes), each, watchBytes))
	if each > watchBytes {
		fmt.Print(b.report())
		return fmt.Errorf("watch -R takes %.0f bytes a znode, more than %d", each, watchBytes)
	}
	return nil
}
