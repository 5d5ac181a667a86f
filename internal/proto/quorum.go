package proto

import "github.com/zkctl/zkctl/internal/jute"

// PacketType is the type of a QuorumPacket (Leader).
type PacketType int32

// Packet types.
const (
	PacketRequest           PacketType = 1
	PacketProposal          PacketType = 2
	PacketAck               PacketType = 3
	PacketCommit            PacketType = 4
	PacketPing              PacketType = 5
	PacketRevalidate        PacketType = 6
	PacketSync              PacketType = 7
	PacketInform            PacketType = 8
	PacketCommitAndActivate PacketType = 9
	PacketNewLeader         PacketType = 10
	PacketFollowerInfo      PacketType = 11
	PacketUpToDate          PacketType = 12
	PacketDiff              PacketType = 13
	PacketTrunc             PacketType = 14
	PacketSnap              PacketType = 15
	PacketObserverInfo      PacketType = 16
	PacketLeaderInfo        PacketType = 17
	PacketAckEpoch          PacketType = 18
	PacketInformAndActivate PacketType = 19
)

// Notification is a vote of the leader election (FastLeaderElection.buildMsg). On the wire a 32-bit
// length precedes it. A message without a version is from 3.4.5 or earlier, one without a
// configuration from before 3.5.
type Notification struct {
	State         int32 // 0 looking, 1 following, 2 leading, 3 observing
	Leader        int64
	Zxid          int64
	ElectionEpoch int64
	PeerEpoch     int64
	Version       int32
	Config        []byte
}

// Visit walks the fields in wire order.
func (r *Notification) Visit(c *jute.Codec) {
	c.Int(&r.State)
	c.Long(&r.Leader)
	c.Long(&r.Zxid)
	c.Long(&r.ElectionEpoch)
	if c.Decoding() && c.Err() == nil && c.Remaining() == 0 {
		return
	}
	c.Long(&r.PeerEpoch)
	if c.Decoding() && c.Err() == nil && c.Remaining() == 0 {
		return
	}
	c.Int(&r.Version)
	if c.Decoding() && c.Err() == nil && c.Remaining() == 0 {
		return
	}
	c.Buffer(&r.Config)
}

// Versions of InitialMessage: with one election address, and with several joined by '|'.
const (
	ElectionProtocolV1 int64 = -65536
	ElectionProtocolV2 int64 = -65535
)

// InitialMessage opens an election connection (QuorumCnxManager.InitialMessage).
type InitialMessage struct {
	Protocol  int64
	ServerID  int64
	Addresses string
}

// Visit walks the fields in wire order.
func (r *InitialMessage) Visit(c *jute.Codec) {
	c.Long(&r.Protocol)
	c.Long(&r.ServerID)
	c.String(&r.Addresses)
}

// LearnerInfo is the body of FOLLOWERINFO and OBSERVERINFO.
type LearnerInfo struct {
	ServerID        int64
	ProtocolVersion int32
	ConfigVersion   int64
}

// Visit walks the fields in wire order.
func (r *LearnerInfo) Visit(c *jute.Codec) {
	c.Long(&r.ServerID)
	c.Int(&r.ProtocolVersion)
	c.Long(&r.ConfigVersion)
}

// Statuses of a QuorumAuth.
const (
	QuorumAuthError      int32 = -1
	QuorumAuthInProgress int32 = 0
	QuorumAuthSuccess    int32 = 1
)

// QuorumAuthMagic begins a QuorumAuth, so that it is neither a QuorumPacket nor a vote.
const QuorumAuthMagic int64 = 0x5f2435013501edcc // QuorumAuth.QUORUM_AUTH_MAGIC_NUMBER

// QuorumAuthHead is the size of a QuorumAuth without its token, in bytes.
const QuorumAuthHead = 8 + 4 + 4

// QuorumAuth carries a SASL token between members, before anything else on a quorum connection and after the
// InitialMessage on one for elections (QuorumAuthPacket).
type QuorumAuth struct {
	Magic  int64
	Status int32
	Token  []byte
}

// Visit walks the fields in wire order.
func (r *QuorumAuth) Visit(c *jute.Codec) {
	c.Long(&r.Magic)
	c.Int(&r.Status)
	c.Buffer(&r.Token)
}

// QuorumPacket is what leader and learners exchange. Zxid and Data depend on Type.
type QuorumPacket struct {
	Type     PacketType
	Zxid     int64
	Data     []byte
	AuthInfo []ID
}

// Visit walks the fields in wire order.
func (r *QuorumPacket) Visit(c *jute.Codec) {
	c.Int((*int32)(&r.Type))
	c.Long(&r.Zxid)
	c.Buffer(&r.Data)
	jute.Vector(c, &r.AuthInfo, 8)
}
