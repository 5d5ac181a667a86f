package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/ui"
)

func TestMain(m *testing.M) { os.Exit(apachetest.Main(m)) }

// runner runs the verb on the shared server.
type runner struct {
	t     *testing.T
	conn  *client.Conn
	env   *command.Env
	state string
}

func newRunner(t *testing.T) *runner {
	t.Helper()
	r := &runner{t: t, state: t.TempDir()}
	s := session.New(func() (client.Config, error) { return client.Config{Servers: apachetest.Shared(t).Addr()}, nil })
	t.Cleanup(func() { _ = s.Close() })
	var err error
	if r.conn, err = s.Conn(); err != nil {
		t.Fatal(err)
	}
	r.env = &command.Env{Verbs: []command.Verb{Verb(nil)}, Session: s, Dir: "/", Output: ui.Text, StateDir: r.state}
	return r
}

func (r *runner) run(ctx context.Context, words ...string) (out, errs string, err error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var o, e bytes.Buffer
	env := *r.env
	env.Streams = &ui.Streams{In: strings.NewReader(""), Out: &o, Err: &e, Width: 80}
	err = command.Run(ctx, &env, command.Args(append([]string{"bench"}, words...)...))
	return o.String(), e.String(), err
}

// result runs the verb and reads its JSON.
func (r *runner) result(words ...string) *result {
	r.t.Helper()
	out, errs, err := r.run(r.t.Context(), append(words, "-o", "json")...)
	var res result
	if err = errors.Join(err, json.Unmarshal([]byte(out), &res)); err != nil {
		r.t.Fatalf("%q: %v\n%s%s", words, err, out, errs)
	}
	return &res
}

// nothing fails the test if a run has left znodes.
func (r *runner) nothing() {
	r.t.Helper()
	if _, err := r.conn.Exists(r.t.Context(), defaultPath, false); !errors.Is(err, proto.ErrNoNode) {
		names, _, _ := r.conn.Children(r.t.Context(), defaultPath, false)
		r.t.Errorf("%s is left, with %v: %v", defaultPath, names, err)
	}
}

func (r *runner) received() (n int) {
	r.t.Helper()
	text, err := apachetest.Shared(r.t).FourLetter(r.t.Context(), "srvr")
	if _, rest, ok := strings.Cut(text, "Received: "); err != nil || !ok {
		r.t.Fatal(err, text)
	} else if _, err := fmt.Sscan(rest, &n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

// TestOperations: each operation succeeds, leaves nothing, and what was sent is what the server received.
func TestOperations(t *testing.T) {
	r := newRunner(t)
	for _, words := range [][]string{
		{"read=80,write=20"}, {"exists"}, {"children"}, {"create"}, {"delete"}, {"ephemeral"}, {"multi"}, {"watch"},
		{"lock"}, {"connect"}, {"get=1,set=1,create=1,delete=1,ephemeral=1,multi=1,watch=1", "--persistent"}, {"create", "--persistent", "--size", "20k"},
	} {
		before := r.received()
		res := r.result(append(words, "--warm-up", "0", "--duration", "100ms", "--clients", "3", "--in-flight", "4", "--keys", "50")...)
		received := r.received() - before
		if res.Operations == 0 || res.Failed+res.Unknown != 0 {
			t.Errorf("%v: %+v", words, res)
		}
		const control = 40 // requests of the session that prepares and removes
		if words[0] != "connect" && math.Abs(float64(received)-float64(res.Requests)) > 0.02*float64(received)+control {
			t.Errorf("%v: sent %d, but the server received %d", words, res.Requests, received)
		}
		if words[0] == "read=80,write=20" {
			reads, n := float64(res.Results[0].Count)/float64(res.Operations), float64(res.Operations)
			if len(res.Results) != 3 || res.Results[0].Operation != "get" || math.Abs(reads-0.8) > 5*math.Sqrt(0.8*0.2/n) {
				t.Errorf("reads are %.3f of %+v", reads, res.Results)
			}
		}
		r.nothing()
	}
	if left, _ := os.ReadDir(filepath.Join(r.state, "bench")); len(left) > 0 {
		t.Errorf("locks are left: %v", left)
	}
}

// TestStoppedServer: a server that stops for a second cannot hide it from a load with a rate, which is kept.
func TestStoppedServer(t *testing.T) {
	r := newRunner(t)
	server := apachetest.Shared(t)
	const rate, stop = 400, 1050 * time.Millisecond
	stopped := make(chan error, 1)
	go func() {
		stopped <- func() error {
			ctx := t.Context()
			if !await.Within(time.Minute, func() bool {
				runs, _, err := r.conn.Children(ctx, defaultPath, false)
				if err != nil || len(runs) == 0 {
					return false
				}
				stat, err := r.conn.Exists(ctx, path.Join(defaultPath, runs[0], folderName(0), "k0000000000"), false)
				return err == nil && stat.Version > 50
			}) {
				return errors.New("no load")
			}
			if err := server.Pause(); err != nil {
				return err
			}
			time.Sleep(stop) // it is what is measured
			return server.Resume()
		}()
	}()
	res := r.result("set", "--rate", fmt.Sprint(rate), "--warm-up", "0", "--duration", "4s", "--keys", "1", "--clients", "2", "--in-flight", "64")
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if got := float64(res.Operations); math.Abs(got-4*rate) > 0.01*4*rate || res.Unsent > 0 {
		t.Errorf("%v operations, %d unsent; want %d", got, res.Unsent, 4*rate)
	}
	want := rate * (stop - 100*time.Millisecond).Seconds()
	if got := float64(res.Slow["100ms"]); got < 0.9*want || res.Results[0].Max < 1000 {
		t.Errorf("%v operations took 100 ms or more, want at least %.0f; the longest took %.0f ms", got, want, res.Results[0].Max)
	}
	r.nothing()
}

// TestKilledRun: the next run, or --clean, removes what a killed run left, and nothing else.
func TestKilledRun(t *testing.T) {
	r := newRunner(t)
	ctx := t.Context()
	create := func(path, data string) {
		t.Helper()
		if _, _, err := r.conn.Create(ctx, path, []byte(data), proto.OpenACL, proto.Persistent, 0); err != nil {
			t.Fatal(err)
		}
	}
	killed := func() *places {
		t.Helper()
		p, err := prepare(ctx, r.conn, defaultPath, r.state, 2, 1)
		if err != nil {
			t.Fatal(err)
		}
		create(p.folderPath(1)+"/k0000000001", "x")
		create(p.folderPath(1)+"/l0000000001", "")
		create(p.folderPath(1)+"/l0000000001/lock-0000000007", "")
		return p
	}
	p := killed()
	out, errs, err := r.run(ctx, "--clean")
	if err != nil || !strings.Contains(out, "removed 0 znodes of 0 killed runs") || !strings.Contains(errs, "is under way") {
		t.Errorf("a run under way: %v %s%s", err, out, errs)
	}
	_ = p.lock.Close() // as the system does for a killed process; its session lives on
	create(p.folderPath(0)+"/precious", "of somebody else")
	create(defaultPath+"/run-of-mine", `{"madeBy":"me"}`)
	out, errs, err = r.run(ctx, "--clean")
	if err != nil || !strings.Contains(out, "of 1 killed run\n") || strings.Count(errs, "bench did not make it") != 2 {
		t.Errorf("what is not ours: %v %s%s", err, out, errs)
	}
	if left := r.tree(defaultPath); !slices.Equal(left, []string{defaultPath, p.root, p.folderPath(0), p.folderPath(0) + "/precious", defaultPath + "/run-of-mine"}) {
		t.Errorf("left: %v", left)
	}
	for _, path := range []string{p.folderPath(0) + "/precious", defaultPath + "/run-of-mine"} {
		if err := r.conn.Delete(ctx, path, -1); err != nil {
			t.Fatal(err)
		}
	}
	p = killed()
	_ = p.lock.Close()
	r.result("get", "--duration", "10ms", "--warm-up", "0", "--keys", "3")
	r.nothing()

	// A path that bench did not make stays.
	create("/mine", "")
	r.result("get", "--duration", "10ms", "--warm-up", "0", "--keys", "3", "--path", "/mine")
	if left := r.tree("/mine"); !slices.Equal(left, []string{"/mine"}) {
		t.Errorf("left: %v", left)
	}
}

// tree lists the znodes of a tree.
func (r *runner) tree(root string) (list []string) {
	list = append(list, root)
	names, _, _ := r.conn.Children(r.t.Context(), root, false)
	slices.Sort(names)
	for _, name := range names {
		list = append(list, r.tree(path.Join(root, name))...)
	}
	return list
}

// TestInterrupted: Ctrl-C ends a run early, with a partial result, and its znodes are removed.
func TestInterrupted(t *testing.T) {
	r := newRunner(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		await.Within(time.Minute, func() bool {
			runs, _, err := r.conn.Children(t.Context(), defaultPath, false)
			if err != nil || len(runs) == 0 {
				return false
			}
			stat, err := r.conn.Exists(t.Context(), path.Join(defaultPath, runs[0], folderName(0), "k0000000000"), false)
			return err == nil && stat.Version > 50
		})
	}()
	out, errs, err := r.run(ctx, "set", "--duration", "1h", "--warm-up", "0", "--keys", "1")
	var exit *ui.ExitError
	if !errors.As(err, &exit) || exit.Code != ui.ExitInterrupted || !strings.Contains(err.Error(), "the result is partial") || !strings.Contains(out, "P99.99") {
		t.Errorf("%v\n%s%s", err, out, errs)
	}
	r.nothing()
}

// TestFarServer: a server that is not on this machine is loaded only once somebody has said so.
func TestFarServer(t *testing.T) {
	s := session.New(func() (client.Config, error) {
		return client.Config{Servers: "192.0.2.1:2181", SessionTimeout: time.Second}, nil
	})
	defer s.Close()
	var out, errs bytes.Buffer
	env := &command.Env{Verbs: []command.Verb{Verb(nil)}, Session: s, Dir: "/", Output: ui.Text,
		Streams: &ui.Streams{In: strings.NewReader(""), Out: &out, Err: &errs, Width: 80}}
	err := command.Run(t.Context(), env, command.Args("bench"))
	if err == nil || !strings.Contains(err.Error(), "zkctl would load 192.0.2.1, which is not this machine, as fast as it answers; confirm it with -y") {
		t.Error(err)
	}
	env.Streams.In, env.Streams.InTTY = strings.NewReader("n\n"), true
	err = command.Run(t.Context(), env, command.Args("bench", "--rate", "5"))
	if err == nil || err.Error() != "nothing was sent" || !strings.Contains(errs.String(), "for 10s with 5 operations a second?") {
		t.Error(err, errs.String())
	}
}

// TestLog: a run compared with itself does not differ; the log is read as it was written.
func TestLog(t *testing.T) {
	r := newRunner(t)
	file := filepath.Join(t.TempDir(), "a.hlog")
	first := r.result("get=1,set=1", "--duration", "1200ms", "--warm-up", "0", "--rate", "200", "--hdr", file)
	l, err := readLog(file)
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for _, s := range l.samples[opGet] {
		n += s.count
	}
	if n != first.Results[0].Count || !l.known || l.settings.Mix != "get=1,set=1" {
		t.Errorf("the log has %d gets, the result %d: %+v", n, first.Results[0].Count, l.settings)
	}
	res := r.result("get", "--duration", "100ms", "--warm-up", "0", "--compare", file)
	if c := res.Comparison; c == nil || len(c.Unlike) != 2 || !strings.Contains(strings.Join(c.Unlike, "; "), "the mix was get=1,set=1, is get") || len(c.Differences) != 3 {
		t.Errorf("%+v", c)
	}
	hgrm := filepath.Join(t.TempDir(), "a.hgrm")
	r.result("get", "--duration", "50ms", "--warm-up", "0", "--hdr", hgrm)
	if text, err := os.ReadFile(hgrm); err != nil || !strings.Contains(string(text), "TotalCount") {
		t.Error(err, string(text))
	}
	if _, err := readLog(hgrm); err == nil || !strings.Contains(err.Error(), "it holds percentiles") {
		t.Error(err)
	}
	for _, text := range []string{"", "Tag=get,0,1,2,HISTF", "no log\n", "Tag=x\n\n"} {
		bad := filepath.Join(t.TempDir(), "bad")
		if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readLog(bad); err == nil {
			t.Errorf("%q is read as a log", text)
		}
	}
}

// TestOldServers: a server before 3.5 gets nothing that it does not know.
func FuzzLog(f *testing.F) {
	var b bytes.Buffer
	w := hdrhistogram.NewHistogramLogWriter(&b)
	h := hdrhistogram.New(1, 3_600_000_000_000, 3)
	h.SetTag("get")
	h.SetStartTimeMs(1000)
	h.SetEndTimeMs(2000)
	_ = h.RecordValue(5_000_000)
	if err := errors.Join(w.OutputLogFormatVersion(), w.OutputComment(strings.TrimPrefix(settingsLine, "#")+"{}]"), w.OutputLegend(), w.OutputIntervalHistogram(h)); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("Tag=get,0.0,1.0,2.0,HISTFAAAAB542pNpmSzMwMDAxQABzFCaEUoz2X+AMIKZAEARAtM="))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = parseLog("log", text) })
}

func TestOldServers(t *testing.T) {
	for _, mode := range []proto.CreateMode{proto.Persistent, proto.Ephemeral} {
		if op := (&places{plain: true}).creation("/a", nil, mode); op.Type.Since() != "3.4" {
			t.Errorf("%v needs ZooKeeper %s", op.Type, op.Type.Since())
		}
	}
	if m := (&places{plain: true}).mode(); m != proto.Persistent {
		t.Error(m)
	}
}

func TestParseMix(t *testing.T) {
	for text, want := range map[string]string{
		"read=80,write=20": "get=80,set=20", "write=20, READ=80%": "get=80,set=20", "get": "get", "create=1": "create", "connect": "connect",
		"set=1,watch=2,multi=3": "set=1,multi=3,watch=2",
		"":                      `unknown operation ""`, "gte": "did you mean get?", "get,set": "get has no weight; write it as get=10", "get=0,set=1": `get has the weight "0"`,
		"get=1,read=1": "get occurs twice", "get=x": `the weight "x"`, "lock=1,get=1": "lock cannot be mixed", "get=1,": `unknown operation ""`,
		"get=9999999": "from 1 to 1000000", "get=-1": `the weight "-1"`,
	} {
		m, err := parseMix(text)
		switch {
		case err == nil && m.String() != want, err != nil && !strings.Contains(err.Error(), want):
			t.Errorf("%q: %v, %v; want %s", text, m, err, want)
		}
	}
	m, _ := parseMix("get=1,set=1,create=2")
	counts := map[uint8]int{}
	pick := shares(m)
	for _, kind := range pick {
		counts[kind]++
	}
	if len(pick) != 4096 || counts[0] != 1024 || counts[2] != 2048 {
		t.Errorf("%d: %v", len(pick), counts)
	}
}

func TestOurs(t *testing.T) {
	for _, c := range []struct {
		name  string
		depth int
		want  bool
	}{
		{"c00001", 1, true}, {"alive", 1, true}, {"c1", 1, false}, {"config", 1, false}, {"k0000000001", 2, true}, {"k000000000x", 2, false},
		{"l0000000000", 2, true}, {"lock-0000000001", 3, true}, {"lock-0000000001", 2, false}, {"x0000000001", 2, false}, {"", 2, false}, {"c00001", 4, false},
	} {
		if got := ours(c.name, c.depth); got != c.want {
			t.Errorf("%q at depth %d: %v", c.name, c.depth, got)
		}
	}
	if got := string(appendNumber([]byte("k"), 120)); got != "k0000000120" {
		t.Error(got)
	}
}

func TestCompare(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	noisy := func(n int, at, noise float64) (v []float64) {
		for range n {
			v = append(v, at*(1+noise*rng.NormFloat64()))
		}
		return v
	}
	for _, c := range []struct {
		name          string
		before, after []float64
		higher        bool
		want          string
	}{
		{"alike", noisy(40, 100, 0.05), noisy(40, 100, 0.05), true, same},
		{"faster", noisy(40, 100, 0.05), noisy(40, 130, 0.05), true, better},
		{"slower", noisy(40, 100, 0.05), noisy(40, 70, 0.05), true, worse},
		{"latency up", noisy(40, 1, 0.05), noisy(40, 2, 0.05), false, worse},
		{"latency down", noisy(40, 2, 0.05), noisy(40, 1, 0.05), false, better},
		{"lost in the noise", noisy(40, 100, 0.5), noisy(40, 110, 0.5), true, same},
		{"a trifle", noisy(400, 100, 0.001), noisy(400, 101, 0.001), true, same},
		{"few", noisy(7, 100, 0.01), noisy(40, 200, 0.01), true, tooFew},
		{"none", nil, nil, true, tooFew},
		{"constant", slices.Repeat([]float64{3}, 10), slices.Repeat([]float64{3}, 10), true, same},
	} {
		if d := compare(c.before, c.after, c.higher); d.Verdict != c.want {
			t.Errorf("%s: %+v, want %s", c.name, d, c.want)
		}
	}
	// Ranks that overlap in no place: the smallest p of two samples of 8, beside R's wilcox.test(1:8, 9:16, exact=FALSE).
	if p := mannWhitney([]float64{1, 2, 3, 4, 5, 6, 7, 8}, []float64{9, 10, 11, 12, 13, 14, 15, 16}); math.Abs(p-0.0009391) > 1e-6 {
		t.Errorf("p is %v", p)
	}
}

func TestOptions(t *testing.T) {
	for line, want := range map[string]string{
		"--clients 0": "--clients 0: use 1 to", "--in-flight 0": "--in-flight 0", "--rate -1": "--rate -1", "--rate NaN": "--rate NaN", "--duration 0": "--duration 0s",
		"--size 2m": "--size 2m: use 0 to 1m", "--size x": "--size:", "--keys 0": "--keys 0", "--warm-up -1s": "--warm-up -1s", "get --mix set": "say the same twice",
		"--keys 50000 --clients 2": "use more --clients, or --persistent", "--path /": "the run must have a znode of its own", "--compare /nowhere": "--compare:",
		"--through a:b:c": "--through a:b:c: use leader",
	} {
		s := session.New(func() (client.Config, error) { return client.Config{Servers: "127.0.0.1:1"}, nil })
		var out, errs bytes.Buffer
		env := &command.Env{Verbs: []command.Verb{Verb(nil)}, Session: s, Dir: "/", Output: ui.Text,
			Streams: &ui.Streams{In: strings.NewReader(""), Out: &out, Err: &errs, Width: 80}}
		err := command.Run(t.Context(), env, command.Args(append([]string{"bench"}, strings.Fields(line)...)...))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", line, err)
		}
		_ = s.Close()
	}
}
