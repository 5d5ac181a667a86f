// Package apachetest gives tests a real Apache ZooKeeper. Only tests import it.
//
// If ZKCTL_TEST_SERVER names a zkctl binary, its embedded server runs in place of Apache's, with
// the same zoo.cfg, so that tests written against the real server also cover it. It emulates the
// release in ZKCTL_TEST_EMULATE, by default 3.8, because the tests pass with Debian's 3.8.0.
package apachetest

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/zkctl/zkctl/internal/apache"
)

// Taken before a package's TestMain clears the environment of what zkctl reads.
var (
	instead = os.Getenv("ZKCTL_TEST_SERVER")
	emulate = cmp.Or(os.Getenv("ZKCTL_TEST_EMULATE"), "3.8")
)

var findOnce = sync.OnceValues(func() (*apache.Installation, error) {
	in, err := apache.Find()
	if err == nil {
		archives(in)
	}
	if instead != "" && err == nil {
		in.Instead = embedded
	}
	return in, err
})

func embedded(config string, jvm []string) *exec.Cmd {
	cmd := exec.Command(instead, "server", "start-foreground", config)
	flags := append([]string{"-Dzkctl.emulate=" + emulate}, jvm...)
	cmd.Env = append(os.Environ(), "SERVER_JVMFLAGS="+strings.Join(flags, " "))
	return cmd
}

// Require returns the installation that a test needs. If there is none, it calls Missing.
func Require(t testing.TB) *apache.Installation {
	t.Helper()
	in, err := findOnce()
	if err == nil {
		return in
	}
	Missing(t, err)
	return nil
}

// Missing ends a test because something outside the project is missing: the test is skipped and, if
// ZKCTL_SKIPPED names a file, recorded there with the reason. With CI=true it fails.
func Missing(t testing.TB, reason error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI=true demands a real ZooKeeper and its clients: %v", reason)
	}
	if file := os.Getenv("ZKCTL_SKIPPED"); file != "" {
		if noteErr := noteSkipped(file, t.Name(), reason.Error()); noteErr != nil {
			t.Errorf("note the skipped test: %v", noteErr)
		}
	}
	t.Skip(reason.Error())
}

// noteSkipped appends "package.Test: reason", in one write because several test
// binaries share the file.
func noteSkipped(file, test, reason string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	binary := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	_, err = fmt.Fprintf(f, "%s.%s: %s\n", strings.TrimSuffix(binary, ".test"), test, strings.ReplaceAll(reason, "\n", " "))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// Test starts a server for one test and stops it when the test ends. A failed
// test logs the end of the server's log.
func Test(t testing.TB, opt apache.Options) *apache.Server {
	t.Helper()
	s, err := Require(t).Start(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of ZooKeeper on %s ends:\n%s", s.Addr(), s.LogTail())
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var shared struct {
	sync.Mutex
	server *apache.Server
	err    error
}

// Shared returns a server that all tests of the binary share: a test should use only a znode named
// after itself, and must not stop the server. TTL znodes are enabled; all other settings are
// ZooKeeper's defaults. The package's TestMain should call Main, which stops the server; otherwise
// the server ends with the test process.
func Shared(t testing.TB) *apache.Server {
	t.Helper()
	in := Require(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = in.Start(context.Background(), apache.Options{
			JVM: []string{"-Dzookeeper.extendedTypesEnabled=true"},
		})
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// Main runs the tests and stops the shared server:
//
//	func TestMain(m *testing.M) { os.Exit(apachetest.Main(m)) }
func Main(m *testing.M) int {
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		if err := shared.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	return code
}
