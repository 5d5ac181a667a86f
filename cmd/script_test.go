package cmd

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// TestTranscripts runs testdata/script/*.txtar, in which zkctl is the binary under test.
//
// $ZK is an Apache ZooKeeper with a chroot of the script's own; "exits CODE zkctl …" runs a command
// that must fail with that code. $LOGS is a data directory and $EXPECTED what Apache's tools print
// for it. $HTTP, $SILENT, $HANGUP and $REFUSED are addresses where no ZooKeeper answers.
func TestTranscripts(t *testing.T) {
	server := apachetest.Shared(t).Addr()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			chroot := "/" + strings.TrimSuffix(strings.TrimPrefix(filepath.Base(env.WorkDir), "script-"), ".txtar")
			fill(t, chroot)
			env.Setenv("SERVER", server)
			env.Setenv("ZK", server+chroot)
			env.Setenv("CHROOT", chroot)
			env.Setenv("TZ", "UTC")
			for name, dir := range map[string]string{"LOGS": "standalone", "EXPECTED": "expected"} {
				dir, err := filepath.Abs(filepath.Join("../logformatter/testdata", dir))
				if err != nil {
					return err
				}
				env.Setenv(name, dir)
			}
			env.Setenv("GORACE", os.Getenv("GORACE"))
			for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"} {
				env.Setenv(name, filepath.Join(env.WorkDir, ".home"))
			}
			for name, serve := range map[string]func(net.Conn){
				"HTTP": func(c net.Conn) {
					_, _ = c.Read(make([]byte, 1024))
					_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
					c.Close()
				},
				"SILENT":  func(net.Conn) {},
				"HANGUP":  func(c net.Conn) { c.Close() },
				"REFUSED": nil,
			} {
				addr, err := listen(env, serve)
				if err != nil {
					return err
				}
				env.Setenv(name, addr)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "expand": expand},
	})
}

// fill creates znodes on the server that tests share.
func fill(t *testing.T, paths ...string) {
	t.Helper()
	conn, err := client.Open(client.Config{Servers: apachetest.Shared(t).Addr()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, path := range paths {
		if _, _, err := conn.Create(t.Context(), path, []byte("x"), proto.OpenACL, proto.Persistent, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// listen answers connections with serve until the script ends or, with nil, refuses them.
func listen(env *testscript.Env, serve func(net.Conn)) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	if serve == nil {
		return l.Addr().String(), l.Close()
	}
	env.Defer(func() { l.Close() })
	go func() {
		var open []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				for _, c := range open {
					c.Close()
				}
				return
			}
			open = append(open, c)
			go serve(c)
		}
	}()
	return l.Addr().String(), nil
}

// exits is a command of the scripts: exits 127 zkctl nosuchcommand.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		got = failed.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// expand is a command of the scripts: it copies a file with $NAMES replaced.
func expand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: expand from to")
	}
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

// TestHelpFits checks the help page on narrow terminals.
func TestHelpFits(t *testing.T) {
	for _, width := range []int{60, 80, 120} {
		out := &strings.Builder{}
		s := discard()
		s.Out, s.Width = out, width
		if code := Execute(t.Context(), []string{"--help"}, s); code != 0 {
			t.Fatalf("exit code %d", code)
		}
		for n, line := range strings.Split(out.String(), "\n") {
			if len([]rune(line)) > width {
				t.Errorf("width %d: line %d has %d columns: %s", width, n+1, len([]rune(line)), line)
			}
		}
		for _, word := range []string{"-server", "ls -R /", "ZKCTL_", "completion", "deleteall", "127"} {
			if !strings.Contains(out.String(), word) {
				t.Errorf("help does not mention %s", word)
			}
		}
	}
}

// A word of the command line has one meaning, and a verb's tree matches the list.
func TestVerbsDoNotClash(t *testing.T) {
	seen := map[string]bool{}
	is := func(name string) {
		if name = strings.ToLower(name); seen[name] {
			t.Errorf("two commands are called %s", name)
		}
		seen[name] = true
	}
	env := newApp(discard()).env()
	for _, c := range env.Commands {
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			is(name)
		}
	}
	for i := range env.Verbs {
		v := &env.Verbs[i]
		is(v.Name)
		if tree := v.Tree(env); tree.Name() != v.Name || v.Short == "" || v.Group == "" {
			t.Errorf("verb %q: usage %q, short %q, group %q", v.Name, tree.Use, v.Short, v.Group)
		}
	}
	if !seen["ls"] || !seen["completion"] || !seen["help"] || !seen["version"] {
		t.Errorf("verbs are missing: %v", seen)
	}
}
