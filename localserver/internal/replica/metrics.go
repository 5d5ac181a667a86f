package replica

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/internal/release"
)

// Metrics are the counters and summaries that mntr lists after the gauges, under the names of
// ServerMetrics. Those that measure Apache's pipeline of threads (prep_*, sync_processor_* and the
// like) have no counterpart here and are left out; those of missing features, such as observer
// masters, stay 0, as they do in Apache when not in use. Metrics may be used from any goroutine.
type Metrics struct {
	counters  map[string]*atomic.Int64 // immutable
	summaries map[string]*summary

	slowSyncs atomic.Int64 // syncs of the log that exceeded the threshold

	// Those of each request, without a look-up.
	bytesReceived, responseBytes             *atomic.Int64
	readLatency, updateLatency, propagations *summary
}

var counterNames = []string{
	"looking_count", "diff_count", "snap_count", "commit_count", "connection_request_count", "connection_rejected",
	"bytes_received_count", "unrecoverable_error_count", "add_dead_watcher_stall_time", "dead_watchers_queued",
	"dead_watchers_cleared", "ensemble_auth_success", "ensemble_auth_fail", "ensemble_auth_skip",
	"revalidate_count", "connection_drop_count", "connection_revalidate_count", "sessionless_connections_expired",
	"stale_sessions_expired", "throttled_ops", "learner_proposal_received_count", "learner_commit_received_count",
	"proposal_count", "quit_leading_due_to_disloyal_voter", "stale_requests", "stale_requests_dropped", "stale_replies",
	"request_throttle_wait_count", "large_requests_rejected", "digest_mismatches_count", "unsuccessful_handshake",
	"insecure_admin_count", "tls_handshake_exceeded", "cnxn_closed_without_zk_server_running",
	"skip_learner_request_to_next_processor_count", "response_bytes", "watch_bytes",
}

// The counters and summaries added with the commands snapshot and restore (release.AdminSnapshots).
var (
	snapshotCounters  = []string{"snapshot_error_count", "snapshot_rate_limited_count", "restore_error_count", "restore_rate_limited_count"}
	snapshotSummaries = []string{"restore_time"}
)

// basicSummaries have an average, a minimum, a maximum, a count and a sum.
var basicSummaries = []string{
	"fsynctime", "snapshottime", "dbinittime", "follower_sync_time", "observer_sync_time", "election_time",
	"inflight_snap_count", "inflight_diff_count", "node_created_watch_count", "node_deleted_watch_count",
	"node_changed_watch_count", "node_children_watch_count", "unavailable_time", "leader_unavailable_time",
	"sync_processor_batch_size", "startup_txns_loaded", "startup_txns_load_time", "startup_snap_load_time",
	"learner_request_processor_queue_size",
}

// sampledSummaries have percentiles too.
var sampledSummaries = []string{
	"readlatency", "updatelatency", "propagation_latency", "proposal_latency", "proposal_ack_creation_latency",
	"commit_propagation_latency", "quorum_ack_latency", "dead_watchers_cleaner_latency",
	"om_proposal_process_time_ms", "om_commit_process_time_ms",
}

func newMetrics() *Metrics {
	m := &Metrics{counters: map[string]*atomic.Int64{}, summaries: map[string]*summary{}}
	for _, name := range slices.Concat(counterNames, snapshotCounters) {
		m.counters[name] = new(atomic.Int64)
	}
	for _, name := range slices.Concat(basicSummaries, snapshotSummaries) {
		m.summaries[name] = &summary{}
	}
	for _, name := range sampledSummaries {
		m.summaries[name] = &summary{sampled: true}
	}
	m.bytesReceived, m.responseBytes = m.counters["bytes_received_count"], m.counters["response_bytes"]
	m.readLatency, m.updateLatency, m.propagations = m.summaries["readlatency"], m.summaries["updatelatency"], m.summaries["propagation_latency"]
	return m
}

// Add adds to a counter. It ignores names that ZooKeeper does not have.
func (m *Metrics) Add(name string, n int64) {
	if c := m.counters[name]; c != nil {
		c.Add(n)
	}
}

// Observe adds a value to a summary; times are in milliseconds.
func (m *Metrics) Observe(name string, value float64) {
	if s := m.summaries[name]; s != nil {
		s.add(value)
	}
}

// Took adds a duration to a summary.
func (m *Metrics) Took(name string, d time.Duration) { m.Observe(name, milliseconds(d)) }

func milliseconds(d time.Duration) float64 { return float64(d) / 1e6 }

// reset is what srst does to them.
func (m *Metrics) reset() {
	for _, c := range m.counters {
		c.Store(0)
	}
	for _, s := range m.summaries {
		s.reset()
	}
}

// metricNames are the counters and the summaries without percentiles that the release has.
func metricNames(r release.Release) (counters, basic []string) {
	if !r.AdminSnapshots() {
		return counterNames, basicSummaries
	}
	return slices.Concat(counterNames, snapshotCounters), slices.Concat(basicSummaries, snapshotSummaries)
}

// values calls visit with the name and the value, an int64 or a float64, of each metric that the
// release has.
func (m *Metrics) values(r release.Release, visit func(name string, value any)) {
	counters, basic := metricNames(r)
	for _, name := range counters {
		visit(name, m.counters[name].Load())
	}
	for _, name := range basic {
		m.summaries[name].values(name, visit)
	}
	for _, name := range sampledSummaries {
		m.summaries[name].values(name, visit)
	}
}

// sampleSize is the number of values from which a summary's percentiles are computed.
const sampleSize = 4096

// summary is an AvgMinMaxCounter or, sampled, an AvgMinMaxPercentileCounter.
type summary struct {
	sampled bool

	mu            sync.Mutex
	min, max, sum float64
	count         int64
	sample        []float64
	next          int64   // the count of the value that replaces one of a full sample
	weight        float64 // see skip
}

// skip chooses the next value for a full sample, in which each value so far is then equally likely (Li's algorithm L): that
// takes random numbers for the few that are chosen, not for each.
func (s *summary) skip() {
	s.weight *= math.Exp(math.Log(1-rand.Float64()) / sampleSize)
	s.next += 1 + int64(math.Log(1-rand.Float64())/math.Log1p(-s.weight))
}

func (s *summary) add(v float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count == 0 || v < s.min {
		s.min = v
	}
	if s.count == 0 || v > s.max {
		s.max = v
	}
	s.sum += v
	s.count++
	switch {
	case !s.sampled:
	case len(s.sample) < sampleSize:
		if s.sample = append(s.sample, v); len(s.sample) == sampleSize {
			s.next, s.weight = s.count, 1
			s.skip()
		}
	case s.count == s.next:
		s.sample[rand.IntN(sampleSize)] = v
		s.skip()
	}
}

func (s *summary) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.min, s.max, s.sum, s.count, s.sample = 0, 0, 0, 0, s.sample[:0]
}

// read copies what is known of the values, with the sample sorted.
func (s *summary) read() *summary {
	s.mu.Lock()
	of := &summary{sampled: s.sampled, min: s.min, max: s.max, sum: s.sum, count: s.count, sample: slices.Clone(s.sample)}
	s.mu.Unlock()
	slices.Sort(of.sample)
	return of
}

func (s *summary) values(name string, visit func(name string, value any)) {
	of := s.read()
	visit("avg_"+name, average(of.sum, of.count))
	visit("min_"+name, int64(of.min))
	visit("max_"+name, int64(of.max))
	visit("cnt_"+name, of.count)
	visit("sum_"+name, int64(of.sum))
	if !of.sampled {
		return
	}
	for _, q := range []struct {
		name string
		of   float64
	}{{"p50_", 0.5}, {"p95_", 0.95}, {"p99_", 0.99}, {"p999_", 0.999}} {
		visit(q.name+name, int64(math.Round(quantile(of.sample, q.of))))
	}
}

// average is rounded to four digits, as AvgMinMaxCounter does.
func average(sum float64, count int64) float64 {
	if count == 0 {
		return 0
	}
	return math.Round(sum/float64(count)*1e4) / 1e4
}

// quantile returns a quantile of sorted values, as UniformSnapshot.getValue computes it.
func quantile(sorted []float64, q float64) float64 {
	n := len(sorted)
	if n == 0 {
		return 0
	}
	at := q * float64(n+1)
	switch i := int(at); {
	case i < 1:
		return sorted[0]
	case i >= n:
		return sorted[n-1]
	default:
		return sorted[i-1] + (at-math.Floor(at))*(sorted[i]-sorted[i-1])
	}
}

// decimal formats a number as Java does, but never with an exponent, which parsers of "0/0.0/0" do
// not expect.
func decimal(v float64) string {
	if v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// Metrics returns the member's metrics, for what is measured outside it, such as elections.
func (s *Replica) Metrics() *Metrics { return s.metrics }

// Synced accounts for a sync of the transaction log; slow means that it took longer than
// fsync.warningthresholdms.
func (m *Metrics) Synced(took time.Duration, slow bool) {
	m.Took("fsynctime", took)
	if slow {
		m.slowSyncs.Add(1)
	}
}
