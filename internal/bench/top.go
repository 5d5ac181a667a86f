package main

import (
	"bytes"
	"context"
	_ "embed" // for top.py
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
)

// topScript is a top in Python over cons.
//
//go:embed top.py
var topScript []byte

const (
	topClients = 1000
	topSession = 10 * time.Minute // without a ping
	// topTime is how long each of them shows the ensemble.
	topTime = 15 * time.Second
	// firstFrame is how long top may take to show what is known.
	firstFrame = 300 * time.Millisecond
)

// top compares `top` with a loop in Python, on members that have many clients.
func (b *bench) top(ctx context.Context) error {
	// What is found may be a script that looks for Python, whose time must not count.
	python, err := exec.CommandContext(ctx, "python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		return fmt.Errorf("find python3: %w", err)
	}
	dir, err := scripts(map[string][]byte{"top.py": topScript})
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	progress("starting three of Apache's members for `top`")
	m, _, err := b.serveEnsemble(ctx, b.engines()[1], "4lw.commands.whitelist=*\nmaxClientCnxns=0\nmaxSessionTimeout=600000\nadmin.enableServer=false\n")
	if err != nil {
		return err
	}
	defer m.stop()
	if err := m.warmUp(ctx, "srvr", "mntr", "conf", "cons"); err != nil {
		return err
	}
	var addrs []string
	for _, s := range m {
		addrs = append(addrs, s.addr)
	}
	for i := range topClients {
		c, err := openSession(ctx, addrs[i%len(addrs)], topSession)
		if err != nil {
			return err
		}
		defer c.Close()
	}
	servers := strings.Join(addrs, ",")
	ours := []string{b.zkctl, "top", "--admin-port", "0", "--members", servers}
	progress("`top` beside a loop in Python, with %d clients", topClients)
	took, frame, err := watched(ctx, topTime, "quorum 3 of 3", ours...)
	if err != nil {
		return err
	}
	loop, _, err := watched(ctx, topTime, "leader", strings.TrimSpace(string(python)), filepath.Join(dir, "top.py"), servers)
	if err != nil {
		return err
	}
	if err := m[0].cmd.Process.Signal(stopSignal); err != nil {
		return err
	}
	_, silent, err := watched(ctx, 2*firstFrame, "quorum", ours...)
	_ = m[0].cmd.Process.Signal(continueSignal)
	if err != nil {
		return err
	}
	b.figures = append(b.figures, figure{fmt.Sprintf("`top` with %d clients, CPU in %v, beside a loop in Python", topClients, topTime),
		float64(took), float64(loop), millis, false, 3, 0})
	b.times = append(b.times,
		timing{"`top`: the first frame", frame, frame, firstFrame},
		timing{"– with a member that is silent", silent, silent, firstFrame})
	return nil
}

// watched runs a command on a terminal for a while. It returns the CPU time that it took, and when it had shown a text.
func watched(ctx context.Context, d time.Duration, shows string, argv ...string) (used, shown time.Duration, err error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "TERM=xterm-256color")
	start := time.Now()
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 120})
	if err != nil {
		return 0, 0, fmt.Errorf("run %s: %w", argv[0], err)
	}
	defer terminal.Close()
	var text []byte
	var read sync.WaitGroup
	read.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := terminal.Read(buf)
			if shown == 0 {
				text = append(text, buf[:n]...)
				if bytes.Contains(text, []byte(shows)) {
					shown = time.Since(start)
				}
			}
			if err != nil {
				return
			}
		}
	})
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait() // it was told to end
	read.Wait()
	if shown == 0 {
		return 0, 0, fmt.Errorf("%s did not show %q: %q", strings.Join(argv, " "), shows, text)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), shown, ctx.Err()
}
