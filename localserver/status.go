package localserver

import (
	"context"
	"crypto/tls"
	"strconv"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/fourletter"
	"github.com/zkctl/zkctl/localserver/internal/replica"
)

// Role is what a member does in its ensemble, in ZooKeeper's words.
type Role string

// The roles.
const (
	RoleLeader     Role = "leader"
	RoleFollower   Role = "follower"
	RoleObserver   Role = "observer"
	RoleStandalone Role = "standalone" // a single server
	RoleReadOnly   Role = "read-only"  // without a leader, serving read-only clients
	RoleLooking    Role = "looking"    // looking for a leader, or not answering
	RolePaused     Role = "paused"     // by Pause
	RoleStopped    Role = "stopped"    // not started, stopped or killed
	RoleFailed     Role = "failed"     // it stopped serving by itself; see Status.Error
)

// String returns the role's name.
func (r Role) String() string { return string(r) }

// Serves reports whether a member in this role serves clients, even if only read-only ones.
func (r Role) Serves() bool {
	switch r {
	case RoleLeader, RoleFollower, RoleObserver, RoleStandalone, RoleReadOnly:
		return true
	}
	return false
}

// leads reports whether a member in this role creates the transactions.
func (r Role) leads() bool { return r == RoleLeader || r == RoleStandalone }

// Status is what a member reports about itself.
type Status struct {
	ID      int64  `json:"id"`
	Role    Role   `json:"role"`
	Engine  Engine `json:"engine"`
	Addr    string `json:"address"`
	PID     int    `json:"pid,omitempty"` // of an Apache member
	DataDir string `json:"dataDir,omitempty"`
	LogFile string `json:"logFile,omitempty"` // of an Apache member
	Error   string `json:"error,omitempty"`   // why it failed

	// If it serves:
	Version     string `json:"version,omitempty"`
	Zxid        int64  `json:"zxid"`
	Epoch       int64  `json:"epoch"`
	Lag         int64  `json:"lag"`      // transactions behind the leader
	Sessions    int64  `json:"sessions"` // known to the member; -1 if it does not report them
	Connections int64  `json:"connections"`
	Znodes      int64  `json:"znodes"`
	DataSize    int64  `json:"dataSize"` // bytes of paths and data; -1 if it does not report them
	Watches     int64  `json:"watches"`  // -1 if it does not report them
	Memory      int64  `json:"memory"`   // bytes used by an Apache member's process; 0 if unknown
}

// statusPatience is how long a member may take to answer.
const statusPatience = 2 * time.Second

// Status asks every member. One that does not answer within two seconds counts as looking for a
// leader.
func (e *Ensemble) Status(ctx context.Context) []Status {
	members := e.Members()
	list := make([]Status, len(members))
	done := make(chan struct{}, len(members))
	for i, m := range members {
		go func() {
			list[i] = m.Status(ctx)
			done <- struct{}{}
		}()
	}
	for range members {
		<-done
	}
	var last int64
	for _, s := range list {
		if s.Role == RoleLeader {
			last = s.Zxid
		}
	}
	for i := range list {
		s := &list[i]
		if s.Role.Serves() && last > s.Zxid && last>>32 == s.Zxid>>32 {
			s.Lag = last - s.Zxid
		}
	}
	return list
}

// Status asks the member.
func (m *Member) Status(ctx context.Context) Status {
	s := Status{ID: m.id, Role: RoleStopped, Engine: m.engine, Addr: m.Addr(), DataDir: m.dir, Sessions: -1, DataSize: -1, Watches: -1}
	m.mu.Lock()
	run, paused, failure := m.run, m.paused, m.failure
	m.mu.Unlock()
	if run == nil {
		return s
	}
	s.PID, s.LogFile = run.pid(), m.LogFile()
	if s.PID != 0 {
		s.Memory = processMemory(s.PID)
	}
	switch {
	case failure != nil:
		s.Role, s.Error = RoleFailed, failure.Error()
		return s
	case paused:
		s.Role = RolePaused
		return s
	}
	s.Role = RoleLooking
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	if r, ok := run.(*embeddedRun); ok {
		s.askEmbedded(ctx, r.server)
	} else {
		s.askApache(ctx)
	}
	return s
}

// askEmbedded asks a member in this process. If it is too busy to answer, nothing is recorded.
func (s *Status) askEmbedded(ctx context.Context, member *server) {
	answer := make(chan replica.Status, 1)
	go func() {
		if st, serving := member.Status(); serving {
			answer <- st
		}
		close(answer)
	}()
	select {
	case st, serving := <-answer:
		if serving {
			s.Version, s.Role, s.Zxid, s.Epoch = version(st.Version), Role(st.Role), st.Zxid, st.Zxid>>32
			s.Sessions, s.Connections, s.Watches = int64(st.Sessions), int64(st.Connections), int64(st.Watches)
			s.Znodes, s.DataSize = int64(st.Znodes), st.DataSize
		}
	case <-ctx.Done():
	}
}

// askApache asks a member that is a process, with words that its configuration allows.
func (s *Status) askApache(ctx context.Context) {
	if text, err := FourLetterWord(ctx, s.Addr, "srvr", nil); err == nil {
		s.readSrvr(text)
		s.Connections = max(0, s.Connections-1) // without our own
	}
	if s.Role.Serves() {
		if text, err := FourLetterWord(ctx, s.Addr, "mntr", nil); err == nil {
			s.readMntr(text)
		}
	}
}

// version returns the version without the build time.
func version(text string) string {
	v, _, _ := strings.Cut(text, ",")
	return v
}

// mode returns the member's role, or "" if it does not serve.
func (m *Member) mode(ctx context.Context) Role {
	m.mu.Lock()
	run := m.run
	down := run == nil || m.paused || m.failure != nil
	m.mu.Unlock()
	if down {
		return ""
	}
	if r, ok := run.(*embeddedRun); ok {
		return r.server.mode()
	}
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	var s Status
	if text, err := FourLetterWord(ctx, m.Addr(), "srvr", nil); err == nil {
		s.readSrvr(text)
	}
	return s.Role
}

func (s *Status) readSrvr(text string) {
	for _, line := range strings.Split(text, "\n") {
		key, value, _ := strings.Cut(line, ": ")
		value = strings.TrimSpace(value)
		switch key {
		case "Zookeeper version":
			s.Version = version(value)
		case "Mode":
			s.Role = Role(value)
		case "Zxid":
			s.Zxid, _ = strconv.ParseInt(strings.TrimPrefix(value, "0x"), 16, 64)
			s.Epoch = s.Zxid >> 32
		case "Connections":
			s.Connections, _ = strconv.ParseInt(value, 10, 64)
		case "Node count":
			s.Znodes, _ = strconv.ParseInt(value, 10, 64)
		}
	}
}

func (s *Status) readMntr(text string) {
	for _, line := range strings.Split(text, "\n") {
		key, value, _ := strings.Cut(line, "\t")
		n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			continue
		}
		switch key {
		case "zk_global_sessions", "zk_local_sessions":
			s.Sessions = max(0, s.Sessions) + int64(n)
		case "zk_approximate_data_size":
			s.DataSize = int64(n)
		case "zk_watch_count":
			s.Watches = int64(n)
		}
	}
}

// FourLetterWord sends one of ZooKeeper's four-letter words, such as srvr or mntr, to a server
// and returns the answer. cfg is nil for a port without TLS.
func FourLetterWord(ctx context.Context, addr, word string, cfg *tls.Config) (string, error) {
	var dial fourletter.Dial
	if cfg != nil {
		dial = fourletter.TLS(cfg)
	}
	answer, err := fourletter.Ask(ctx, dial, addr, word)
	return string(answer), err
}
