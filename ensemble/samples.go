package ensemble

import (
	"strconv"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/exposition"
)

// exposed is what Prometheus gets of an ensemble: what zkctl concludes, as zkctl_*, and what the members report, under
// ZooKeeper's own names. What is unknown has no sample.
func exposed(s *probe.Survey) *exposition.Page {
	page := &exposition.Page{}
	v := s.Judge()
	sample := func(name, help string, value answer.Opt[float64], labels ...exposition.Label) {
		if f, ok := value.Get(); ok {
			page.Family(name, exposition.Gauge, help).Add(f, labels...)
		}
	}
	leaders, answered := 0, false
	for _, r := range s.Readings {
		answered = answered || r.State == probe.Serving || r.State == probe.NotServing
		if r.Leads() && !r.Stranger {
			leaders++
		}
	}
	sample("zkctl_ensemble_quorum", "Whether writes succeed.", truth(v.Quorum))
	sample("zkctl_ensemble_members", "Members that are asked.", answer.Some(float64(len(s.Readings))))
	sample("zkctl_ensemble_voters", "Voting members of the configuration.", asFloat(v.Voters))
	sample("zkctl_ensemble_serving_voters", "Voting members that serve.", answer.Some(float64(v.Serving)))
	sample("zkctl_ensemble_tolerated_failures", "Voting members that may fail.", asFloat(v.Tolerates))
	if answered {
		sample("zkctl_ensemble_leaders", "Members that say they lead.", answer.Some(float64(leaders)))
	}
	for _, r := range s.Readings {
		labels := memberLabels(r)
		sample("zkctl_member_serving", "Whether the member serves clients.", truth(answer.Some(r.State == probe.Serving)), labels...)
		sample("zkctl_member_probe_seconds", "How long it took to ask the member.", answer.Some(r.Took.Seconds()), labels...)
		if r.State != probe.Serving && r.State != probe.NotServing {
			continue
		}
		sample("zkctl_member_info", "What the member is; the value is 1.", answer.Some(1.0),
			append(labels, exposition.Label{Name: "mode", Value: r.Mode}, exposition.Label{Name: "version", Value: r.Release()},
				exposition.Label{Name: "door", Value: r.DoorText()})...)
		if r.State == probe.Serving && r.Mode != "" {
			sample("zkctl_member_leader", "Whether the member leads.", truth(answer.Some(r.Leads())), labels...)
		}
		sample("zkctl_member_lag", "Transactions behind the leader.", asFloat(r.Lag), labels...)
		sample("zkctl_member_epoch", "Epoch of the last transaction.", asFloat(r.Epoch()), labels...)
		if z, ok := r.Zxid.Get(); ok {
			sample("zkctl_member_zxid_counter", "Number of the last transaction within its epoch: the low half of its zxid.",
				answer.Some(float64(uint32(z))), labels...)
		}
		if r.Metrics != nil {
			addMetrics(page, r.Metrics, labels...)
		}
		// From srvr, if the member does not answer mntr.
		for _, m := range []struct {
			name  string
			value answer.Opt[float64]
		}{
			{"avg_latency", r.Latency.Avg}, {"max_latency", r.Latency.Max}, {"min_latency", r.Latency.Min},
			{"packets_received", asFloat(r.Received)}, {"packets_sent", asFloat(r.Sent)},
			{"num_alive_connections", asFloat(r.Connections)}, {"outstanding_requests", asFloat(r.Outstanding)},
			{"znode_count", asFloat(r.Znodes)}, {"uptime", asFloat(r.Uptime)},
		} {
			if f, ok := m.value.Get(); ok {
				kind := exposition.Gauge
				if counters[m.name] {
					kind = exposition.Counter
				}
				page.Family(m.name, kind, m.name).Add(f, labels...)
			}
		}
	}
	return page
}

// memberLabels are those of a member's samples. They must not change with its state, or rates would break.
func memberLabels(r *probe.Reading) []exposition.Label {
	id := ""
	if n, ok := r.ID.Get(); ok {
		id = strconv.FormatInt(n, 10)
	}
	return []exposition.Label{{Name: "id", Value: id}, {Name: "address", Value: r.Name()}}
}

func truth(b answer.Opt[bool]) answer.Opt[float64] {
	switch yes, known := b.Get(); {
	case !known:
		return answer.Opt[float64]{}
	case yes:
		return answer.Some(1.0)
	}
	return answer.Some(0.0)
}
