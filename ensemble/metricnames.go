package ensemble

import (
	"slices"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/exposition"
	"github.com/zkctl/zkctl/internal/lazyre"
)

// addMetrics adds the numbers of mntr under the names that ZooKeeper's PrometheusMetricsProvider has for them. Where
// mntr makes several names of one, with percentiles in front or a key, it is one again: zk_p99_readlatency is
// readlatency{quantile="0.99"}, zk_cnt_readlatency is readlatency_count, zk_app_quota_bytes_usage_per_namespace is
// quota_bytes_usage_per_namespace{key="app"}. Averages and extremes, which that provider has not, keep mntr's names.
func addMetrics(page *exposition.Page, m *answer.Metrics, labels ...exposition.Label) {
	for _, metric := range m.List {
		value, ok := metric.Number.Get()
		if !ok {
			continue
		}
		s := seriesOf(m, metric.Name)
		all := append(slices.Clip(labels), s.labels...)
		switch s.part {
		case partCount:
			page.Family(s.family, exposition.Summary, s.family).Count(value, all...)
		case partSum:
			page.Family(s.family, exposition.Summary, s.family).Sum(value, all...)
		case partQuantile:
			page.Family(s.family, exposition.Summary, s.family).Quantile(s.quantile, value, all...)
		case partValue:
			kind := exposition.Gauge
			if counters[s.family] {
				kind = exposition.Counter
			}
			page.Family(s.family, kind, s.family).Add(value, all...)
		}
	}
}

// series is what Prometheus has for a line of mntr.
type series struct {
	family   string
	part     part
	quantile float64
	labels   []exposition.Label
}

type part int

const (
	partNone part = iota // not understood
	partValue
	partCount
	partSum
	partQuantile
)

// percentiles are what stands before a summary's name in mntr (AvgMinMaxPercentileCounter).
var percentiles = map[string]float64{"p50_": 0.5, "p95_": 0.95, "p99_": 0.99, "p999_": 0.999}

func seriesOf(m *answer.Metrics, line string) series {
	name, text, labelled := strings.Cut(strings.TrimPrefix(line, "zk_"), "{")
	if labelled {
		return labelledSeries(m, name, "{"+text)
	}
	isSummary := func(base string) bool {
		return m.Number("zk_cnt_"+base).Known() && m.Number("zk_sum_"+base).Known()
	}
	for prefix, q := range percentiles {
		if base, ok := strings.CutPrefix(name, prefix); ok && isSummary(base) {
			if m.Number("zk_cnt_"+base).Or(0) == 0 {
				return series{} // mntr has 0 for the percentile of nothing
			}
			return keyed(base, "", partQuantile, q)
		}
	}
	for _, p := range []struct {
		prefix string
		part   part
	}{{"cnt_", partCount}, {"sum_", partSum}} {
		if base, ok := strings.CutPrefix(name, p.prefix); ok && isSummary(base) {
			return keyed(base, "", p.part, 0)
		}
	}
	for _, prefix := range []string{"avg_", "min_", "max_"} {
		if base, ok := strings.CutPrefix(name, prefix); ok && isSummary(base) {
			return keyed(base, prefix, partValue, 0)
		}
	}
	if s, ok := halves(m, name, ""); ok {
		return s
	}
	return keyed(name, "", partValue, 0)
}

// halves recognizes the count and the sum of a summary as a server with PrometheusMetricsProvider has them in mntr.
func halves(m *answer.Metrics, name, labels string) (series, bool) {
	for _, p := range []struct {
		own, other string
		part       part
	}{{"_count", "_sum", partCount}, {"_sum", "_count", partSum}} {
		if base, ok := strings.CutSuffix(name, p.own); ok && m.Number("zk_"+base+p.other+labels).Known() {
			return series{family: base, part: p.part}, true
		}
	}
	return series{}, false
}

// sets are metrics that there are for each key, which mntr puts before their names.
var sets = []string{
	"quota_count_limit_per_namespace", "quota_bytes_limit_per_namespace", "quota_count_usage_per_namespace",
	"quota_bytes_usage_per_namespace", "quota_exceeded_error_per_namespace", "read_per_namespace", "write_per_namespace",
	"learner_handler_qp_size", "learner_handler_qp_time_ms", "ack_latency",
}

// keyed splits the key from the name of a set.
func keyed(name, prefix string, p part, q float64) series {
	for _, set := range sets {
		key, ok := strings.CutSuffix(name, "_"+set)
		if _, err := strconv.Atoi(key); ok && (strings.HasSuffix(set, "_per_namespace") || err == nil) { // others are of servers
			return series{prefix + set, p, q, []exposition.Label{{Name: "key", Value: key}}}
		}
	}
	return series{family: prefix + name, part: p, quantile: q}
}

var labelList = lazyre.New(`^\{(\w+)="(.*?)"(?:,(\w+)="(.*?)")?\}$`)

// labelledSeries is for a server with PrometheusMetricsProvider, whose mntr has lines such as
// zk_ack_latency{key="1",quantile="0.5"}.
func labelledSeries(m *answer.Metrics, name, text string) series {
	match := labelList().FindStringSubmatch(text)
	if match == nil {
		return series{}
	}
	s, ok := halves(m, name, text)
	if !ok {
		s = series{family: name, part: partValue}
	}
	for i := 1; i < len(match); i += 2 {
		switch label, value := match[i], match[i+1]; {
		case label == "key":
			s.labels = append(s.labels, exposition.Label{Name: label, Value: value})
		case label == "quantile":
			q, err := strconv.ParseFloat(value, 64)
			if err != nil || q < 0 || q > 1 {
				return series{}
			}
			s.part, s.quantile = partQuantile, q
		case label != "": // of the JVM: pools, areas
			s.labels = append(s.labels, exposition.Label{Name: "jvm_" + label, Value: value})
		}
	}
	return s
}

// counters are ZooKeeper's metrics that only rise while a server runs (ServerMetrics, 3.6 to 3.10). The others are
// gauges.
var counters = func() map[string]bool {
	set := map[string]bool{"packets_received": true, "packets_sent": true}
	for _, name := range strings.Fields(`
		add_dead_watcher_stall_time bytes_received_count cnxn_closed_without_zk_server_running commit_count
		connection_drop_count connection_rejected connection_request_count connection_revalidate_count
		dead_watchers_cleared dead_watchers_queued diff_count digest_mismatches_count ensemble_auth_fail
		ensemble_auth_skip ensemble_auth_success insecure_admin_count large_requests_rejected
		learner_commit_received_count learner_proposal_received_count looking_count op_count_add_watch op_count_check
		op_count_check_watches op_count_close_session op_count_create op_count_create_session op_count_delete
		op_count_exists op_count_get_acl op_count_get_all_children_number op_count_get_children op_count_get_data
		op_count_get_ephemerals op_count_multi op_count_multi_read op_count_ping op_count_reconfig
		op_count_remove_watches op_count_set_acl op_count_set_data op_count_set_watches op_count_sync op_count_total
		op_count_who_am_i outstanding_changes_queued outstanding_changes_removed prep_processor_request_queued
		proposal_count quit_leading_due_to_disloyal_voter quota_exceeded_error_per_namespace request_commit_queued
		request_throttle_wait_count requests_not_forwarded_to_commit_processor response_bytes
		response_packet_cache_hits response_packet_cache_misses response_packet_get_children_cache_hits
		response_packet_get_children_cache_misses restore_error_count restore_rate_limited_count revalidate_count
		sessionless_connections_expired skip_learner_request_to_next_processor_count snap_count snapshot_error_count
		snapshot_rate_limited_count stale_replies stale_requests stale_requests_dropped stale_sessions_expired
		sync_processor_request_queued throttled_ops tls_handshake_exceeded ttl_node_created_count
		ttl_node_deleted_count unrecoverable_error_count unsuccessful_handshake watch_bytes`) {
		set[name] = true
	}
	return set
}()
