package conformance

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/localserver"
)

// clientsTime limits the run of a client.
const clientsTime = 2 * time.Minute

// runClient runs a third-party client, and returns its stdout.
func runClient(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	return runClientWith(t, nil, stdin, name, args...)
}

// runClientWith is runClient with an environment.
func runClientWith(t *testing.T, env []string, stdin, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), clientsTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out, errOut bytes.Buffer
	cmd.Env = env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errOut
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s\n%s", name, errors.Join(err, ctx.Err()), out.String(), errOut.String())
	}
	return out.String()
}

// need skips the test, with a notice, if a file of a Debian package is missing.
func need(t *testing.T, pkg string, files ...string) {
	t.Helper()
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			apachetest.Missing(t, fmt.Errorf("%w; install Debian's package %s", err, pkg))
		}
	}
}

// local returns the connect string of an embedded server, or with ZKCTL_CLIENTS=apache of a real
// one, to check a client's test itself.
func local(t *testing.T) string {
	t.Helper()
	if os.Getenv("ZKCTL_CLIENTS") == "apache" {
		return apachetest.Test(t, apache.Options{}).Addr()
	}
	return localserver.New(t).ConnectString()
}

// TestKazoo runs the recipes of the Python client.
func TestKazoo(t *testing.T) {
	need(t, "python3-kazoo", "/usr/bin/python3", "/usr/lib/python3/dist-packages/kazoo/client.py")
	out := runClient(t, "", "/usr/bin/python3", "testdata/recipes.py", local(t))
	if n := strings.Count(out, "ok "); n != 11 {
		t.Errorf("%d parts of 11 went well:\n%s", n, out)
	}
}

// TestCurator runs Curator's recipes, in Java.
func TestCurator(t *testing.T) {
	const jars = apache.DebianJars + "/"
	var paths []string
	for _, name := range []string{"curator-recipes", "curator-framework", "curator-client", "guava"} {
		paths = append(paths, jars+name+".jar")
	}
	need(t, "libcurator-recipes-java", paths...)
	in := apachetest.Require(t)
	javac, err := exec.LookPath("javac")
	if err != nil {
		apachetest.Missing(t, fmt.Errorf("%w; install Debian's package default-jdk-headless", err))
	}
	path := strings.Join(append(paths, in.ToolClassPath...), string(os.PathListSeparator))
	classes := t.TempDir()
	runClient(t, "", javac, "-nowarn", "-d", classes, "-cp", path, "testdata/Recipes.java")
	out := runClient(t, "", in.Java, "-XX:TieredStopAtLevel=1", "-cp", path+string(os.PathListSeparator)+classes, "Recipes", local(t))
	if n := strings.Count(out, "ok "); n != 9 {
		t.Errorf("%d parts of 9 went well:\n%s", n, out)
	}
}

// TestCClient talks to the C client's shell.
func TestCClient(t *testing.T) {
	const cli = "/usr/lib/zookeeper/bin/cli_mt"
	need(t, "zookeeper-bin", cli)
	ctx, cancel := context.WithTimeout(context.Background(), clientsTime/4)
	defer cancel()
	cmd := exec.CommandContext(ctx, "stdbuf", "-oL", cli, local(t)) // it must not buffer its output
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	var heard []string
	await := func(want string) {
		t.Helper()
		for line := range lines {
			heard = append(heard, line)
			if strings.Contains(line, want) {
				return
			}
		}
		t.Fatalf("the C client never said %q:\n%s", want, strings.Join(heard, "\n"))
	}
	await("CONNECTED_STATE")
	for _, step := range [][]string{
		{"create /c", "[/c]: rc = 0", "name = /c"},
		{"create /c", "[/c]: rc = -110"},
		{"set /c two", "/c: rc = 0", "version=1"},
		{"get /c", "/c: rc = 0", "value_len = 3", "two"},
		{"wexists /c"},
		{"set /c three", "CHANGED_EVENT state = CONNECTED_STATE for path /c", "version=2"},
		{"create +e /ce", "[/ce]: rc = 0"},
		{"create +s /cs-", "[/cs-]: rc = 0", "name = /cs-0000000002"},
		{"create +c /cc", "[/cc]: rc = 0"},
		{"create2 /c2", "[/c2]: rc = 0"},
		{"ls /", "/: rc = 0", "c2", "cs-0000000002", "zookeeper"},
		{"ls2 /", "/: rc = 0", "zookeeper", "ephemeralOwner = 0"},
		{"sync /", "[/]: rc = 0"},
		{"addauth digest u:p"},
		{"config", "/zookeeper/config: rc = 0"},
		{"delete /", "/: rc = -8"},
		{"delete /c", "/c: rc = 0"},
		{"get /c", "/c: rc = -101"},
	} {
		if _, err := io.WriteString(in, step[0]+"\n"); err != nil {
			t.Fatal(err)
		}
		for _, want := range step[1:] {
			await(want)
		}
	}
	if _, err := io.WriteString(in, "quit\n"); err != nil {
		t.Fatal(err)
	}
	await("Quitting")
	for range lines {
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the C client: %v", err)
	}
}

// TestGoZk uses the Go client that most Go programs use.
func TestGoZk(t *testing.T) {
	c, events, err := zk.Connect([]string{local(t)}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for e := range events {
		if e.State == zk.StateHasSession {
			break
		}
	}
	everybody := zk.WorldACL(zk.PermAll)
	if _, err := c.Create("/g", []byte("one"), 0, everybody); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create("/g", nil, 0, everybody); err != zk.ErrNodeExists {
		t.Errorf("created twice: %v", err)
	}
	_, stat, changed, err := c.GetW("/g")
	if err != nil || stat.DataLength != 3 || stat.Version != 0 {
		t.Fatalf("%+v, %v", stat, err)
	}
	if stat, err = c.Set("/g", []byte("two"), 0); err != nil || stat.Version != 1 {
		t.Fatalf("%+v, %v", stat, err)
	}
	if _, err := c.Set("/g", nil, 0); err != zk.ErrBadVersion {
		t.Errorf("set an old version: %v", err)
	}
	if e := <-changed; e.Type != zk.EventNodeDataChanged || e.Path != "/g" {
		t.Errorf("event %+v", e)
	}
	if path, err := c.CreateTTL("/g/ttl", nil, zk.FlagTTL, everybody, time.Hour); err != nil || path != "/g/ttl" {
		t.Errorf("createTTL: %s, %v", path, err)
	}
	if path, err := c.CreateContainer("/g/container", nil, zk.FlagContainer, everybody); err != nil || path != "/g/container" {
		t.Errorf("createContainer: %s, %v", path, err)
	}
	results, err := c.Multi(&zk.CreateRequest{Path: "/g/m", Acl: everybody}, &zk.SetDataRequest{Path: "/g/m", Data: []byte("x"), Version: 0},
		&zk.CheckVersionRequest{Path: "/g/m", Version: 1}, &zk.DeleteRequest{Path: "/g/m", Version: -1})
	if err != nil || len(results) != 4 || results[0].String != "/g/m" || results[1].Stat.Version != 1 {
		t.Errorf("multi: %+v, %v", results, err)
	}
	results, err = c.Multi(&zk.CreateRequest{Path: "/g/m", Acl: everybody}, &zk.CheckVersionRequest{Path: "/g", Version: 9})
	if err != zk.ErrBadVersion || len(results) != 2 || results[1].Error != zk.ErrBadVersion {
		t.Errorf("multi that fails: %+v, %v", results, err)
	}
	if kids, stat, err := c.Children("/g"); err != nil || len(kids) != 2 || stat.NumChildren != 2 {
		t.Errorf("children %q %+v, %v", kids, stat, err)
	}
	if err := c.AddAuth("digest", []byte("g:o")); err != nil {
		t.Error(err)
	}
	if _, err := c.SetACL("/g", zk.DigestACL(zk.PermAll, "g", "o"), -1); err != nil {
		t.Error(err)
	}
	if list, stat, err := c.GetACL("/g"); err != nil || len(list) != 1 || list[0].Scheme != "digest" || stat.Aversion != 1 {
		t.Errorf("acl %+v %+v, %v", list, stat, err)
	}
	first, second := zk.NewLock(c, "/glock", everybody), zk.NewLock(c, "/glock", everybody)
	if err := first.Lock(); err != nil {
		t.Fatal(err)
	}
	got := make(chan error)
	go func() { got <- second.Lock() }()
	if err := first.Unlock(); err != nil {
		t.Error(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
	if _, err := c.Sync("/g"); err != nil {
		t.Error(err)
	}
}
