package supervise

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zkctl/zkctl/internal/await"
)

// TestReap: orphans do not stay as zombies, and the server's end is left to whoever waits for it.
func TestReap(t *testing.T) {
	if os.Getenv("REAP") == "" {
		// Only in a separate process, which has no other children.
		cmd := exec.Command(os.Args[0], "-test.run=^TestReap$", "-test.v")
		cmd.Env = append(os.Environ(), "REAP=1")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	f := newFamily()
	defer f.reap()()
	orphan := func() int {
		t.Helper()
		cmd := exec.Command("/bin/sh", "-c", "sleep 0.05 & echo $!")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := f.start(func() (int, error) { err := cmd.Start(); return cmd.Process.Pid, err }); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the shell: %v", err)
		}
		f.ended()
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	for range 20 {
		pid := orphan()
		await.That(t, 30*time.Second, "end of an orphan", func() bool { return unix.Kill(pid, 0) != nil }) // a zombie can still be signalled
	}
}
