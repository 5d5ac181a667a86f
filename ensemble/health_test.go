package ensemble

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/port/porttest"
	"github.com/zkctl/zkctl/internal/ui"
)

func TestHealth(t *testing.T) {
	e := embedded(t, 3, map[string]string{"4lw.commands.whitelist": "srvr"})
	health := func(args ...string) output {
		return run(t, newCommand, e.ConnectString(), append([]string{"health", "--admin-port", "0", "--timeout", "2s"}, args...)...)
	}
	if o := health("--min-members", "3", "--max-lag", "100", "--max-outstanding", "1000", "--max-latency", "1e9", "--strict"); o.code != 0 || !strings.HasPrefix(o.out, "healthy: quorum 3 of 3") {
		t.Errorf("%+v", o)
	}
	if o := health("--min-members", "4"); o.code != ui.ExitFailed || !strings.Contains(o.out, "3 of at least 4 members serve") {
		t.Errorf("%+v", o)
	}
	var o output
	if !await.Within(time.Minute, func() bool { // a follower may be behind by the end of the session that has just read the configuration
		o = health("--format", "nagios", "--min-members", "4")
		return strings.Contains(o.out, " lag=0;")
	}) || o.code != nagiosWarning || !strings.HasPrefix(o.out, "ZOOKEEPER WARNING - quorum 3 of 3") || !strings.Contains(o.out, "| members=3;4:;;0;3 lag=0;;;0 latency=") {
		t.Errorf("%+v", o)
	}
	o = health("--canary", "-o", "json")
	var doc struct {
		Healthy bool
		Canary  []struct{ Connect, Create, Watch float64 }
	}
	if err := json.Unmarshal([]byte(o.out), &doc); err != nil || o.code != 0 || !doc.Healthy || len(doc.Canary) != 3 || doc.Canary[2].Watch == 0 {
		t.Errorf("%v: %+v", err, o)
	}
	c, err := client.Open(client.Config{Servers: e.ConnectString()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if children, _, err := c.Children(t.Context(), "/", false); err != nil || len(children) != 1 {
		t.Errorf("the canaries left %v, %v", children, err)
	}
	if o := health("--canary", "--canary-path", "/none", "--format", "nagios"); o.code != nagiosCritical || !strings.Contains(o.out, "--canary-path names another parent") {
		t.Errorf("%+v", o)
	}
	if o := health("--format", "prometheus"); o.code != 0 || !strings.Contains(o.out, "\nzkctl_ensemble_quorum 1\n") || strings.Count(o.out, "zkctl_member_serving{") != 3 {
		t.Errorf("%+v", o)
	}
	silent := porttest.Serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	if o := run(t, newCommand, silent, "health", "--timeout", "200ms", "--admin-port", "0"); o.code != exitUnknown || o.out != "unknown: the member did not answer\n" {
		t.Errorf("%+v", o)
	}
	if o := health("--members", ""); o.code != exitUnknown || !strings.Contains(o.err, "name at least one server") {
		t.Errorf("%+v", o)
	}
	for _, args := range [][]string{{"--max-lag", "-1"}, {"--max-lag", "many"}, {"--nonsense"}, {"more"}, {"--admin-port", "x"}} {
		if o := health(append([]string{"--format", "nagios"}, args...)...); o.code != nagiosUnknown || o.out != "" || o.err == "" {
			t.Errorf("%v: %+v", args, o)
		}
	}
	for _, args := range [][]string{{"--format", "xml"}, {"--max-lag", "-1"}, {"--max-latency=-0.5"}, {"--wait", "-1s"}} {
		if o := health(args...); o.code != exitUnknown || o.out != "" {
			t.Errorf("%v: %+v", args, o)
		}
	}

	leader, err := e.Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range e.Members() {
		if m != leader {
			if err := m.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	await.Within(30*time.Second, func() bool { o = health(); return o.code == ui.ExitFailed })
	if o.code != ui.ExitFailed || !strings.Contains(o.out, "unhealthy: no quorum") {
		t.Errorf("%+v", o)
	}
	if o := health("--format", "nagios"); o.code != nagiosCritical {
		t.Errorf("%+v", o)
	}
	back := make(chan error)
	go func() {
		for _, m := range e.Members() {
			if m != leader {
				if err := m.Start(t.Context()); err != nil {
					back <- err
					return
				}
			}
		}
		back <- nil
	}()
	if o := health("--wait", "30s", "--min-members", "3"); o.code != 0 {
		t.Errorf("%+v", o)
	}
	if err := <-back; err != nil {
		t.Error(err)
	}
}

// A limit on an unknown value does not pass.
func TestUnknownIsNoPass(t *testing.T) {
	h := &health{survey: &probe.Survey{}}
	h.checks = []check{{Name: "quorum", OK: answer.Some(true), critical: true}}
	r := &probe.Reading{}
	h.limit("lag", r, false, true, "")
	if h.ok().Known() || h.nagios() != nagiosUnknown {
		t.Errorf("%v, %d", h.ok(), h.nagios())
	}
	var exit *ui.ExitError
	if err := exitOf(h.ok()); !errors.As(err, &exit) || exit.Code != exitUnknown {
		t.Errorf("%v", err)
	}
	h.limit("latency", r, true, false, "is slow")
	if h.ok() != answer.Some(false) || h.nagios() != nagiosWarning {
		t.Errorf("%v, %d", h.ok(), h.nagios())
	}
}
