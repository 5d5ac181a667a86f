package commands

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// while runs a line, and calls change again and again until it has ended.
func while(b *bench, line string, change func()) (stdout, stderr string, exit int) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		stdout, stderr, exit = b.run(line)
	}()
	for {
		select {
		case <-done:
			return stdout, stderr, exit
		default:
			change()
		}
	}
}

// TestWatchEnds: after --count changes, with a line for each, or a command.
func TestWatchEnds(t *testing.T) {
	b := newBench(t)
	b.must("create /w 0")
	conn, err := b.session.Conn()
	if err != nil {
		t.Fatal(err)
	}
	set := func() {
		if _, err := conn.Set(b.ctx, "/w", []byte("new"), -1); err != nil {
			t.Error(err)
		}
	}
	out, errOut, exit := while(b, "watch /w --changes-only --count 3", set)
	if exit != 0 || errOut != "" || strings.Count(out, "\n") != 3 || strings.Count(out, " changed  /w  version ") != 3 {
		t.Errorf("--count: exit %d\n%s%s", exit, out, errOut)
	}
	if runtime.GOOS == "windows" {
		return // no sh
	}
	out, errOut, exit = while(b, `watch /w --count 2 --exec 'sh -c "echo $ZKCTL_CHANGE $0 $(cat)" {path}'`, set)
	if exit != 0 || errOut != "" || out != "changed /w new\nchanged /w new\n" {
		t.Errorf("--exec: exit %d\n%s%s", exit, out, errOut)
	}
	_, errOut, exit = while(b, "watch /w --count 1 --exec 'sh -c \"exit 3\"'", set)
	if exit != 1 || !strings.Contains(errOut, "--exec: 1 of 1 command failed") {
		t.Errorf("a command that fails: exit %d\n%s", exit, errOut)
	}
}

// TestSetAgainstOthers: set --jq and set --merge start again when the znode has changed since they read it.
func TestSetAgainstOthers(t *testing.T) {
	b := newBench(t)
	b.must(`create /n '{"n": 0}'`)
	var all sync.WaitGroup
	for i := range 2 {
		other := benchOn(b.ctx, t, b.servers)
		all.Go(func() {
			for k := range 8 {
				for _, line := range []string{"set /n --jq '.n += 1'", fmt.Sprintf(`set /n --merge '{"of%d": %d}'`, i, k)} {
					if _, errOut, exit := other.run(line); exit != 0 {
						t.Errorf("%s: %s", line, errOut)
					}
				}
			}
		})
	}
	all.Wait()
	if got := b.must("get /n --jq '[.n, .of0, .of1] | tojson'"); got != "[16,7,7]\n" {
		t.Errorf("two writers: %s", b.must("get /n"))
	}
}
