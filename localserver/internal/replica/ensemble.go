package replica

import (
	"strings"

	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// Ensemble is what monitoring reports about a member's ensemble and its place in it.
type Ensemble struct {
	zab.Status
	PeerState string // zab.Peer.DetailedState

	InitLimit, SyncLimit int    // ticks
	Self                 int64  // myid
	ClientAddress        string // "host:port" of clients
}

// self is the member's own line of the configuration.
func (e *Ensemble) self() (m zoocfg.Member, voting bool) {
	if e.Config == nil {
		return m, false
	}
	m, ok := e.Config.Member(e.Self)
	return m, ok && m.Role == zoocfg.Participant
}

// leaderHosts returns the hosts at which the leader serves learners, joined by "|" as in ZooKeeper,
// or "" if there is no leader.
func (e *Ensemble) leaderHosts() string {
	if e.Config == nil {
		return ""
	}
	m, _ := e.Config.Member(e.Leader)
	var hosts []string
	for _, a := range m.Addrs {
		hosts = append(hosts, a.Host)
	}
	return strings.Join(hosts, "|")
}

func addrs(m zoocfg.Member, of func(zoocfg.QuorumAddr) zoocfg.HostPort) (list []string) {
	for _, a := range m.Addrs {
		list = append(list, of(a).String())
	}
	return list
}

// followings counts a leader's learners as LeaderZooKeeperServer's gauges do.
func (e *Ensemble) followings() (synced, withoutVote, observers int) {
	for _, l := range e.Learners {
		switch {
		case l.Observer:
			if l.Synced {
				observers++
			}
		case l.Synced:
			synced++
			if e.Config != nil {
				if m, ok := e.Config.Member(l.ID); !ok || m.Role != zoocfg.Participant {
					withoutVote++
				}
			}
		}
	}
	return synced, withoutVote, observers
}
