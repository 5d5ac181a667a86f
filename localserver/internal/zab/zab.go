package zab

import (
	"io"

	"github.com/zkctl/zkctl/internal/proto"
)

// Zxid joins an epoch and a counter (ZxidUtils).
func Zxid(epoch, counter int64) int64 { return epoch<<32 | counter&0xffffffff }

// Epoch is the epoch of a zxid.
func Epoch(zxid int64) int64 { return zxid >> 32 }

// Counter is the position of a zxid in its epoch.
func Counter(zxid int64) int64 { return zxid & 0xffffffff }

// Origin is who holds a session's connection, as the leader sees it: nil for the leader
// itself, else the connection of the learner that forwards for it. Origins are compared.
type Origin any

// Request is a write, or a sync, of a client on its way to the leader.
type Request struct {
	Session int64
	Cxid    int32
	Type    proto.Op
	Body    []byte     // the encoded record that followed the request's header
	Auth    []proto.ID // the client's identities
	Origin  Origin
}

// Proposal is a transaction that is to be logged by a quorum and then applied by all.
type Proposal struct {
	Txn proto.TxnEntry
	Raw []byte // Txn encoded, as it is logged and sent

	// Config is the text of the new configuration that a reconfig brings; nil for others.
	Config []byte
}

// Zxid is the transaction's.
func (p *Proposal) Zxid() int64 { return p.Txn.Header.Zxid }

// Replica is the state that is replicated, the data tree with its sessions, and the server that shows
// it to clients. All methods may be called from any goroutine; none may call back into the caller
// before it returns.
//
// Outside of a role the tree has every transaction of the journal. It begins a role with
// Lead or Follow and ends it with Retire, after which Apply brings it what was logged and
// not committed: the journal has it, and the next leader decides about it. No client may
// hear of that.
type Replica interface {
	State
	Roles
	LeaderSessions
	LearnerSessions
}

// State is the part of a Replica that transactions change, and that members bring to each other.
type State interface {
	// LastZxid is that of the last transaction applied.
	LastZxid() int64

	// Apply queues a committed transaction to be applied. Calls come in the order of zxids,
	// during a role, before it to bring the tree up to date, and after Retire. It must not
	// wait for a goroutine that may be in Leader.Propose.
	Apply(p *Proposal)

	// Applied waits until everything queued by Apply has been applied.
	Applied()

	// Snapshot writes the tree as FileSnap.serialize lays it out, without file header,
	// checksum and what follows it, while the tree goes on changing (it is fuzzy: all
	// transactions after LastZxid before the call must be applied on top again). Used for SNAP.
	Snapshot(w io.Writer) (zxid int64, err error)

	// Restore replaces the tree by what Snapshot wrote on the leader, at zxid, and brings it to
	// disk as a snapshot file of that zxid. r ends (io.EOF) where the snapshot does; only then,
	// and without another error, may anything take effect: on an error tree and disk are as
	// before. The zxid may be lower than that of the tree, and may begin an epoch. The journal
	// is closed meanwhile; logs and all other snapshots are removed afterwards.
	Restore(r io.Reader, zxid int64) error

	// Reload replaces the tree by what the disk has, after the journal was truncated and
	// while it is closed. Its last zxid may be lower than before.
	Reload() error

	// Reconfigured tells of the text of the configuration that is now in force; it is what
	// /zookeeper/config holds.
	Reconfigured(config []byte)
}

// Roles is the part of a Replica that begins and ends to serve clients.
type Roles interface {
	// Lead starts to serve clients and to make transactions, the first of which gets the
	// zxid after last (Zxid(epoch, 0) for the leader of an ensemble).
	Lead(l Leader, last int64)

	// Follow starts to serve clients; their writes go to l. An observer follows too.
	Follow(l Learner, observer bool)

	// Retire stops serving: client connections are closed, requests without an answer are
	// forgotten (their sessions live on), and a snapshot that is being written to the disk is
	// given up, since it would get what is applied after. It returns when nothing of them is
	// left running.
	Retire()

	// Looking tells when an election begins and ends. Meanwhile those may be served who only
	// read (readonlymode.enabled), and who are until it ends.
	Looking(on bool)
}

// LeaderSessions is what a leader's Replica does for the clients of learners.
type LeaderSessions interface {
	// Submit hands it a request that a learner forwards. It is answered
	// by a Propose, even when it fails, except for sync, which is answered by SyncAfter.
	Submit(r *Request)

	// Touch tells it which sessions are alive, with their timeouts in
	// milliseconds. It does not wait.
	Touch(alive map[int64]int32)

	// Revalidate is Touch for a session that has come to origin; true makes it the owner, false
	// says that there is none such.
	Revalidate(session int64, timeout int32, origin Origin) bool
}

// LearnerSessions is what a learner's Replica hears of its clients' requests, and says of their sessions.
type LearnerSessions interface {
	// Touched drains the sessions that this learner's clients kept alive since the last
	// call, with their timeouts in milliseconds: the body of the answer to a PING.
	Touched() map[int64]int32

	// Revalidated answers Learner.Revalidate.
	Revalidated(session int64, valid bool)

	// Synced answers the oldest sync that was forwarded and not answered yet.
	Synced()
}

// Leader is what a leading replica calls. Propose and SyncAfter come from one goroutine and
// never block on the network or the disk. After Retire they do nothing.
type Leader interface {
	// Propose starts to replicate p, whose zxid is one more than the last. It comes back
	// through Replica.Apply once a quorum has it.
	Propose(p *Proposal)

	// SyncAfter answers a learner's sync once all that was proposed so far is committed.
	SyncAfter(origin Origin)

	// Reconfig checks a reconfig request against the configuration in force and returns the text of the
	// next one, whose version is zxid. The error is a proto.Error.
	Reconfig(r *proto.ReconfigRequest, zxid int64) (config []byte, err error)
}

// Learner is what a following replica calls. No method blocks on the network.
type Learner interface {
	// Forward sends a write or a sync to the leader.
	Forward(r *Request)

	// Revalidate asks the leader whether a session that a client resumes here is alive;
	// the answer comes through Replica.Revalidated.
	Revalidate(session int64, timeout int32)
}
