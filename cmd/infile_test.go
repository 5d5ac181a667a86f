//go:build unix

package cmd

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zkctl/zkctl/internal/await"
)

// filesNamed are command lines that name a file F, each with its message for /dev/zero, and whether
// it reads or refuses a FIFO.
var filesNamed = []struct {
	line, endless string
	refuses       bool
}{
	{"-auth-file F ls /", "too long", false},
	{"-config F ls /", "too long", false},
	{"-client-configuration F ls /", "too long", false},
	{"-tls-truststore F ls /", "too long", false},
	{"-f F", "the line is longer than", false},
	{"set /x @F", "limit of jute.maxbuffer", false},
	{"-jute-maxbuffer 1000 set /x @F", "is longer than 1000 bytes", false},
	{"create /x -file F", "limit of jute.maxbuffer", false},
	{"reconfig -file F", "too long", false},
	{"multi -file F", "limit of jute.maxbuffer", false},
	{"addauth digest @F", "limit of jute.maxbuffer", false},
	{"local start --config F other", "not a regular file", true},
	{"txnlog dump F", "not a regular file", true},
	{"txnlog verify F", "not a regular file", true},
	{"txnlog recover F", "not a regular file", true},
	{"snapshot dump F", "not a regular file", true},
	{"snapshot verify F", "not a regular file", true},
	{"server start-foreground F", "not a regular file", true},
	{"server start F", "not a regular file", true},
}

// TestEndlessFiles: an endless file is not read forever, whatever it was named for.
func TestEndlessFiles(t *testing.T) {
	for _, tc := range filesNamed {
		t.Run(tc.line, func(t *testing.T) {
			cmd, stderr := process(t, strings.Fields(strings.ReplaceAll(tc.line, "F", "/dev/zero"))...)
			cmd.Stdout = stderr
			cmd.Dir = t.TempDir()
			if exit := exitCode(t, cmd.Run()); exit == 0 || exit == -1 || !strings.Contains(stderr.String(), tc.endless) {
				t.Errorf("exit code %d: %.300s", exit, stderr)
			}
			if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok && runtime.GOOS == "linux" && usage.Maxrss > 2<<20 { // KiB; the race detector takes its share
				t.Errorf("it took %d KiB", usage.Maxrss)
			}
		})
	}
}

// TestFIFOsAreInterrupted: Ctrl-C ends the wait for a FIFO that nothing writes to, before and after
// its other end is opened.
func TestFIFOsAreInterrupted(t *testing.T) {
	for _, tc := range filesNamed {
		for _, open := range []bool{false, true} {
			t.Run(tc.line, func(t *testing.T) {
				t.Parallel()
				fifo := filepath.Join(t.TempDir(), "fifo")
				if err := unix.Mkfifo(fifo, 0o600); err != nil {
					t.Fatal(err)
				}
				cmd, stderr := process(t, strings.Fields(strings.ReplaceAll(tc.line, "F", fifo))...)
				cmd.Stdout = stderr
				cmd.Dir = t.TempDir()
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				if !tc.refuses {
					if open { // it opens as soon as zkctl reads it
						f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
						if err != nil {
							t.Fatal(err)
						}
						defer f.Close()
					} else {
						awaitOpening(t, cmd.Process.Pid)
					}
					if err := cmd.Process.Signal(os.Interrupt); err != nil {
						t.Fatal(err)
					}
				}
				ended := make(chan error, 1)
				go func() { ended <- cmd.Wait() }()
				select {
				case err := <-ended:
					exit := exitCode(t, err)
					switch {
					case tc.refuses && (exit < 1 || !strings.Contains(stderr.String(), "not a regular file")),
						!tc.refuses && exit != 130 && exit != -1: // by the signal itself
						t.Errorf("exit code %d: %s", exit, stderr)
					}
				case <-time.After(time.Minute):
					_ = cmd.Process.Kill()
					<-ended
					t.Error("it waits for ever")
				}
			})
		}
	}
}

// awaitOpening waits until a thread of the process is in open(2), which blocks for a FIFO.
func awaitOpening(t *testing.T, pid int) {
	t.Helper()
	await.Within(20*time.Second, func() bool {
		tasks, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/wchan")
		if err != nil || len(tasks) == 0 {
			return true // no /proc here: signal it at once
		}
		return slices.ContainsFunc(tasks, func(task string) bool {
			text, _ := os.ReadFile(task)
			return strings.Contains(string(text), "fifo") || strings.Contains(string(text), "wait_for_partner")
		})
	})
}
