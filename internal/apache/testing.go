package apache

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Require returns the installation that a test needs. Without one the test is
// skipped and, when ZKCTL_SKIPPED names a file, noted there with the reason;
// with CI=true the test fails.
func Require(t testing.TB) *Installation {
	t.Helper()
	in, err := findOnce()
	if err == nil {
		return in
	}
	Missing(t, err)
	return nil
}

// Missing ends a test for want of something that is not part of the project: it is skipped
// and, when ZKCTL_SKIPPED names a file, noted there with the reason; with CI=true it fails.
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

var findOnce = sync.OnceValues(Find)

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
func Test(t testing.TB, opt Options) *Server {
	t.Helper()
	s, err := Require(t).Start(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of ZooKeeper on %s ends:\n%s", s.Addr(), s.logTail(0))
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var shared struct {
	sync.Mutex
	server *Server
	err    error
}

// Shared returns a server that every test of the binary may use, beside the
// others: a test should keep to a znode named after itself, and must not stop
// the server. Znodes with a time to live are enabled, all else is as ZooKeeper
// has it by default. The package's TestMain should call Main, which stops the
// server; without it the server ends with the test process.
func Shared(t testing.TB) *Server {
	t.Helper()
	in := Require(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = in.Start(context.Background(), Options{
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
//	func TestMain(m *testing.M) { os.Exit(apache.Main(m)) }
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
