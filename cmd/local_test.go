//go:build unix

package cmd

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/local"
)

// TestLocalTranscripts runs testdata/local/*.txtar, which need no Apache ZooKeeper. $PORT is
// a free port, $TAKEN one on which somebody listens; "sigkill NAME" kills the process of a
// named server; "notemp" checks that no temporary folder is left.
func TestLocalTranscripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/local",
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, ".home")
			for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"} {
				env.Setenv(name, home)
			}
			temp := filepath.Join(env.WorkDir, ".temp")
			if err := os.Mkdir(temp, 0o700); err != nil {
				return err
			}
			env.Setenv("TMPDIR", temp)
			env.Setenv("TZ", "UTC")
			env.Setenv("GORACE", os.Getenv("GORACE"))
			env.Setenv("USER", "tester")
			port, err := port.Free()
			if err != nil {
				return err
			}
			env.Setenv("PORT", strconv.Itoa(port))
			taken, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			_, port2, _ := net.SplitHostPort(taken.Addr().String())
			env.Setenv("TAKEN", port2)
			env.Defer(func() {
				taken.Close()
				for _, s := range serversIn(home) {
					if s.Running() {
						_ = syscall.Kill(s.PID, syscall.SIGKILL)
					}
				}
				for _, file := range globAll(env.WorkDir, "data/zookeeper_server.pid", "run/zk.pid") {
					text, _ := os.ReadFile(file)
					if pid, err := strconv.Atoi(string(text)); err == nil {
						_ = syscall.Kill(pid, syscall.SIGKILL)
					}
				}
			})
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "expand": expand, "sigkill": sigkill, "notemp": noTemp,
		},
	})
}

func globAll(dir string, names ...string) (files []string) {
	for _, name := range names {
		found, _ := filepath.Glob(filepath.Join(dir, name))
		files = append(files, found...)
	}
	return files
}

// serversIn are the named servers of somebody whose state folder is home.
func serversIn(home string) (list []*local.Server) {
	at := local.Home(filepath.Join(home, "zkctl/local"))
	for _, name := range at.Names() {
		if s, err := at.Load(name); err == nil {
			list = append(list, s)
		}
	}
	return list
}

func sigkill(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sigkill name")
	}
	for _, s := range serversIn(ts.MkAbs(".home")) {
		if s.Name != args[0] || !s.Running() {
			continue
		}
		ts.Check(syscall.Kill(s.PID, syscall.SIGKILL))
		if !await.Within(time.Minute, func() bool { return !s.Running() }) {
			ts.Fatalf("process %d survives SIGKILL", s.PID)
		}
		return
	}
	ts.Fatalf("no server %s runs", args[0])
}

func noTemp(ts *testscript.TestScript, neg bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(".temp"))
	ts.Check(err)
	for _, e := range entries {
		ts.Fatalf("%s is left in the folder of temporary files", e.Name())
	}
}
