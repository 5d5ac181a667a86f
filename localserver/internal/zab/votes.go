package zab

import (
	"fmt"
	"slices"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// ServerState is a member's state (QuorumPeer.ServerState). The numbers are on the wire.
type ServerState int32

// The states.
const (
	Looking ServerState = iota
	Following
	Leading
	Observing
)

func (s ServerState) String() string {
	switch s {
	case Looking:
		return "LOOKING"
	case Following:
		return "FOLLOWING"
	case Leading:
		return "LEADING"
	case Observing:
		return "OBSERVING"
	}
	return fmt.Sprintf("ServerState(%d)", int32(s))
}

// View is what the election needs from a configuration; a [zoocfg.QuorumVerifier] is one.
type View interface {
	ContainsQuorum(zoocfg.IDs) bool
	Weight(id int64) int64
	Voting() []zoocfg.Member
	Member(id int64) (zoocfg.Member, bool)
	Version() int64
	Bytes() []byte
}

// Vote is a vote for the server ID, whose last transaction is Zxid and whose current epoch is
// PeerEpoch. ElectionEpoch is the round of the election, counted by Look.
type Vote struct {
	ID            int64
	Zxid          int64
	ElectionEpoch int64
	PeerEpoch     int64
}

// beats is the order of votes: by epoch, zxid and id (totalOrderPredicate). A server without weight
// beats none.
func (v Vote) beats(o Vote, view View) bool {
	switch {
	case view.Weight(v.ID) == 0:
		return false
	case v.PeerEpoch != o.PeerEpoch:
		return v.PeerEpoch > o.PeerEpoch
	case v.Zxid != o.Zxid:
		return v.Zxid > o.Zxid
	}
	return v.ID > o.ID
}

// ballot is a received vote. Format 0 is that of ZooKeeper before 3.4.6.
type ballot struct {
	Vote
	state  ServerState
	format int32
}

// agrees is Vote.equals. Among members with a leader only the leader and its epoch count: zxid and
// round depend on when each of them joined (ZOOKEEPER-1805), and old formats define the epoch
// differently (ZOOKEEPER-1732).
func (b ballot) agrees(o ballot) bool {
	if b.state == Looking || o.state == Looking {
		return b.Vote == o.Vote
	}
	if (b.format > 0) != (o.format > 0) {
		return b.ID == o.ID
	}
	return b.ID == o.ID && b.PeerEpoch == o.PeerEpoch
}

// supporters returns the servers whose ballots agree with b.
func supporters(votes map[int64]ballot, b ballot) zoocfg.IDs {
	ids := zoocfg.IDs{}
	for id, other := range votes {
		if b.agrees(other) {
			ids.Add(id)
		}
	}
	return ids
}

// decided reports whether the participants among ids are a quorum of every view
// (SyncedLearnerTracker).
func decided(views []View, ids zoocfg.IDs) bool {
	for _, view := range views {
		voters := zoocfg.IDs{}
		for _, m := range view.Voting() {
			if ids.Has(m.ID) {
				voters.Add(m.ID)
			}
		}
		if !view.ContainsQuorum(voters) {
			return false
		}
	}
	return true
}

// validVoter reports whether id is a participant of one of the views.
func validVoter(views []View, id int64) bool {
	return slices.ContainsFunc(views, func(v View) bool {
		m, ok := v.Member(id)
		return ok && m.Role == zoocfg.Participant
	})
}

// leaderVouches reports whether the votes for a leader are credible: the leader itself must have
// said that it leads, or all would elect a crashed leader again and again (checkLeader). If it is
// this server, the votes must be from this round.
func leaderVouches(votes map[int64]ballot, self, round int64, b ballot) bool {
	if b.ID == self {
		return b.ElectionEpoch == round
	}
	l, ok := votes[b.ID]
	return ok && l.state == Leading
}

// notification is a vote received from a server.
type notification struct {
	ballot
	from   int64
	config []byte // the sender's configuration; nil before 3.5
}

// Lengths of the formats without an epoch and without a version.
const (
	notificationLen28 = 28
	notificationLen40 = 40
	notificationV2    = 2 // with a configuration
)

func (n *notification) encode() []byte {
	config := n.config
	if config == nil {
		config = []byte{}
	}
	return jute.Marshal(&proto.Notification{State: int32(n.state), Leader: n.ID, Zxid: n.Zxid,
		ElectionEpoch: n.ElectionEpoch, PeerEpoch: n.PeerEpoch, Version: notificationV2, Config: config})
}

func decodeNotification(from int64, buf []byte) (*notification, error) {
	if len(buf) < notificationLen28 {
		return nil, fmt.Errorf("Got a short response from server %d: %d bytes, a notification has %d or more",
			from, len(buf), notificationLen28)
	}
	var r proto.Notification
	if err := jute.Unmarshal(buf, &r); err != nil {
		return nil, fmt.Errorf("read a notification of %d bytes from server %d: %w", len(buf), from, err)
	}
	if r.State < int32(Looking) || r.State > int32(Observing) {
		return nil, fmt.Errorf("read a notification from server %d: state %d is not 0 to 3", from, r.State)
	}
	switch len(buf) {
	case notificationLen28:
		r.PeerEpoch = Epoch(r.Zxid)
	case notificationLen40:
		r.Version = 0 // ZooKeeper ignores it
	}
	if r.Version >= notificationV2 && r.Config == nil {
		return nil, fmt.Errorf("read a notification of format %d from server %d: it lacks a configuration", r.Version, from)
	}
	return &notification{
		ballot: ballot{Vote{r.Leader, r.Zxid, r.ElectionEpoch, r.PeerEpoch}, ServerState(r.State), r.Version},
		from:   from, config: r.Config,
	}, nil
}
