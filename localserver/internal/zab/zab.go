package zab

import (
	"io"

	"github.com/zkctl/zkctl/internal/proto"
)

// Zxid combines an epoch and a counter (ZxidUtils).
func Zxid(epoch, counter int64) int64 { return epoch<<32 | counter&0xffffffff }

// Epoch returns the epoch of a zxid.
func Epoch(zxid int64) int64 { return zxid >> 32 }

// Counter returns the position of a zxid in its epoch.
func Counter(zxid int64) int64 { return zxid & 0xffffffff }

// Origin identifies the member that holds a session's connection, as the leader sees it: nil for
// the leader itself, otherwise the connection of the forwarding learner. Origins are comparable.
type Origin any

// Request is a client's write or sync on its way to the leader.
type Request struct {
	Session int64
	Cxid    int32
	Type    proto.Op
	Body    []byte     // the encoded record that followed the request's header
	Auth    []proto.ID // the client's identities
	Origin  Origin
}

// Proposal is a transaction to be logged by a quorum and then applied by all members.
type Proposal struct {
	Txn proto.TxnEntry
	Raw []byte // Txn encoded, as it is logged and sent

	// Config is the text of the new configuration of a reconfig; otherwise nil.
	Config []byte
}

// Zxid returns the transaction's zxid.
func (p *Proposal) Zxid() int64 { return p.Txn.Header.Zxid }

// Replica is the replicated state, the data tree with its sessions, and the server that makes it
// available to clients. All methods may be called from any goroutine; none may call back into the
// caller before it returns.
//
// Outside a role, the tree has every transaction of the journal. A role begins with Lead or Follow
// and ends with Retire; Apply then adds what was logged but not committed: the journal has it, and
// the next leader decides about it. No client may see that.
type Replica interface {
	State
	Roles
	LeaderSessions
	LearnerSessions
}

// State is the part of a Replica that transactions change and that members send to each other.
type State interface {
	// LastZxid returns the zxid of the last transaction applied.
	LastZxid() int64

	// Apply queues a committed transaction to be applied. Calls are in zxid order: during a role,
	// before it to bring the tree up to date, and after Retire. It must not wait for a goroutine
	// that may be in Leader.Propose.
	Apply(p *Proposal)

	// Applied waits until everything queued by Apply has been applied.
	Applied()

	// Snapshot starts a snapshot of the tree as it is now, which must be sent or abandoned. Used for
	// SNAP.
	Snapshot() (Snapshot, error)

	// Restore replaces the tree with what a Snapshot sent on the leader, at zxid, and writes it to
	// disk as a snapshot file of that zxid. r ends (io.EOF) at the end of the snapshot; nothing may
	// take effect before that, and after an error, tree and disk must be unchanged. The zxid may be
	// lower than the tree's, and may start an epoch. The journal is closed meanwhile; logs and all
	// other snapshots are removed afterwards.
	Restore(r io.Reader, zxid int64) error

	// Reload replaces the tree with the state on disk, after the journal was truncated and while it
	// is closed. The last zxid may be lower than before.
	Reload() error

	// Reconfigured passes the text of the configuration now in force, the data of
	// /zookeeper/config.
	Reconfigured(config []byte)
}

// Snapshot is a snapshot of a tree that keeps changing meanwhile: all transactions after its zxid must
// be applied on top, though a large one may contain some of them already.
type Snapshot interface {
	Zxid() int64

	// Send writes the tree in the format of FileSnap.serialize, without file header, checksum and
	// trailer.
	Send(w io.Writer) error

	Abandon()
}

// Roles is the part of a Replica that starts and stops serving clients.
type Roles interface {
	// Lead starts serving clients and making transactions. The first gets the zxid after last
	// (Zxid(epoch, 0) for the leader of an ensemble).
	Lead(l Leader, last int64)

	// Follow starts serving clients; their writes are sent to l. An observer follows, too.
	Follow(l Learner, observer bool)

	// Retire stops serving: it closes client connections, drops unanswered requests (their sessions
	// stay open), and abandons a snapshot that is being written to disk, since it would contain
	// what is applied afterwards. It returns when all of that has ended.
	Retire()

	// Looking reports the start and end of an election. In between, read-only clients may be served
	// (readonlymode.enabled).
	Looking(on bool)
}

// LeaderSessions is what a leader's Replica does for the clients of learners.
type LeaderSessions interface {
	// Submit passes on a request forwarded by a learner. The answer is a Propose, even if the
	// request fails, or a SyncAfter for a sync.
	Submit(r *Request)

	// Touch passes the sessions that are alive, with their timeouts in milliseconds. It does not
	// block.
	Touch(alive map[int64]int32)

	// Revalidate is Touch for a session that has moved to origin, which becomes its owner. It
	// returns false if there is no such session.
	Revalidate(session int64, timeout int32, origin Origin) bool
}

// LearnerSessions is how a learner's Replica receives answers for its clients, and reports their
// sessions.
type LearnerSessions interface {
	// Touched drains the sessions that this learner's clients kept alive since the last
	// call, with their timeouts in milliseconds: the body of the answer to a PING.
	Touched() map[int64]int32

	// Revalidated answers Learner.Revalidate.
	Revalidated(session int64, valid bool)

	// Synced answers the oldest unanswered sync that was forwarded.
	Synced()
}

// Leader is what a leading replica calls. Propose and SyncAfter are called from one goroutine and
// never block on the network or the disk. After Retire they do nothing.
type Leader interface {
	// Propose starts to replicate p, whose zxid is one more than the last. It returns through
	// Replica.Apply once a quorum has logged it.
	Propose(p *Proposal)

	// SyncAfter answers a learner's sync once everything proposed so far is committed.
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
