package probe

import (
	"slices"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
)

// questions are what a member is asked: four-letter words and commands of its AdminServer.
type questions struct {
	words, admin []string
	inTurn       bool // the words after the first one wait for its answer, so that its counters do not include them
}

// Commands of an AdminServer: whose it is, and the contents of srvr and mntr.
const (
	adminConfiguration = "configuration"
	adminStats         = "server_stats"
	adminMonitor       = "monitor"
)

// everything returns all questions. The AdminServer is asked too if a word stays unanswered.
func everything() questions { return questions{words: []string{"srvr", "mntr", "conf"}} }

// again returns what to ask a member after the reading r: the same questions at the doors that were open, without what does
// not change. Without metrics, what only mntr reports is left out too.
func (r *Reading) again(metrics bool) questions {
	told := func(what string) bool { return slices.Contains(r.told, what) }
	switch {
	case r.State != Serving || !told("srvr") && !told("admin"):
		return everything()
	case !told("srvr"):
		return questions{admin: []string{adminMonitor, adminStats}}
	}
	q := questions{words: []string{"srvr"}, inTurn: true}
	switch {
	case !metrics:
	case told("mntr"):
		q.words = append(q.words, "mntr")
	case told("admin"):
		q.admin = []string{adminMonitor}
	}
	return q
}

// metrics reports whether the questions include mntr or its equivalent.
func (q questions) metrics() bool { return slices.Contains(q.words, "mntr") || len(q.admin) > 0 }

// remember copies what was not asked again from the previous reading.
func (r *Reading) remember(before *Reading) {
	if r.Config == nil {
		r.Config = before.Config
	}
	if r.Settings == nil {
		r.Settings = before.Settings
	}
	if r.State == Serving && !r.asked.metrics() {
		r.rememberMetrics(before)
	}
	for _, t := range before.Tried {
		if !slices.Contains(r.Doors, t.Door) && !slices.ContainsFunc(r.Tried, func(o Attempt) bool { return o.Door == t.Door }) {
			r.Tried = append(r.Tried, t)
		}
	}
}

func (r *Reading) rememberMetrics(before *Reading) {
	for _, what := range before.told {
		if !slices.Contains(r.told, what) {
			r.told = append(r.told, what)
		}
	}
	for _, d := range before.Doors {
		r.opened(d)
	}
	if r.Mode != before.Mode {
		return
	}
	if up, ok := before.Uptime.Get(); ok {
		r.Uptime.Fill(answer.Some(up + r.At.Sub(before.At).Milliseconds()))
	}
	r.Metrics, r.Peer = before.Metrics, before.Peer
	r.Sessions.Fill(before.Sessions)
	r.Ephemerals.Fill(before.Ephemerals)
	r.Watches.Fill(before.Watches)
	r.DataSize.Fill(before.DataSize)
	r.OpenFiles.Fill(before.OpenFiles)
	r.MaxFiles.Fill(before.MaxFiles)
	r.SyncedFollowers.Fill(before.SyncedFollowers)
	r.SyncedObservers.Fill(before.SyncedObservers)
	r.PendingSyncs.Fill(before.PendingSyncs)
}
