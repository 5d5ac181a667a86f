package probe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// State is whether and how a member answers.
type State string

// States.
const (
	Serving    State = "serving"
	NotServing State = "not serving" // as it reports: it has no leader, or is starting
	Down       State = "down"        // nobody listens at its client port
	Silent     State = "silent"      // no answer in time
	Failed     State = "failed"      // it could not be asked; Error says why
	Asked      State = "waiting"     // it has not answered yet, and still may
)

// Reading is what is known about a member. Numbers that it did not report are unknown.
type Reading struct {
	Member
	State State
	Error error // nil if it serves
	Doors []Door
	Tried []Attempt // the doors that failed
	At    time.Time
	Took  time.Duration

	Mode            string // leader, follower, observer, standalone or read-only; "" if unknown
	Peer            string // such as "following - broadcast", since 3.6
	Version         string // 3.8.0-5a02a05…; "" if unknown
	Zxid            answer.Opt[answer.Hex]
	Lag             answer.Opt[int64] // transactions behind the leader
	Uptime          answer.Opt[int64] // ms
	Latency         Latency
	Received        answer.Opt[int64] // packets since the start, or since srst
	Sent            answer.Opt[int64]
	Outstanding     answer.Opt[int64] // requests
	Connections     answer.Opt[int64]
	Sessions        answer.Opt[int64] // that it knows; a learner knows all global ones too
	Znodes          answer.Opt[int64]
	Ephemerals      answer.Opt[int64]
	Watches         answer.Opt[int64]
	DataSize        answer.Opt[int64] // approximate bytes of paths and data
	OpenFiles       answer.Opt[int64] // descriptors
	MaxFiles        answer.Opt[int64]
	SyncedFollowers answer.Opt[int64] // of a leader
	SyncedObservers answer.Opt[int64]
	PendingSyncs    answer.Opt[int64]
	Metrics         *answer.Metrics   // of mntr or monitor; nil if unknown
	Settings        *answer.Settings  // of conf or configuration; nil if unknown
	Clock           answer.Opt[int64] // ms that its clock is ahead of this machine's, to within a second or two

	Config *Config // the ensemble's configuration as the member has it; nil if unknown

	// For a watched member, from this reading and the previous one:
	Requests  answer.Opt[float64] // packets received per second, without zkctl's own
	Restarted bool                // its uptime fell
	Reset     bool                // its counters fell: it was restarted, or srst reset them

	asked   questions
	told    []string            // the questions answered: srvr, mntr, conf, admin, session
	own     share               // words asked for so far, and requests sent in sessions
	ownTxns share               // transactions of the prober's sessions so far
	txns    answer.Opt[float64] // increase of its zxid per second
}

// Latency is the latency of requests since the start, in ms.
type Latency struct {
	Min answer.Opt[float64] `json:"min"`
	Avg answer.Opt[float64] `json:"avg"`
	Max answer.Opt[float64] `json:"max"`
}

// Config is an ensemble's configuration.
type Config struct {
	zoocfg.QuorumVerifier
	From string // the member that reported it
	Door Door
}

// Difference describes how the configuration differs from another in version, ids, roles and ports; "" if it does not. Hosts
// are not compared: members may spell them differently.
func (c *Config) Difference(other *Config) string {
	if c.Version() != other.Version() {
		return fmt.Sprintf("version %x instead of %x", uint64(c.Version()), uint64(other.Version()))
	}
	mine, theirs := c.outline(), other.outline()
	var only []string
	for _, line := range mine {
		if !slices.Contains(theirs, line) {
			only = append(only, "+"+line)
		}
	}
	for _, line := range theirs {
		if !slices.Contains(mine, line) {
			only = append(only, "-"+line)
		}
	}
	return strings.Join(only, " ")
}

// outline returns a line for each member, without its hosts.
func (c *Config) outline() (list []string) {
	for _, m := range c.Members() {
		text := fmt.Sprintf("server.%d", m.ID)
		for _, a := range m.Addrs {
			text += fmt.Sprintf(":%d:%d", a.QuorumPort, a.ElectionPort)
		}
		list = append(list, text+":"+m.Role.String())
	}
	return list
}

// Release returns the version number only, such as 3.8.0.
func (r *Reading) Release() string {
	v, _, _ := strings.Cut(r.Version, "-")
	return v
}

// Epoch returns the epoch of the last transaction.
func (r *Reading) Epoch() answer.Opt[int64] {
	if z, ok := r.Zxid.Get(); ok {
		return answer.Some(int64(uint64(z) >> 32))
	}
	return answer.Opt[int64]{}
}

// Leads reports whether the member claims to be the leader.
func (r *Reading) Leads() bool { return r.State == Serving && r.Mode == "leader" }

// ReadOnly reports whether the member serves without the quorum.
func (r *Reading) ReadOnly() bool { return r.State == Serving && r.Mode == "read-only" }

// Votes reports whether the member counts towards the quorum, as far as is known.
func (r *Reading) Votes() bool {
	if role, ok := r.Role.Get(); ok {
		return role == zoocfg.Participant
	}
	return r.Mode != "observer"
}

// DoorText returns the doors that answered, such as 4lw+admin.
func (r *Reading) DoorText() string {
	var names []string
	for _, d := range r.Doors {
		names = append(names, string(d))
	}
	return strings.Join(names, "+")
}

// Span formats a duration for people: 3d4h, 2h5m, 12m, 45s.
func Span(d time.Duration) string {
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d/time.Hour%24)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d/time.Minute%60)
	case d >= time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// Lasting is Span of a number of ms.
func Lasting(ms answer.Opt[int64]) string {
	return ms.Text(func(v int64) string { return Span(time.Duration(v) * time.Millisecond) })
}

// MarshalJSON writes the reading under ZooKeeper's own names; unknown values are null.
func (r *Reading) MarshalJSON() ([]byte, error) {
	null := func(s string) answer.Opt[string] {
		if s == "" {
			return answer.Opt[string]{}
		}
		return answer.Some(s)
	}
	role := answer.Opt[string]{}
	if v, ok := r.Role.Get(); ok {
		role = answer.Some(v.String())
	}
	failure := ""
	if r.Error != nil {
		failure = r.Error.Error()
	}
	if r.Tried == nil {
		r.Tried = []Attempt{}
	}
	if r.Doors == nil {
		r.Doors = []Door{}
	}
	return escape.MarshalJSON(struct {
		ID          answer.Opt[int64]      `json:"id"`
		Address     string                 `json:"address"`
		Guessed     bool                   `json:"guessed,omitempty"`
		Stranger    bool                   `json:"stranger,omitempty"`
		Role        answer.Opt[string]     `json:"role"`
		State       State                  `json:"state"`
		Error       string                 `json:"error,omitempty"`
		Mode        answer.Opt[string]     `json:"mode"`
		Peer        answer.Opt[string]     `json:"peerState"`
		Version     answer.Opt[string]     `json:"version"`
		Zxid        answer.Opt[answer.Hex] `json:"zxid"`
		Epoch       answer.Opt[int64]      `json:"epoch"`
		Lag         answer.Opt[int64]      `json:"lag"`
		Uptime      answer.Opt[int64]      `json:"uptime"`
		Latency     Latency                `json:"latency"`
		Received    answer.Opt[int64]      `json:"received"`
		Sent        answer.Opt[int64]      `json:"sent"`
		Outstanding answer.Opt[int64]      `json:"outstanding"`
		Connections answer.Opt[int64]      `json:"connections"`
		Sessions    answer.Opt[int64]      `json:"sessions"`
		Znodes      answer.Opt[int64]      `json:"nodeCount"`
		Ephemerals  answer.Opt[int64]      `json:"ephemerals"`
		Watches     answer.Opt[int64]      `json:"watches"`
		DataSize    answer.Opt[int64]      `json:"dataSize"`
		OpenFiles   answer.Opt[int64]      `json:"openFileDescriptors"`
		MaxFiles    answer.Opt[int64]      `json:"maxFileDescriptors"`
		Followers   answer.Opt[int64]      `json:"syncedFollowers"`
		Observers   answer.Opt[int64]      `json:"syncedObservers"`
		Clock       answer.Opt[int64]      `json:"clockAhead"`
		Doors       []Door                 `json:"doors"`
		Tried       []Attempt              `json:"tried"`
		At          int64                  `json:"time"`
		Took        float64                `json:"took"`
	}{r.ID, r.Name(), r.Guessed, r.Stranger, role, r.State, failure, null(r.Mode), null(r.Peer), null(r.Version), r.Zxid, r.Epoch(), r.Lag,
		r.Uptime, r.Latency, r.Received, r.Sent, r.Outstanding, r.Connections, r.Sessions, r.Znodes, r.Ephemerals, r.Watches, r.DataSize,
		r.OpenFiles, r.MaxFiles, r.SyncedFollowers, r.SyncedObservers, r.Clock, r.Doors, r.Tried, r.At.UnixMilli(), float64(r.Took.Microseconds()) / 1000})
}

// modes are what srvr calls a server that serves (ServerStats.getServerState).
var modes = []string{"leader", "follower", "observer", "standalone", "read-only"}

// count makes a negative number unknown: servers report -1 for what they cannot determine.
func count(n answer.Opt[int64]) answer.Opt[int64] {
	if n.Or(0) < 0 {
		return answer.Opt[int64]{}
	}
	return n
}

func (r *Reading) takeSrvr(s *answer.Srvr) {
	if slices.Contains(modes, s.Mode) {
		r.Mode = s.Mode
	}
	if r.Version == "" {
		r.Version = s.Version
	}
	r.Zxid.Fill(s.Zxid)
	r.Latency.Min.Fill(s.LatencyMin)
	r.Latency.Avg.Fill(s.LatencyAvg)
	r.Latency.Max.Fill(s.LatencyMax)
	r.Received.Fill(count(s.Received))
	r.Sent.Fill(count(s.Sent))
	r.Connections.Fill(count(s.Connections))
	r.Outstanding.Fill(count(s.Outstanding))
	r.Znodes.Fill(count(s.Znodes))
	r.Uptime.Fill(count(s.Uptime))
}

func (r *Reading) takeMetrics(m *answer.Metrics) {
	r.Metrics = m
	if mode := m.Text("zk_server_state"); r.Mode == "" && slices.Contains(modes, mode) {
		r.Mode = mode
	}
	if r.Version == "" {
		r.Version, _, _ = strings.Cut(m.Text("zk_version"), ",")
	}
	r.Peer = m.Text("zk_peer_state")
	for name, to := range map[string]*answer.Opt[int64]{
		"zk_uptime": &r.Uptime, "zk_packets_received": &r.Received, "zk_packets_sent": &r.Sent,
		"zk_outstanding_requests": &r.Outstanding, "zk_num_alive_connections": &r.Connections, "zk_znode_count": &r.Znodes,
		"zk_ephemerals_count": &r.Ephemerals, "zk_watch_count": &r.Watches, "zk_approximate_data_size": &r.DataSize,
		"zk_open_file_descriptor_count": &r.OpenFiles, "zk_max_file_descriptor_count": &r.MaxFiles,
		"zk_synced_followers": &r.SyncedFollowers, "zk_synced_observers": &r.SyncedObservers, "zk_pending_syncs": &r.PendingSyncs,
	} {
		to.Fill(count(m.Int(name)))
	}
	for name, to := range map[string]*answer.Opt[float64]{
		"zk_min_latency": &r.Latency.Min, "zk_avg_latency": &r.Latency.Avg, "zk_max_latency": &r.Latency.Max,
	} {
		to.Fill(m.Number(name))
	}
	if global, ok := m.Int("zk_global_sessions").Get(); ok {
		r.Sessions = answer.Some(global + m.Int("zk_local_sessions").Or(0))
	}
}
