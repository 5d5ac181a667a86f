package ensemble

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/await/awaittest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/port/porttest"
	"github.com/zkctl/zkctl/internal/sharedio"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/localserver"
)

// watched is what a verb prints that prints an object for each round until the test ends.
type watched struct {
	verb string
	mu   sync.Mutex
	rest []byte
	last status
	bad  error
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, p...)
	for {
		line, rest, whole := bytes.Cut(w.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		w.rest, w.last = rest, status{}
		if err := json.Unmarshal(line, &w.last); err != nil {
			w.bad = err
		}
	}
}

func (w *watched) seen() status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

const everyInTests = 250 * time.Millisecond

// watching runs verbs that watch the servers.
func watching(t *testing.T, servers string, more ...string) (list []*watched) {
	t.Helper()
	options := []string{"--admin-port", "0", "--timeout", patienceInTests.String(), "-o", "json", "--every", everyInTests.String()}
	options = append(options, more...)
	start := func(construct func(*ui.Streams, Connect) *cobra.Command, args ...string) {
		w := &watched{verb: strings.Join(args, " ")}
		s := &ui.Streams{In: strings.NewReader(""), Out: w, Err: io.Discard, Width: 80}
		connect := func() (client.Config, error) {
			return client.Config{Servers: servers, SessionTimeout: 10 * time.Second}, nil
		}
		verb := command.Verb{Name: "verb", New: func(env *command.Env) *cobra.Command { return construct(env.Streams, connect) }}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = verb.Run(ctx, &command.Env{Streams: s}, append(args, options...))
		}()
		t.Cleanup(func() {
			cancel()
			if <-ended; w.bad != nil {
				t.Error(w.bad)
			}
		})
		list = append(list, w)
	}
	start(newTopCommand)
	start(newCommand, "status", "-w")
	return list
}

// The session that reads the configuration does not count as load.
func TestIdleEnsemble(t *testing.T) {
	t.Parallel()
	e := embedded(t, 3, map[string]string{"4lw.commands.whitelist": "srvr"})
	o := run(t, newTopCommand, e.Members()[0].Addr(), "--once", "-o", "json", "--admin-port", "0", "--every", "500ms")
	var doc struct {
		Members                         []any
		WritesPerSecond, ReadsPerSecond *float64
	}
	if err := json.Unmarshal([]byte(o.out), &doc); err != nil || len(doc.Members) != 3 || doc.WritesPerSecond == nil || *doc.WritesPerSecond != 0 || doc.ReadsPerSecond == nil || *doc.ReadsPerSecond != 0 {
		t.Errorf("%v: %+v", err, o)
	}
}

// Those that watch see what becomes of the members within a second of the timeout, and health with a canary takes no longer.
func TestWatchingDisturbedMembers(t *testing.T) {
	t.Parallel()
	e := embedded(t, 3, map[string]string{"admin.enableServer": "false"})
	list := watching(t, e.ConnectString())
	soon := func(what string, good func(s status) bool) {
		t.Helper()
		began := awaittest.Start()
		for _, w := range list {
			if !await.Within(time.Minute, func() bool { return good(w.seen()) }) {
				t.Fatalf("%s: %q says %+v", what, w.verb, w.seen())
			}
			if took, late := began.Late(patienceInTests + everyInTests + time.Second); late {
				t.Errorf("%s: %q says so after %v", what, w.verb, took)
			}
		}
	}
	health := func(what string, codes ...int) {
		t.Helper()
		began := awaittest.Start()
		o := run(t, newCommand, e.ConnectString(), "health", "--canary", "--admin-port", "0", "--timeout", patienceInTests.String())
		if took, late := began.Late(2*patienceInTests + time.Second); late { // once for the members, once for their canaries
			t.Errorf("%s: health took %v: %+v", what, took, o)
		}
		if !strings.Contains(fmt.Sprint(codes), fmt.Sprint(o.code)) {
			t.Errorf("%s: health says %+v", what, o)
		}
	}
	well := func(s status) bool {
		return isTrue(s.Quorum) && *s.Tolerates == 1 && len(s.Problems) == 0 && s.Leader != ""
	}
	settled := func() (leader, follower disturbable) {
		t.Helper()
		for _, w := range list {
			await.That(t, time.Minute, w.verb+" sees a healthy ensemble", func() bool { return well(w.seen()) })
		}
		at := list[0].seen().Leader
		for _, m := range e.Members() {
			if m.Addr() == at {
				leader = m
			} else {
				follower = m
			}
		}
		return leader, follower
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	without := func(m disturbable, state string) func(s status) bool {
		return func(s status) bool {
			return isTrue(s.Quorum) && *s.Tolerates == 0 && s.Leader != m.Addr() && strings.Contains(fmt.Sprint(s.Problems), m.Addr()+") is "+state)
		}
	}
	doubted := func(s status) bool { return !isTrue(s.Quorum) || s.Leader != "" }

	_, follower := settled()
	must(follower.Kill())
	soon("a follower is killed", without(follower, "down"))
	health("a follower is killed", 0)
	must(follower.Restart(t.Context()))

	_, follower = settled()
	must(follower.Pause())
	soon("a follower hangs", without(follower, "silent"))
	health("a follower hangs", 0)
	must(follower.Resume())

	leader, _ := settled()
	must(leader.Pause())
	soon("the leader hangs", func(s status) bool { return s.Leader != leader.Addr() && doubted(s) })
	health("the leader hangs", 0, ui.ExitFailed, exitUnknown)
	for _, w := range list {
		await.That(t, time.Minute, w.verb+" sees another leader", func() bool { return without(leader, "silent")(w.seen()) })
	}
	must(leader.Resume())

	leader, _ = settled()
	must(leader.Kill())
	soon("the leader is killed", func(s status) bool { return s.Leader != leader.Addr() && doubted(s) })
}

// A leader that only zkctl cannot reach does not cost the quorum: a follower proves that there is one, and a leader that
// hangs cannot be proved.
func TestProofOfAnUnseenLeader(t *testing.T) {
	t.Parallel()
	e := embedded(t, 3, map[string]string{"admin.enableServer": "false", "syncLimit": "40"})
	leader, err := e.WaitLeader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	servers := []string{porttest.Serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })}
	for _, m := range e.Members() {
		if m != leader {
			servers = append(servers, m.Addr())
		}
	}
	options := []string{"--members", strings.Join(servers, ","), "--admin-port", "0"}
	proved := func(s status) bool {
		return isTrue(s.Quorum) && s.Leader == "" && *s.Tolerates == 0 && strings.Contains(fmt.Sprint(s.Problems), "committed a session")
	}
	s := askedAfter(t, servers[1], options)
	if !proved(s) {
		t.Errorf("%+v", s)
	}
	for _, w := range watching(t, servers[1], options...) {
		await.That(t, time.Minute, w.verb+" asks for the proof", func() bool { return proved(w.seen()) })
	}
	if err := leader.Pause(); err != nil {
		t.Fatal(err)
	}
	s = askedAfter(t, servers[1], options)
	if s.Quorum != nil || s.Leader != "" || !strings.Contains(s.Verdict, "could not commit a session in time") {
		t.Errorf("%+v", s)
	}
}

// TestTopLeavesItselfOut watches an ensemble that has no clients: top asks each member several words in each round, also those that it
// asks now and then, and must not count them.
func TestTopLeavesItselfOut(t *testing.T) {
	t.Parallel()
	e, err := localserver.Start(t.Context(), localserver.Options{Size: 3, Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var out sharedio.Buffer
	s := &ui.Streams{In: strings.NewReader(""), Out: &out, Err: io.Discard, Width: 80}
	connect := func() (client.Config, error) { return client.Config{Servers: e.ConnectString()}, nil }
	verb := command.Verb{Name: "top", New: func(env *command.Env) *cobra.Command { return newTopCommand(env.Streams, connect) }}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- verb.Run(ctx, &command.Env{Streams: s}, []string{"--admin-port", "0", "-o", "json", "--every", "100ms"})
	}()
	const samples = 40 // everything is asked again in the 30th
	if err := await.Until(t.Context(), func() bool { return strings.Count(out.String(), "\n") >= samples }); err != nil {
		t.Error(err)
	}
	cancel()
	<-ended
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, line := range lines {
		var sample struct{ WritesPerSecond, ReadsPerSecond *float64 }
		if err := json.Unmarshal([]byte(line), &sample); err != nil {
			t.Fatal(err)
		}
		if w, r := sample.WritesPerSecond, sample.ReadsPerSecond; i > 1 && (w == nil || r == nil || *w != 0 || *r != 0) {
			t.Errorf("sample %d of %d: %s", i, len(lines), line)
		}
	}
}
