package transfer

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver"
)

var torture = flag.Duration("torture", 0, "how long each test of make torture-transfer lasts; 0 to skip them")

// child is the variable with which the test binary runs a verb, to be killed.
const child = "ZKCTL_TRANSFER_CHILD"

func TestMain(m *testing.M) {
	if line := os.Getenv(child); line != "" {
		cfg := client.Config{Servers: os.Getenv(child + "_SERVER")}
		if auth := os.Getenv(child + "_AUTH"); auth != "" {
			cfg.Auth = []client.Auth{{Scheme: "digest", Data: []byte(auth)}}
		}
		env, _ := environ(cfg, io.Discard, os.Stderr)
		if err := command.Run(context.Background(), env, command.Args(strings.Fields(line)...)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(apachetest.Main(m))
}

// forest makes a tree of n times 100 znodes, whose numbers of sequential children are higher than those of their children.
func forest(t testing.TB, c *client.Conn, root string, n int) {
	t.Helper()
	ctx := testContext(t)
	create(t, c, root, "root", proto.OpenACL, proto.Persistent)
	for i := range n {
		parent := fmt.Sprintf("%s/%03d", root, i)
		var ops []proto.MultiOp
		ops = append(ops, client.CreateOp(parent, []byte("parent"), proto.OpenACL, proto.Persistent, 0))
		for j := range 100 {
			ops = append(ops, client.CreateOp(fmt.Sprintf("%s/%03d", parent, j), fmt.Append(nil, i*j), proto.OpenACL, proto.Persistent, 0))
		}
		for range i {
			ops = append(ops, client.CreateOp(parent+"/x", nil, proto.OpenACL, proto.Persistent, 0),
				proto.MultiOp{Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: parent + "/x", Version: -1}})
		}
		if _, err := c.Multi(ctx, ops); err != nil {
			t.Fatal(err)
		}
	}
}

// underWay waits until a copy has come to a znode, or has ended.
func underWay(t testing.TB, c *client.Conn, path string, ended <-chan struct{}) {
	t.Helper()
	if err := await.Until(testContext(t), func() bool {
		select {
		case <-ended:
			return true
		default:
		}
		_, err := c.Exists(testContext(t), path, false)
		return err == nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestKilledCopyResumes kills a process that copies, as kill -9 does.
func TestKilledCopyResumes(t *testing.T) {
	server, at := home(t)
	cfg := client.Config{Servers: server}
	c := open(t, cfg)
	from, to := at+"/from", at+"/to"
	forest(t, c, from, 20)
	for i, until := range []string{to + "/001", to + "/008", to + "/019/099"} {
		line := fmt.Sprintf("cp %s %s --rate 4000 --batch 50", from, to)
		if i > 0 {
			line += " --resume"
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), child+"="+line, child+"_SERVER="+server)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		underWay(t, c, until, nil)
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	}
	if stdout, stderr, err := run(t, cfg, "cp", from, to, "--resume"); err != nil || !strings.Contains(stdout, "changed 0, deleted 0; same ") {
		t.Fatalf("%s%s%v", stdout, stderr, err)
	}
	if a, b := describe(t, cfg, from), describe(t, cfg, to); !slices.Equal(a, b) {
		t.Errorf("the copy differs: %d and %d znodes", len(a), len(b))
	}
}

// TestCopySurvivesLeader kills the leader, and cuts the copying client off, while a copy is made.
func TestCopySurvivesLeader(t *testing.T) {
	ctx := testContext(t)
	e, err := localserver.Start(ctx, localserver.Options{Size: 3, Properties: map[string]string{"tickTime": "500"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	cfg := client.Config{Servers: e.ConnectString(), SessionTimeout: 8 * time.Second, Wait: true}
	c := open(t, cfg)
	forest(t, c, "/from", 30)
	ended := make(chan struct{})
	var stdout, stderr string
	var copyErr error
	go func() {
		stdout, stderr, copyErr = run(t, cfg, "cp", "/from", "/to", "--rate", "3000", "--batch", "50")
		close(ended)
	}()
	underWay(t, c, "/to/003", ended)
	leader, err := e.Leader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	underWay(t, c, "/to/012", ended)
	e.DropConnections()
	<-ended
	if copyErr != nil { // its source cannot be read during an election
		t.Logf("%s%s%v", stdout, stderr, copyErr)
		if _, err := e.WaitLeader(ctx); err != nil {
			t.Fatal(err)
		}
		if stdout, stderr, err := run(t, cfg, "cp", "/from", "/to", "--resume"); err != nil {
			t.Fatalf("%s%s%v", stdout, stderr, err)
		}
	}
	if a, b := describe(t, cfg, "/from"), describe(t, cfg, "/to"); !slices.Equal(a, b) {
		t.Errorf("the copy differs: %d and %d znodes", len(a), len(b))
	}
}

// TestMirrorTorture mirrors from one Apache ZooKeeper to another, with partitions, and restarts of both.
func TestMirrorTorture(t *testing.T) {
	if *torture == 0 {
		t.Skip("make torture-transfer runs it")
	}
	a, b := apachetest.Test(t, apache.Options{}), apachetest.Test(t, apache.Options{})
	stop := make(chan struct{})
	restarted := make(chan error, 1)
	go func() {
		var err error
		for i := 0; err == nil; i++ {
			select {
			case <-stop:
				restarted <- nil
				return
			case <-time.After(20 * time.Second):
			}
			server := []*apache.Server{a, b}[i%2]
			err = errors.Join(server.Kill(), server.Restart(t.Context()))
		}
		restarted <- err
	}()
	disturbedMirror(t, client.Config{Servers: a.Addr()}, b.Addr(), "", *torture, func() {
		close(stop)
		if err := <-restarted; err != nil {
			t.Fatal(err)
		}
	})
}
