package replica

import (
	"context"
	"math"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/exposition"
	"github.com/zkctl/zkctl/internal/exposition/expositiontest"
	"github.com/zkctl/zkctl/internal/proto"
)

func serveMetrics(t *testing.T, s *Replica, opt MetricsOptions) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ServeMetrics(ln, opt); err != nil {
		t.Fatal(err)
	}
	return "http://" + ln.Addr().String()
}

// The page has all values of mntr, under the names of Apache's PrometheusMetricsProvider.
func TestMetricsPage(t *testing.T) {
	ctx := context.Background()
	s := serveAlone(t, Options{})
	url := serveMetrics(t, s.Replica, MetricsOptions{})
	c := dial(t, s.addr)
	for _, znode := range [][2]string{{"/app", "x"}, {"/zookeeper/quota/app", ""}, {"/zookeeper/quota/app/zookeeper_limits", "count=5,bytes=100"}} {
		if _, _, err := c.Create(ctx, znode[0], []byte(znode[1]), proto.OpenACL, proto.Persistent, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := c.Get(ctx, "/app", false); err != nil {
		t.Fatal(err)
	}

	res, text := fetch(t, "GET", url+"/metrics", nil)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != exposition.ContentType {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	page, err := expositiontest.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	summaries := regexp.MustCompile(`^(avg|min|max|cnt|sum|p50|p95|p99|p999)_(.*)$`)
	s.monitor(func(name string, value any) {
		if _, text := value.(string); text {
			if page.Series(name) != 0 {
				t.Errorf("%s is a text, and on the page", name)
			}
			return
		}
		if namespace, metric, ok := strings.Cut(name, "_quota_"); ok {
			if page.Kinds["quota_"+metric] != "gauge" || page.Series(`quota_`+metric) == 0 {
				t.Errorf("no quota_%s of %s", metric, namespace)
			}
			return
		}
		if m := summaries.FindStringSubmatch(name); m != nil && page.Kinds[m[2]] == "summary" {
			if page.Series(m[2]+"_count") != 1 || page.Series(m[2]+"_sum") != 1 {
				t.Errorf("%s lacks its count or sum", m[2])
			}
			return
		}
		if n := page.Series(name); n != 1 {
			t.Errorf("%d samples of %s", n, name)
		}
	})
	for series, want := range map[string]float64{
		"znode_count": float64(s.tree.Len() + 1), "num_alive_connections": 1,
		`quota_count_limit_per_namespace{key="app"}`: 5, `quota_bytes_limit_per_namespace{key="app"}`: 100,
	} {
		if got, ok := page.Samples[series]; !ok || got != want {
			t.Errorf("%s is %v, want %v", series, got, want)
		}
	}
	if page.Kinds["commit_count"] != "counter" || page.Kinds["uptime"] != "gauge" || page.Kinds["readlatency"] != "summary" {
		t.Errorf("kinds: %v", page.Kinds)
	}
	if v := page.Samples[`readlatency{quantile="0.99"}`]; math.IsNaN(v) || v <= 0 || page.Samples["readlatency_count"] < 1 {
		t.Errorf("the read took %v ms, and %v reads are counted", v, page.Samples["readlatency_count"])
	}
	if v := page.Samples[`quorum_ack_latency{quantile="0.5"}`]; !math.IsNaN(v) {
		t.Errorf("the quantile of nothing is %v", v)
	}
	if page.Samples["process_start_time_seconds"] < 1e9 {
		t.Errorf("started at %v", page.Samples["process_start_time_seconds"])
	}
	if _, text := fetch(t, "GET", serveMetrics(t, s.Replica, MetricsOptions{NoProcess: true})+"/metrics", nil); strings.Contains(text, "\nprocess_") {
		t.Error("exportJvmInfo=false has metrics of the process")
	}

	for path, want := range map[string]int{"/": 404, "/metrics/x": 404} {
		if res, _ := fetch(t, "GET", url+path, nil); res.StatusCode != want {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	if res, _ := fetch(t, "POST", url+"/metrics", strings.NewReader("x")); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", res.StatusCode)
	}
	if res, _ := fetch(t, "GET", url+"/metrics", nil, "Sec-Fetch-Site", "cross-site"); res.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another site: %d", res.StatusCode)
	}
	s.Close()
	if res, err := http.Get(url + "/metrics"); err == nil {
		res.Body.Close()
		t.Error("it answers after Close")
	}
}

// A member without a leader has counters, but no gauges, which would be wrong zeros.
func TestMetricsOfIdleMember(t *testing.T) {
	s, err := Open(Options{ID: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	_, text := fetch(t, "GET", serveMetrics(t, s, MetricsOptions{})+"/metrics", nil)
	page, err := expositiontest.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	if page.Series("znode_count") != 0 || page.Series("looking_count") != 1 {
		t.Error(text)
	}
}
