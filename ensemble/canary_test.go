package ensemble

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver"
)

// canaryServer names the variable with the server through which TestCanaryHelper sends a canary.
const canaryServer = "ZKCTL_TEST_CANARY"

// TestCanaryHelper is a process with a canary that TestNothingIsLeftOfACanary kills.
func TestCanaryHelper(t *testing.T) {
	addr := os.Getenv(canaryServer)
	if addr == "" {
		t.Skip("it is no test, but a process that another test kills")
	}
	run(t, newCommand, addr, "health", "--canary", "--admin-port", "0")
}

// held is a server that delays its answer to a canary that watches its znode, and to later requests of the same client.
func held(t *testing.T, delay time.Duration) (*localserver.Ensemble, *client.Conn) {
	t.Helper()
	e := embedded(t, 1, nil)
	if _, err := e.Inject(localserver.Fault{Op: localserver.OpExists, Delay: delay}); err != nil {
		t.Fatal(err)
	}
	c, err := client.Open(client.Config{Servers: e.ConnectString(), SessionTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return e, c
}

// awaitCanary waits until there is a canary, or none.
func awaitCanary(t *testing.T, c *client.Conn, there bool) {
	t.Helper()
	await.That(t, 30*time.Second, fmt.Sprintf("there is a canary: %v", there), func() bool {
		names, _, err := c.Children(t.Context(), "/", false)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(strings.Join(names, " "), "zkctl-canary-") == there
	})
}

func TestNothingIsLeftOfACanary(t *testing.T) {
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		e, c := held(t, time.Second)
		ctx, interrupt := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			p := &probe.Prober{Client: client.Config{Servers: e.ConnectString(), SessionTimeout: time.Minute}}
			ended <- new(canaryResult).sing(ctx, p, &probe.Member{Addresses: addresses(t, e.ConnectString())}, "")
		}()
		awaitCanary(t, c, true)
		interrupt()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		awaitCanary(t, c, false) // long before the session would expire
	})
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		e, c := held(t, time.Hour)
		cmd := exec.Command(os.Args[0], "-test.run=^TestCanaryHelper$")
		cmd.Env = append(os.Environ(), canaryServer+"="+e.ConnectString())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		awaitCanary(t, c, true)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		awaitCanary(t, c, false)
	})
}

func addresses(t *testing.T, servers string) []client.Address {
	t.Helper()
	list, _, err := client.ParseServers(servers)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Canaries have few names, of which each takes one that is free.
func TestNamesOfCanaries(t *testing.T) {
	t.Parallel()
	e := embedded(t, 1, nil)
	c, err := client.Open(client.Config{Servers: e.ConnectString(), SessionTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	health := func() output {
		return run(t, newCommand, e.ConnectString(), "health", "--canary", "--admin-port", "0")
	}
	for i := range canaryNames {
		if o := health(); o.code != 0 {
			t.Errorf("with %d others: %+v", i, o)
		}
		if _, _, err := c.Create(t.Context(), fmt.Sprintf("/zkctl-canary-%d", i), nil, proto.OpenACL, proto.Ephemeral, 0); err != nil {
			t.Fatal(err)
		}
	}
	if o := health(); o.code == 0 || !strings.Contains(o.out, "NodeExists") {
		t.Errorf("%+v", o)
	}
}
