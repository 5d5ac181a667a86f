package ensemble

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/exposition"
	"github.com/zkctl/zkctl/internal/exposition/expositiontest"
	"github.com/zkctl/zkctl/internal/ui"
)

// startExporter runs the verb until the test ends.
func startExporter(t *testing.T, cfg client.Config, args ...string) (url string, stop func() error) {
	t.Helper()
	cfg.SessionTimeout = 10 * time.Second
	errs, w := io.Pipe()
	s := &ui.Streams{In: strings.NewReader(""), Out: io.Discard, Err: w, Width: 80}
	connect := func() (client.Config, error) { return cfg, nil }
	verb := command.Verb{Name: "verb", New: func(env *command.Env) *cobra.Command { return newCommand(env.Streams, connect) }}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		err := verb.Run(ctx, &command.Env{Streams: s}, append([]string{"exporter", "--admin-port", "0", "--listen", "127.0.0.1:0"}, args...))
		_ = w.CloseWithError(io.EOF)
		done <- err
	}()
	text := make([]byte, 200)
	n, err := errs.Read(text)
	if err != nil {
		t.Fatalf("%v: %v", err, <-done)
	}
	m := regexp.MustCompile(`http://\S+/`).FindString(string(text[:n]))
	if m == "" {
		t.Fatalf("it says %q", text[:n])
	}
	go func() { _, _ = io.Copy(io.Discard, errs) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = stop() })
	return m, stop
}

func scrape(t *testing.T, url string) expositiontest.Page {
	t.Helper()
	res, err := http.Get(url + "metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != exposition.ContentType {
		t.Fatalf("%v: %s %s", err, res.Status, text)
	}
	page, err := expositiontest.Read(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func TestExporter(t *testing.T) {
	e := embedded(t, 3, nil)
	c, err := client.Open(client.Config{Servers: e.Members()[0].Addr()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, _, err := c.Get(t.Context(), "/", false); err != nil {
		t.Fatal(err)
	}
	url, stop := startExporter(t, client.Config{Servers: e.Members()[0].Addr()}, "--timeout", "2s")
	page := scrape(t, url)
	for series, want := range map[string]float64{
		"zkctl_ensemble_quorum": 1, "zkctl_ensemble_members": 3, "zkctl_ensemble_voters": 3, "zkctl_ensemble_serving_voters": 3,
		"zkctl_ensemble_tolerated_failures": 1, "zkctl_ensemble_leaders": 1,
	} {
		if got, ok := page.Samples[series]; !ok || got != want {
			t.Errorf("%s is %v, want %v", series, got, want)
		}
	}
	for name, want := range map[string]int{
		"zkctl_member_serving": 3, "zkctl_member_leader": 3, "zkctl_member_lag": 3, "zkctl_member_info": 3, "znode_count": 3,
		"readlatency_count": 3, "readlatency": 4 /* of the member that read */, "avg_latency": 3, "max_fsynctime": 3, "synced_followers": 1, "proposal_count": 3,
		"cnt_readlatency": 0, "p99_readlatency": 0, "version": 0, "server_state": 0, "zk_znode_count": 0,
	} {
		if got := page.Series(name); got != want {
			t.Errorf("%d samples of %s, want %d", got, name, want)
		}
	}
	if page.Kinds["proposal_count"] != "counter" || page.Kinds["readlatency"] != "summary" || page.Kinds["znode_count"] != "gauge" {
		t.Errorf("kinds %v", page.Kinds)
	}

	// A member that dies keeps its labels and loses its numbers.
	victim := e.Members()[2]
	labels := `{id="3",address="` + victim.Addr() + `"}`
	if page.Samples["zkctl_member_serving"+labels] != 1 {
		t.Fatalf("no member %s in %v", labels, page.Samples)
	}
	if err := victim.Kill(); err != nil {
		t.Fatal(err)
	}
	var after expositiontest.Page
	await.Within(30*time.Second, func() bool {
		after = scrape(t, url)
		return after.Samples["zkctl_ensemble_quorum"] == 1 && after.Series("znode_count") == 2
	})
	if got, ok := after.Samples["zkctl_member_serving"+labels]; !ok || got != 0 {
		t.Errorf("the dead member serves: %v, %t", got, ok)
	}
	if _, ok := after.Samples["znode_count"+labels]; ok || after.Series("znode_count") != 2 || after.Samples["zkctl_ensemble_tolerated_failures"] != 0 {
		t.Errorf("after the death: %v", after.Samples)
	}
	foreign, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign.Host = "evil.example"
	if res, err := http.DefaultClient.Do(foreign); err != nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("another site's page is answered: %v, %v", res, err)
	}
	if res, err := http.Get(url + "x"); err != nil || res.StatusCode != http.StatusNotFound {
		t.Errorf("%v, %v", res, err)
	}
	if err := stop(); err != nil { // it was told to: that is no failure of the service
		t.Errorf("it ended with %v", err)
	}
	if _, err := http.Get(url + "metrics"); err == nil {
		t.Error("it answers after its end")
	}
}

// If only srvr is open, there are only its numbers. An ensemble that is gone is an answer too.
func TestExporterThroughSrvr(t *testing.T) {
	e := embedded(t, 1, map[string]string{"4lw.commands.whitelist": "srvr"})
	url, _ := startExporter(t, client.Config{Servers: e.ConnectString()}, "--timeout", "2s")
	page := scrape(t, url)
	for name, want := range map[string]int{"znode_count": 1, "avg_latency": 1, "packets_received": 1, "zkctl_member_zxid_counter": 1, "watch_count": 0, "uptime": 0, "zkctl_member_serving": 1} {
		if got := page.Series(name); got != want {
			t.Errorf("%d samples of %s, want %d", got, name, want)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	page = scrape(t, url)
	if got, ok := page.Samples["zkctl_ensemble_quorum"]; ok && got != 0 || page.Series("znode_count") != 0 || page.Series("zkctl_member_serving") != 1 {
		t.Errorf("%v", page.Samples)
	}
}

// Simultaneous scrapes ask the members once.
func TestScrapesShareProbe(t *testing.T) {
	e := embedded(t, 1, nil)
	var asked atomic.Int64
	gate := make(chan struct{})
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		asked.Add(1)
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	opt := &exporterOptions{asking: asking{streams: &ui.Streams{Err: io.Discard}, members: e.ConnectString(), admin: "0", timeout: 30 * time.Second,
		connect: func() (client.Config, error) { return client.Config{Dial: dial}, nil }}}
	p, widen, err := opt.prober()
	if err != nil {
		t.Fatal(err)
	}
	x := &exporter{ctx: t.Context(), prober: p, widen: widen, timeout: opt.timeout, log: io.Discard}
	const scrapes = 8
	surveys := make(chan any, scrapes)
	for range scrapes {
		go func() {
			s, err := x.survey(t.Context())
			if err != nil {
				t.Error(err)
			}
			surveys <- s
		}()
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := x.survey(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("a scraper that has gone: %v", err)
	}
	if err := await.Until(t.Context(), func() bool { return asked.Load() == 3 }); err != nil { // srvr, mntr, conf
		t.Fatal(err)
	}
	close(gate)
	first := <-surveys
	for range scrapes - 1 {
		if s := <-surveys; s != first {
			t.Error("two scrapes got two surveys")
		}
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("%d questions were asked", n)
	}
}

func TestExporterOptions(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, test := range []struct{ listen, says string }{
		{"9141", "is not host:port"}, {taken.Addr().String(), "--listen: "}, {"127.0.0.1:x", "--listen: "},
	} {
		if o := run(t, newCommand, "127.0.0.1:1", "exporter", "--listen", test.listen); o.code != ui.ExitFailed || !strings.Contains(o.err, test.says) {
			t.Errorf("%+v, want %q", o, test.says)
		}
	}
}

// metricsText is a page about one member that answers mntr.
func metricsText(t testing.TB, text []byte) (string, bool) {
	t.Helper()
	m, err := answer.ParseMntr(text)
	if err != nil {
		return "", false
	}
	page := &exposition.Page{}
	addMetrics(page, m, exposition.Label{Name: "id", Value: "1"})
	var b bytes.Buffer
	if _, err := page.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String(), true
}

func TestMetricNames(t *testing.T) {
	const text = "zk_version\t3.8.0\nzk_uptime\t5\nzk_commit_count\t7\n" +
		"zk_avg_readlatency\t0.5\nzk_min_readlatency\t0\nzk_max_readlatency\t9\nzk_cnt_readlatency\t4\nzk_sum_readlatency\t2\nzk_p50_readlatency\t1\nzk_p999_readlatency\t9\n" +
		"zk_max_latency\t3\n" +
		"zk_a_b_quota_count_usage_per_namespace\t12\n" +
		"zk_avg_app_write_per_namespace\t3.0\nzk_cnt_app_write_per_namespace\t2\nzk_sum_app_write_per_namespace\t6\n" +
		"zk_cnt_2_ack_latency\t2\nzk_sum_2_ack_latency\t6\nzk_p50_2_ack_latency\t3\n" +
		"zk_cnt_quorum_ack_latency\t2\nzk_sum_quorum_ack_latency\t6\n" +
		// Of a server with PrometheusMetricsProvider.
		"zk_fsynctime{quantile=\"0.5\"}\t1.0\nzk_fsynctime_count\t8.0\nzk_fsynctime_sum\t9.0\n" +
		"zk_learner_handler_qp_size{key=\"3\",quantile=\"0.5\"}\t2.0\nzk_learner_handler_qp_size_count{key=\"3\"}\t1.0\nzk_learner_handler_qp_size_sum{key=\"3\"}\t2.0\n" +
		"zk_jvm_memory_bytes_used{area=\"heap\"}\t1024.0\nzk_odd{x}\t1\nzk_odd{quantile=\"x\"}\t1\nzk_nothing{quantile=\"0.5\"}\tNaN\n"
	got, _ := metricsText(t, []byte(text))
	page, err := expositiontest.Read(got)
	if err != nil {
		t.Error(err)
	}
	want := map[string]float64{
		`uptime{id="1"}`: 5, `commit_count{id="1"}`: 7, `avg_readlatency{id="1"}`: 0.5, `min_readlatency{id="1"}`: 0, `max_readlatency{id="1"}`: 9,
		`readlatency_count{id="1"}`: 4, `readlatency_sum{id="1"}`: 2, `readlatency{id="1",quantile="0.5"}`: 1, `readlatency{id="1",quantile="0.999"}`: 9,
		`max_latency{id="1"}`: 3, `quota_count_usage_per_namespace{id="1",key="a_b"}`: 12, `avg_write_per_namespace{id="1",key="app"}`: 3,
		`write_per_namespace_count{id="1",key="app"}`: 2, `write_per_namespace_sum{id="1",key="app"}`: 6,
		`ack_latency_count{id="1",key="2"}`: 2, `ack_latency_sum{id="1",key="2"}`: 6, `ack_latency{id="1",key="2",quantile="0.5"}`: 3,
		`quorum_ack_latency_count{id="1"}`: 2, `quorum_ack_latency_sum{id="1"}`: 6,
		`fsynctime{id="1",quantile="0.5"}`: 1, `fsynctime_count{id="1"}`: 8, `fsynctime_sum{id="1"}`: 9,
		`learner_handler_qp_size{id="1",key="3",quantile="0.5"}`: 2, `learner_handler_qp_size_count{id="1",key="3"}`: 1, `learner_handler_qp_size_sum{id="1",key="3"}`: 2,
		`jvm_memory_bytes_used{id="1",jvm_area="heap"}`: 1024,
	}
	for series, value := range want {
		if v, ok := page.Samples[series]; !ok || v != value {
			t.Errorf("%s is %v, want %v", series, v, value)
		}
	}
	for series := range page.Samples {
		if _, ok := want[series]; !ok {
			t.Errorf("unexpected %s", series)
		}
	}
	if page.Kinds["commit_count"] != "counter" || page.Kinds["fsynctime"] != "summary" || page.Kinds["max_readlatency"] != "gauge" {
		t.Errorf("%v", page.Kinds)
	}
}

// Whatever a member answers, Prometheus can read the page.
func FuzzMetricNames(f *testing.F) {
	f.Add([]byte("zk_cnt_a\t1\nzk_sum_a\t2\nzk_p50_a\t1\nzk_a\t3\nzk_a_count\t4\nzk_a_sum\t1\nzk_a{key=\"x\\\",quantile=\"1\"}\t3\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if page, ok := metricsText(t, text); ok {
			if _, err := expositiontest.Read(page); err != nil {
				t.Fatalf("%v in\n%s", err, page)
			}
		}
	})
}

// namesOf returns the metrics in a PromQL expression, which must parse.
func namesOf(t *testing.T, expression string) (names []string) {
	t.Helper()
	parsed, err := metricsql.Parse(strings.ReplaceAll(expression, "$__rate_interval", "1m"))
	if err != nil {
		t.Errorf("%s: %v", expression, err)
		return nil
	}
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		if m, ok := e.(*metricsql.MetricExpr); ok {
			for _, or := range m.LabelFilterss {
				for _, l := range or {
					if l.Label == "__name__" {
						names = append(names, l.Value)
					}
				}
			}
		}
	})
	return names
}

// The rules and the dashboard in contrib use only metrics that the exporter has.
func TestContribAsksForWhatThereIs(t *testing.T) {
	e := embedded(t, 3, nil)
	url, _ := startExporter(t, client.Config{Servers: e.ConnectString()})
	page := scrape(t, url)
	check := func(where, expression string) {
		names := namesOf(t, expression)
		if len(names) == 0 {
			t.Errorf("%s: no metric in %s", where, expression)
		}
		for _, name := range names {
			if name != "up" && page.Series(name) == 0 {
				t.Errorf("%s: the exporter has no %s", where, name)
			}
		}
	}
	text, err := os.ReadFile("../contrib/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&rules); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || seen[r.Alert] || r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("an alert without a unique name, severity or summary: %+v", r)
			}
			seen[r.Alert] = true
			check(r.Alert, r.Expr)
		}
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if text, err = os.ReadFile("../contrib/grafana/zookeeper.json"); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			check(p.Title, target.Expr)
		}
	}
	if len(seen) < 10 || len(dashboard.Panels) < 10 {
		t.Errorf("%d alerts, %d panels", len(seen), len(dashboard.Panels))
	}
}
