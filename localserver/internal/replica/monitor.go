package replica

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// wordMntr prints what monitor lists.
func (s *Replica) wordMntr(_ *conn, w io.Writer) {
	s.monitor(func(name string, value any) {
		if v, ok := value.(float64); ok {
			value = decimal(v)
		}
		fmt.Fprintf(w, "zk_%s\t%v\n", name, value)
	})
}

// monitor calls visit with the values of mntr and of the command monitor: strings, ints and floats.
// A member without a role has counters but no gauges.
func (s *Replica) monitor(visit func(name string, value any)) {
	if f, ok := s.figures(); ok {
		visit("version", Version(s.emulated()))
		visit("server_state", f.state())
		var e Ensemble
		if !f.alone {
			e = s.opt.Ensemble()
			visit("peer_state", e.PeerState)
			if f.observer {
				visit("observer_master_id", e.Leader)
			}
		}
		s.gauges(&f, visit)
		if !f.alone && f.role != readOnly {
			ensembleGauges(&f, &e, visit)
		}
		for _, q := range s.quotas() {
			visit(q.namespace+"_"+q.name, q.value)
		}
		s.metrics.settle(&f)
	}
	s.metrics.values(s.emulated(), visit)
}

// settle copies the counters that the loop keeps itself.
func (m *Metrics) settle(f *figures) {
	m.counters["digest_mismatches_count"].Store(f.stats.digestMismatches)
	m.counters["stale_sessions_expired"].Store(f.stats.expired)
}

// gauges are those of ZooKeeperServer.
func (s *Replica) gauges(f *figures, visit func(name string, value any)) {
	l := &f.stats.latency
	visit("avg_latency", l.avg())
	visit("max_latency", l.max.Milliseconds())
	visit("min_latency", l.min.Milliseconds())
	visit("packets_received", f.stats.received)
	visit("packets_sent", f.stats.sent)
	visit("num_alive_connections", f.conns)
	visit("outstanding_requests", s.shared.inProcess.Load())
	visit("uptime", f.uptime.Milliseconds())
	visit("znode_count", f.znodes)
	visit("watch_count", f.watches)
	visit("ephemerals_count", f.ephemerals)
	visit("approximate_data_size", f.bytes)
	visit("global_sessions", f.sessions)
	visit("local_sessions", f.local)
	open, limit := openFiles()
	visit("open_file_descriptor_count", open)
	visit("max_file_descriptor_count", limit)
	visit("connection_drop_probability", 0.0)
	visit("last_client_response_size", f.stats.responses.Last)
	visit("max_client_response_size", f.stats.responses.Max)
	visit("min_client_response_size", f.stats.responses.Min)
	visit("outstanding_tls_handshake", s.shared.handshakes.Load())
	visit("auth_failed_count", s.metrics.counters["unsuccessful_handshake"].Load())
	visit("non_mtls_remote_conn_count", 0)
	visit("non_mtls_local_conn_count", 0)
}

// ensembleGauges are those of QuorumZooKeeperServer and LeaderZooKeeperServer.
func ensembleGauges(f *figures, e *Ensemble, visit func(name string, value any)) {
	if e.Config != nil {
		visit("quorum_size", len(e.Config.Voting()))
	}
	if !f.leads() {
		return
	}
	synced, withoutVote, observers := e.followings()
	visit("learners", len(e.Learners))
	visit("synced_followers", synced)
	visit("synced_non_voting_followers", withoutVote)
	visit("synced_observers", observers)
	visit("pending_syncs", e.PendingSyncs)
	visit("leader_uptime", f.ledFor.Milliseconds())
	visit("last_proposal_size", f.proposals.Last)
	visit("max_proposal_size", f.proposals.Max)
	visit("min_proposal_size", f.proposals.Min)
}

// gauge is one of a gauge set, whose keys are namespaces.
type gauge struct {
	namespace, name string
	value           int64
}

// quotas returns the limits and the usage of each quota, by the first name of its path
// (QuotaMetricsUtils).
func (s *Replica) quotas() (list []gauge) {
	s.do(func() {
		if top := s.tree.Get(proto.QuotaPath); top == nil || top.Descendants() > piece {
			return // too many to block the loop for
		}
		for path, n := range s.tree.Below(proto.QuotaPath) {
			limits := strings.HasSuffix(path, "/"+proto.LimitsNode)
			if !limits && !strings.HasSuffix(path, "/"+proto.StatsNode) {
				continue
			}
			top, _, _ := strings.Cut(path[len(proto.QuotaPath)+1:], "/")
			count, bytes := countAndBytes(n)
			kind := "usage"
			if limits {
				kind = "limit"
			}
			list = append(list, gauge{top, "quota_count_" + kind + "_per_namespace", count},
				gauge{top, "quota_bytes_" + kind + "_per_namespace", bytes})
		}
	})
	return list
}

// countAndBytes reads a limit or a usage, such as "count=5,bytes=-1=;byteHardLimit=9".
func countAndBytes(n *ztree.Node) (count, bytes int64) {
	count, bytes = -1, -1
	if len(n.Data()) > ztree.MaxQuotaText {
		return count, bytes
	}
	for _, field := range strings.FieldsFunc(string(n.Data()), func(r rune) bool { return r == ',' || r == ';' }) {
		name, text, _ := strings.Cut(field, "=")
		v, err := strconv.ParseInt(strings.TrimRight(text, "="), 10, 64)
		switch {
		case err != nil || v == -1:
		case strings.HasPrefix(name, "count"):
			count = v
		case strings.HasPrefix(name, "byte"):
			bytes = v
		}
	}
	return count, bytes
}
