package replica

import (
	"math"
	"net"
	"net/http"
	"time"

	"github.com/zkctl/zkctl/internal/exposition"
	"github.com/zkctl/zkctl/internal/webguard"
)

// MetricsOptions select what a page of metrics contains. The zero value of a field is the default.
type MetricsOptions struct {
	Host      string // metricsProvider.httpHost, which requests may always name
	NoProcess bool   // metricsProvider.exportJvmInfo=false: nothing about the process
}

// metricsIdle limits the wait for a request on an open connection.
const metricsIdle = 30 * time.Second

// ServeMetrics answers Prometheus's requests for /metrics on ln until the member is closed, under the names of
// PrometheusMetricsProvider in ZooKeeper 3.6 to 3.9. Anyone who can connect may read them.
func (s *Replica) ServeMetrics(ln net.Listener, opt MetricsOptions) error {
	v := &web{s: s, guard: webguard.Guard{What: "metrics provider", Name: opt.Host}}
	pages := http.NewServeMux()
	pages.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", exposition.ContentType)
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(metricsIdle))
		page := s.metricsPage(!opt.NoProcess)
		if _, err := page.WriteTo(w); err != nil {
			s.log.Infof("Metrics could not be sent: %v", err)
		}
	})
	if err := v.serve(ln, metricsIdle, pages.ServeHTTP); err != nil {
		return err
	}
	s.log.Infof("Starting /metrics HTTP endpoint at %s", ln.Addr())
	return nil
}

// metricsPage returns the numbers of the command monitor. A summary, or the gauges of a namespace, are several names there
// and one name with labels here. A member without a role has counters but no gauges.
func (s *Replica) metricsPage(process bool) *exposition.Page {
	page := &exposition.Page{}
	gauge := func(name string, value float64, labels ...exposition.Label) {
		page.Family(name, exposition.Gauge, name).Add(value, labels...)
	}
	if f, ok := s.figures(); ok {
		visit := func(name string, value any) {
			switch n := value.(type) {
			case int:
				gauge(name, float64(n))
			case int32:
				gauge(name, float64(n))
			case int64:
				gauge(name, float64(n))
			case float64:
				gauge(name, n)
			}
		}
		s.gauges(&f, visit)
		if !f.alone && f.role != readOnly {
			e := s.opt.Ensemble()
			ensembleGauges(&f, &e, visit)
		}
		for _, q := range s.quotas() {
			gauge(q.name, float64(q.value), exposition.Label{Name: "key", Value: q.namespace})
		}
		s.metrics.settle(&f)
	}
	counters, basic := metricNames(s.emulated())
	for _, name := range counters {
		page.Family(name, exposition.Counter, name).Add(float64(s.metrics.counters[name].Load()))
	}
	for _, names := range [][]string{basic, sampledSummaries} {
		for _, name := range names {
			of := s.metrics.summaries[name].read()
			f := page.Family(name, exposition.Summary, name)
			if of.sampled {
				for _, q := range []float64{0.5, 0.9, 0.99} {
					v := math.NaN()
					if of.count > 0 {
						v = quantile(of.sample, q)
					}
					f.Quantile(q, v)
				}
			}
			f.Count(float64(of.count))
			f.Sum(of.sum)
		}
	}
	if process {
		gauge("process_start_time_seconds", float64(booted.UnixMilli())/1000)
		if open, limit := openFiles(); open >= 0 && limit >= 0 {
			gauge("process_open_fds", float64(open))
			gauge("process_max_fds", float64(limit))
		}
	}
	return page
}
