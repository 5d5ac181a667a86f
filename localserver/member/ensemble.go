package member

import (
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver/zab"
)

// Ensemble is what monitoring tells of a member's ensemble and of its own place there.
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

// leaderAddress is where the leader serves its learners, "" when there is none.
func (e *Ensemble) leaderAddress() string {
	if e.Config == nil {
		return ""
	}
	m, _ := e.Config.Member(e.Leader)
	return joinAddrs(m, zoocfg.QuorumAddr.Quorum)
}

// joinAddrs joins a member's addresses by "|", as ZooKeeper writes them.
func joinAddrs(m zoocfg.Member, of func(zoocfg.QuorumAddr) zoocfg.HostPort) (text string) {
	for i, a := range m.Addrs {
		if i > 0 {
			text += "|"
		}
		text += of(a).String()
	}
	return text
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
