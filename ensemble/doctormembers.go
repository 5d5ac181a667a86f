package ensemble

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/command"
)

// memberRules look at the members' readings; a few at zoo.cfg if no member is asked.
func memberRules() []*rule {
	return []*rule{
		{Code: "NO_QUORUM", Severity: critical, from: ofMembers, Meaning: "Clients cannot write.",
			Fix: "Start the members that are down; see zkctl ensemble status.", look: noQuorum},
		{Code: "TWO_LEADERS", Severity: critical, from: ofMembers, Meaning: "The members are not one ensemble, or one leader has lost its quorum and has not noticed yet.",
			Fix: "Compare the server lines of all members; restart the leader with the lower epoch.", look: twoLeaders},
		{Code: "MEMBER_UNREACHABLE", Severity: critical, from: ofMembers, Meaning: "A member does not serve, so the ensemble survives fewer failures.",
			Fix: "Check the member's process and log.", look: unreachable},
		{Code: "NO_FAILURE_TOLERATED", Severity: warning, from: ofMembers | ofConfig, Meaning: "If one more voter fails, writes stop.",
			Fix: "Bring members back, or run at least three voters.", look: noFailureTolerated},
		{Code: "EVEN_VOTERS", Severity: warning, from: ofMembers | ofConfig, Meaning: "An even number of voters survives no more failures than one voter fewer, and loses its quorum more easily.",
			Fix: "Add a voter, or make one an observer.", look: evenVoters},
		{Code: "STRANGER", Severity: critical, from: ofMembers, Meaning: "A server that you named is not part of the ensemble.",
			Fix: "Check the connect string, and the server's own zoo.cfg.", look: strangers},
		{Code: "CONFIGURATIONS_DIFFER", Severity: critical, from: ofMembers, Meaning: "Members do not agree on who belongs to the ensemble.",
			Fix: "Restart the member with the older version, or repeat the reconfiguration.", look: configurationsDiffer},
		{Code: "RELEASES_DIFFER", Severity: warning, from: ofMembers, Meaning: "Different releases may behave differently, and newer ones may write what older ones cannot read.",
			Fix: "Finish the upgrade.", look: releasesDiffer},
		{Code: "LAG", Severity: warning, Limit: 1000, unit: "transactions", from: ofMembers,
			Meaning: "A member is far behind the leader: its clients read stale data, and it would need long to take over.",
			Fix:     "Check the member's disk and network.", look: lag},
		{Code: "OUTSTANDING", Severity: warning, Limit: 100, unit: "requests", from: ofMembers, Meaning: "Requests arrive faster than the member answers them.",
			Fix:  "Look for a client that floods it (zkctl session ls), and check the latency of its log's disk.",
			look: member(number(func(m *probe.Reading) answer.Opt[int64] { return m.Outstanding }), "%s outstanding requests, more than %s")},
		{Code: "LATENCY", Severity: warning, Limit: 100, unit: "ms", from: ofMembers, Meaning: "On average since the start, requests have taken long.",
			Fix:  "Check the latency of its log's disk, and garbage collection.",
			look: member(number(func(m *probe.Reading) answer.Opt[float64] { return m.Latency.Avg }), "%s ms on average, more than %s")},
		{Code: "SLOW_FSYNC", Severity: warning, Limit: 1000, unit: "ms", from: ofMembers, Meaning: "A sync of the log was slow; writes wait for it.",
			Fix:  "Give the log its own disk (dataLogDir).",
			look: member(metric("zk_max_fsynctime"), "%s ms for the slowest sync since the start, more than %s")},
		{Code: "FILE_DESCRIPTORS", Severity: warning, Limit: 80, unit: "percent", from: ofMembers, Meaning: "Without free file descriptors no client can connect.",
			Fix:  "Raise the limit of the process (ulimit -n), or find who holds the connections (zkctl session ls).",
			look: member(fileDescriptors, "%s percent of the file descriptors are open, more than %s")},
		{Code: "ZNODES", Severity: warning, Limit: 1e6, unit: "znodes", from: ofMembers, Meaning: "All znodes are in memory, and in every snapshot.",
			Fix:  "Find what grows: zkctl snapshot summary.",
			look: member(number(func(m *probe.Reading) answer.Opt[int64] { return m.Znodes }), "%s znodes, more than %s")},
		{Code: "DATA_SIZE", Severity: warning, Limit: 1 << 30, unit: "bytes", from: ofMembers, Meaning: "Large data makes snapshots slow, and joining members must receive and save one within initLimit.",
			Fix:  "Find what grows: zkctl snapshot summary.",
			look: member(number(func(m *probe.Reading) answer.Opt[int64] { return m.DataSize }), "%s bytes of data, more than %s")},
		{Code: "WATCHES", Severity: warning, Limit: 1e6, unit: "watches", from: ofMembers, Meaning: "A change to a widely watched znode notifies every watcher.",
			Fix:  "Find who watches: zkctl session ls.",
			look: member(number(func(m *probe.Reading) answer.Opt[int64] { return m.Watches }), "%s watches, more than %s")},
		{Code: "LARGE_ANSWER", Severity: warning, Limit: 80, unit: "percent", from: ofMembers,
			Meaning: "Clients drop the connection if a reply exceeds their jute.maxbuffer, 1 MiB by default.",
			Fix:     "Find the znode with many children or much data: --dir, or zkctl snapshot summary.", look: largeAnswer},
		{Code: "CLOCK_SKEW", Severity: warning, Limit: 5, unit: "s", from: ofMembers, Meaning: "The members' clocks differ, so the times in their logs and znodes cannot be compared.",
			Fix: "Run NTP or chrony on all members.", look: clockSkew},
	}
}

// member is a rule about a number that each serving member may report.
func member(check func(m *probe.Reading) (value float64, known bool), text string) func(*patient, *rule) {
	return func(p *patient, r *rule) {
		var silent []string
		for _, m := range p.survey.Readings {
			if m.State != probe.Serving {
				continue
			}
			switch v, known := check(m); {
			case !known:
				silent = append(silent, m.Name())
			case v > r.Limit:
				p.find(r, "%s: "+text, m.Name(), decimal(v), decimal(r.Limit))
			}
		}
		p.untold(r, silent)
	}
}

func metric(name string) func(*probe.Reading) (float64, bool) {
	return func(m *probe.Reading) (float64, bool) {
		if m.Metrics == nil {
			return 0, false
		}
		return m.Metrics.Number(name).Get()
	}
}

func number[T int64 | float64](get func(*probe.Reading) answer.Opt[T]) func(*probe.Reading) (float64, bool) {
	return func(m *probe.Reading) (float64, bool) { v, ok := get(m).Get(); return float64(v), ok }
}

func noQuorum(p *patient, r *rule) {
	switch yes, known := p.verdict.Quorum.Get(); {
	case !known:
		p.skip(r, "%s", p.verdict.Sentence)
	case !yes:
		p.find(r, "%s", p.verdict.Sentence)
	}
}

func twoLeaders(p *patient, r *rule) {
	var leaders []string
	for _, m := range p.survey.Readings {
		if m.Leads() && !m.Stranger {
			leaders = append(leaders, m.Name())
		}
	}
	if len(leaders) > 1 {
		p.find(r, "%s lead", strings.Join(leaders, " and "))
	}
}

func unreachable(p *patient, r *rule) {
	for _, m := range p.survey.Readings {
		if m.State != probe.Serving {
			p.find(r, "%s %s", m.Name(), m.Trouble())
		}
	}
}

func noFailureTolerated(p *patient, r *rule) {
	if !p.has(ofMembers) {
		switch n := len(p.config.Verifier.Voting()); {
		case n == 0:
			p.find(r, "%s has no server lines: the server runs alone", p.config.File)
		case n < 3:
			p.find(r, "%s lists %s", p.config.File, command.Plural(n, "member that votes", "members that vote"))
		}
		return
	}
	if n, known := p.verdict.Tolerates.Get(); known && n == 0 && p.verdict.Quorum.Or(false) {
		p.find(r, "%s", p.verdict.Sentence)
	}
}

func evenVoters(p *patient, r *rule) {
	var n int64
	if p.has(ofMembers) {
		known := false
		if n, known = p.verdict.Voters.Get(); !known {
			p.skip(r, "the number of voters is unknown")
			return
		}
	} else {
		n = int64(len(p.config.Verifier.Voting()))
	}
	if n > 0 && n%2 == 0 {
		p.find(r, "%d members vote", n)
	}
}

func strangers(p *patient, r *rule) {
	for _, m := range p.survey.Readings {
		if m.Stranger {
			p.find(r, "%s is not in the configuration that %s has", m.Name(), p.survey.Config.From)
		}
	}
}

func configurationsDiffer(p *patient, r *rule) {
	told := 0
	for _, m := range p.survey.Readings {
		if m.Config == nil {
			continue
		}
		told++
		if !m.Stranger && m.Config.Difference(p.survey.Config) != "" {
			p.find(r, "%s has another configuration than %s: %s", m.Name(), p.survey.Config.From, m.Config.Difference(p.survey.Config))
		}
	}
	if told < 2 && len(p.survey.Readings) > 1 {
		p.skip(r, "fewer than two members report it (the word conf)")
	}
}

func releasesDiffer(p *patient, r *rule) {
	seen := map[string][]string{}
	for _, m := range p.survey.Readings {
		if m.Version != "" && !m.Stranger {
			seen[m.Release()] = append(seen[m.Release()], m.Name())
		}
	}
	if len(seen) < 2 {
		return
	}
	var parts []string
	for release, members := range seen {
		parts = append(parts, release+" on "+strings.Join(members, ", "))
	}
	slices.Sort(parts)
	p.find(r, "%s", strings.Join(parts, "; "))
}

func lag(p *patient, r *rule) {
	for _, m := range p.survey.Readings {
		if lag, known := m.Lag.Get(); known && float64(lag) > r.Limit {
			p.find(r, "%s is %d transactions behind, more than %s", m.Name(), lag, decimal(r.Limit))
		}
	}
}

func fileDescriptors(m *probe.Reading) (float64, bool) {
	open, ok := m.OpenFiles.Get()
	most, ok2 := m.MaxFiles.Get()
	return percentOf(open, max(1, most)), ok && ok2
}

func percentOf(part, whole int64) float64 { return float64(part*1000/whole) / 10 }

// defaultMaxBuffer is jute.maxbuffer unless it is set, in bytes.
const defaultMaxBuffer = 0xfffff

// maxBuffer is the jute.maxbuffer to hold sizes against: that of zoo.cfg, or the default, which clients have too.
func (p *patient) maxBuffer() int64 {
	if p.config != nil && p.config.MaxBuffer > 0 {
		return int64(p.config.MaxBuffer)
	}
	return defaultMaxBuffer
}

func largeAnswer(p *patient, r *rule) {
	member(func(m *probe.Reading) (float64, bool) {
		size, known := metric("zk_max_client_response_size")(m)
		return percentOf(int64(size), p.maxBuffer()), known
	}, "the longest answer to a client took %s percent of jute.maxbuffer, more than %s")(p, r)
}

func clockSkew(p *patient, r *rule) {
	var first, last *probe.Reading
	var silent []string
	for _, m := range p.survey.Readings {
		ahead, known := m.Clock.Get()
		switch {
		case !known && m.State == probe.Serving:
			silent = append(silent, m.Name())
		case !known:
		default:
			if first == nil || ahead < first.Clock.Or(0) {
				first = m
			}
			if last == nil || ahead > last.Clock.Or(0) {
				last = m
			}
		}
	}
	p.untold(r, silent)
	if first == nil {
		return
	}
	apart := time.Duration(last.Clock.Or(0)-first.Clock.Or(0)) * time.Millisecond
	if apart.Seconds() > r.Limit {
		p.find(r, "%s is %v ahead of %s", last.Name(), apart.Round(time.Second), first.Name())
	}
}

// someOf lists a few names: "/a, /b, /c and 7 more".
func someOf(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
