package shell

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
)

// An idle shell must use less than 0.1 % of a processor, with or without a started line.
func TestIdleShell(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	for _, keys := range []string{"", "ls /zoo"} {
		tt := openTest(t, terminalOptions{servers: addr})
		tt.seeLine(promptOf(addr, "CONNECTED", 0))
		tt.send(keys)
		tt.see(strings.TrimRight("CONNECTED) 0] "+keys, " "))
		const window = 4 * time.Second
		var took time.Duration
		var woken int
		for range 5 { // a window may hold the end of the beginning, or a ping
			cpu, switches := used(t, tt.pid())
			time.Sleep(window)
			cpuNow, switchesNow := used(t, tt.pid())
			if took, woken = cpuNow-cpu, switchesNow-switches; took < window/1000 && woken < 20*int(window/time.Second) {
				break
			}
		}
		if took >= window/1000 {
			t.Errorf("with %q typed: %v of processor time in %v, %d wake-ups", keys, took, window, woken)
		}
		if woken >= 20*int(window/time.Second) {
			t.Errorf("with %q typed: %d wake-ups in %v", keys, woken, window)
		}
		tt.send("\x15pwd\r") // and it responds at once
		tt.see("\n/\n")
		tt.send("quit\r")
		tt.left(0)
	}
}

// used returns a process's processor time, and how often its threads have slept.
func used(t *testing.T, pid int) (cpu time.Duration, switches int) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("no thread of process %d: %v", pid, err)
	}
	for _, thread := range threads {
		text, err := os.ReadFile(filepath.Join(thread, "schedstat"))
		if err != nil {
			t.Skip("this kernel does not say how long a thread ran:", err)
		}
		ns, _ := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		cpu += time.Duration(ns)
		status, _ := os.ReadFile(filepath.Join(thread, "status"))
		for _, line := range strings.Split(string(status), "\n") {
			if n, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				count, _ := strconv.Atoi(strings.TrimSpace(n))
				switches += count
			}
		}
	}
	return cpu, switches
}
