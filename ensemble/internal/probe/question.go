package probe

import "slices"

// questions are what a member is asked at first: four-letter words and commands of its AdminServer.
type questions struct {
	words, admin []string
	inTurn       bool // the words after the first one wait for its answer
}

// Of an AdminServer: whose it is, and what srvr and mntr tell.
const (
	adminConfiguration = "configuration"
	adminStats         = "server_stats"
	adminMonitor       = "monitor"
)

// everything is what can be asked. The AdminServer is asked too if a word stays unanswered.
func everything() questions { return questions{words: []string{"srvr", "mntr", "conf"}} }

// again is what to ask a member of which r is known: the same at the doors that were open, but not what does not change.
func (r *Reading) again() questions {
	told := func(what string) bool { return slices.Contains(r.told, what) }
	if r.State != Serving || !told("srvr") && !told("admin") {
		return everything()
	}
	q := questions{inTurn: told("srvr")} // so that what the first one counts has not counted the others yet
	for _, word := range []string{"srvr", "mntr"} {
		if told(word) {
			q.words = append(q.words, word)
		}
	}
	if !told("mntr") && told("admin") {
		q.admin = []string{adminMonitor}
		if !told("srvr") {
			q.admin = append(q.admin, adminStats)
		}
	}
	return q
}

// remember fills in what was not asked again.
func (r *Reading) remember(before *Reading) {
	if r.Config == nil {
		r.Config = before.Config
	}
	if r.Settings == nil {
		r.Settings = before.Settings
	}
	for _, t := range before.Tried {
		if !slices.Contains(r.Doors, t.Door) && !slices.ContainsFunc(r.Tried, func(o Attempt) bool { return o.Door == t.Door }) {
			r.Tried = append(r.Tried, t)
		}
	}
}
