package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
)

func TestMain(m *testing.M) { os.Exit(apachetest.Main(m)) }

// TestTree fills the tree as the demonstration does and looks at it with zkCli.
func TestTree(t *testing.T) {
	server := apachetest.Shared(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	zkctl := filepath.Join(t.TempDir(), "zkctl")
	if runtime.GOOS == "windows" {
		zkctl += ".exe"
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", zkctl, "../../cmd/zkctl")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build zkctl: %v\n%s", err, out)
	}

	if err := fill(ctx, zkctl, server.Addr()); err != nil {
		t.Fatal(err)
	}
	leave, err := register(ctx, zkctl, server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer leave()

	zkCli := func(args ...string) string {
		out, errOut, exit, err := apachetest.Require(t).ZkCli(ctx, append([]string{"-server", server.Addr()}, args...)...)
		if err != nil || exit != 0 {
			t.Fatalf("zkCli %q: exit %d, %v\n%s", args, exit, err, errOut)
		}
		return apache.WithoutChatter(out)
	}
	if got, want := zkCli("get", "/shop/config/größen"), `{"S":36,"M":40,"L":44}`+"\n"; got != want {
		t.Errorf("a JSON value: got %q, want %q", got, want)
	}
	if got := zkCli("get", "/shop/logo"); !strings.Contains(got, "PNG") {
		t.Errorf("the binary value: %q", got)
	}
	if got := zkCli("listquota", "/shop/queue"); !strings.Contains(got, "count=5,bytes=100") {
		t.Errorf("the quota: %q", got)
	}
	if got := zkCli("getAcl", "/shop/readonly"); !strings.Contains(got, "'world,'anyone\n: r\n") {
		t.Errorf("the ACL: %q", got)
	}
	const last = "/shop/services/search/10.0.0.21:9000"
	for !strings.Contains(zkCli("ls", "-R", "/shop"), last+"\n") {
		if ctx.Err() != nil {
			t.Fatalf("%s was not registered", last)
		}
	}
	if got := zkCli("stat", last); strings.Contains(got, "ephemeralOwner = 0x0\n") {
		t.Errorf("the service is not ephemeral:\n%s", got)
	}
}
