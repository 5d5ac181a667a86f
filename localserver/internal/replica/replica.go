package replica

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/release"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/zklog"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// role is what the member does in the ensemble.
type role int

const (
	idle      role = iota // looking for a leader, or stopped: clients are rejected
	leading               // or standalone
	following             // or observing
	readOnly              // without a quorum, but serving read-only clients
)

// Replica is one member. Create it with Open; it serves once zab calls Lead or Follow.
//
// Its fields are grouped by owner, so that a race is visible in the code: a field accessed without
// a group's name is the loop's, or its type is safe for concurrent use.
type Replica struct {
	opt  Options // immutable
	log  *zklog.Logger
	auth authSchemes // immutable

	box      mailbox
	done     chan struct{} // closed at the end of the loop
	metrics  *Metrics
	listings chan struct{}  // holds a token for each listing command in progress
	wg       sync.WaitGroup // acceptors, connections, snapshots

	owned     // by the loop
	shared    shared
	accepting accepting
}

// owned is what only the loop may touch: requests, commits, and functions run with do.
type owned struct {
	codec    jute.Codec // of the record being read or written
	role     role
	observer bool
	leader   zab.Leader  // while leading
	learner  zab.Learner // while following
	tree     *ztree.Tree
	watches  *watches[*conn]
	sessions *sessions
	local    *sessions // local sessions; nil without localSessionsEnabled
	all      map[*conn]struct{}
	conns    map[int64]*conn // by session
	opening  map[int64]*conn // sessions whose creation has been proposed
	resuming map[int64]*conn // sessions that the leader has been asked to confirm
	touched  map[int64]int32 // a learner's active sessions, for the next PING
	syncs    []*request      // forwarded, unanswered
	changes  changes         // proposed, not applied yet
	zxid     int64           // of the last proposal, while leading
	fuzzy    int             // how many more transactions the tree may already contain
	config   []byte          // the text of /zookeeper/config
	quota    quotaCheck
	reapAt   time.Time
	savings  []*saving       // unfinished snapshots
	saves    bool            // one of them is a periodic one
	writers  []chan struct{} // one per snapshot written to the data directory; closed when it ends
	outputs
	later    []*conn       // connections that have used their turn in this round and have more to do
	round    uint64        // of the loop
	clock    time.Time     // when the last answer was ready
	now      time.Time     // when the current round began
	ahead    time.Duration // offset of the clock, for moment
	looking  time.Time     // start of the current election; zero if there is none
	stopping bool
	stats    stats
	refuse   bool // reject new connections
}

// shared is what the loop, the connections' readers and writers, and monitoring use concurrently.
type shared struct {
	release    atomic.Pointer[release.Release]
	faults     atomic.Pointer[Faults] // nil if there are none
	trace      atomic.Int64           // the trace mask
	handshakes atomic.Int64           // TLS handshakes in progress
	inProcess  atomic.Int64           // requests read but not answered
	inBytes    atomic.Int64           // their bytes
	largeBytes atomic.Int64           // bytes of large requests being read or processed
	unsent     atomic.Int64           // bytes passed to the connections' writers
	wanted     atomic.Bool            // a connection waits for memory for a reply
	awakened   atomic.Bool            // the loop has been woken for that
}

// accepting is the state shared by acceptors and connections. mu guards it.
type accepting struct {
	mu           sync.Mutex
	listeners    []*listener
	web          []*web // AdminServers and pages of metrics
	open         map[net.Conn]struct{}
	byHost       map[string]int // number of conns
	acceptErrors rateLog
	closed       bool
}

// Open loads a member's data and starts its loop. It does not serve yet. The journal for its
// transactions must continue after LastZxid.
func Open(opt Options) (*Replica, error) {
	opt.setDefaults()
	if err := opt.Check(); err != nil {
		return nil, err
	}
	s := &Replica{opt: opt, log: opt.Log, auth: opt.authSchemes(), metrics: newMetrics(),
		box: mailbox{ready: make(chan struct{}, 1)}, done: make(chan struct{}), listings: make(chan struct{}, listingsMost),
		accepting: accepting{open: map[net.Conn]struct{}{}, byHost: map[string]int{}}}
	s.now, s.ahead, s.all, s.awaiting = time.Now(), opt.Ahead, map[*conn]struct{}{}, map[*conn]struct{}{}
	s.auth.ipv6 = func() bool { return s.emulated().IPv6ACLs() }
	s.quota = quotaCheck{enforce: opt.EnforceQuota, warn: rateLog{warn: func(m string) { s.log.Warnf("%s", m) }}}
	s.accepting.acceptErrors = rateLog{warn: func(m string) { s.log.Warnf("%s", m) }}
	s.reset()
	s.Emulate(opt.Release)
	s.log.Infof("Server environment:zookeeper.version=%s", Version(opt.Release))
	s.watches = newWatches[*conn](func() bool { return s.emulated().WatchModes() })
	s.shared.trace.Store(traceMask)
	s.stats = stats{metrics: s.metrics, since: s.now, responses: noSizes, proposals: noSizes}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.metrics.Took("dbinittime", time.Since(s.now))
	go s.loop()
	return s, nil
}

// Emulate makes the member behave like a release of ZooKeeper from now on.
func (s *Replica) Emulate(r release.Release) { s.shared.release.Store(&r) }

func (s *Replica) emulated() release.Release { return *s.shared.release.Load() }

// reset forgets everything that belongs to a role.
func (s *Replica) reset() {
	s.role, s.leader, s.learner, s.observer = idle, nil, nil, false
	s.sessions, s.local = newSessions(s.opt.Tick, s.opt.ID), s.newLocalSessions()
	s.conns, s.opening, s.resuming = map[int64]*conn{}, map[int64]*conn{}, map[int64]*conn{}
	s.touched, s.syncs = map[int64]int32{}, nil
	s.changes = newChanges()
}

// load reads the tree from disk, or starts with an empty one and a snapshot of it.
func (s *Replica) load() error {
	if s.opt.DataDir == "" {
		s.tree = ztree.New()
		return nil
	}
	began := time.Now()
	tree, bare, err := loadTree(s.opt, s.log)
	if err != nil {
		return err
	}
	s.tree = tree
	if !bare {
		s.log.Infof("Snapshot loaded in %d ms, highest zxid is 0x%x", time.Since(began).Milliseconds(), uint64(tree.LastZxid()))
	}
	if bare && s.tree.LastZxid() >= 0 {
		// Apache ZooKeeper does not start on logs without a snapshot.
		return s.saveNow(s.snapshotOptions())
	}
	if !s.opt.NoDigest {
		s.tree.Digest() // the first call takes a second per million znodes
	}
	return nil
}

// Close ends the member and closes its listeners and connections. Sessions survive in the data. The
// journal must be closed afterwards.
func (s *Replica) Close() {
	s.closeListeners()
	s.do(func() {
		s.retire()
		s.stopping = true
	})
	<-s.done
	s.hangUp()
	s.wg.Wait()
}

// LastZxid implements zab.Replica.
func (s *Replica) LastZxid() (zxid int64) {
	s.do(func() { zxid = s.tree.LastZxid() })
	return zxid
}

// Lead implements zab.Replica.
func (s *Replica) Lead(l zab.Leader, last int64) {
	s.do(func() {
		s.retire() // from reading only
		s.role, s.leader, s.zxid = leading, l, last
		s.stats.led = s.now
		s.tree.SetLastZxid(max(s.tree.LastZxid(), last))
		for id, timeout := range s.tree.Sessions() {
			s.sessions.add(id, time.Duration(timeout)*time.Millisecond, s.moment())
		}
		s.reapAt = s.now.Add(s.opt.ReapEvery)
	})
}

// Follow implements zab.Replica.
func (s *Replica) Follow(l zab.Learner, observer bool) {
	s.do(func() {
		s.retire() // from reading only
		s.role, s.learner, s.observer = following, l, observer
	})
}

// Retire implements zab.Replica.
func (s *Replica) Retire() {
	var writers []chan struct{}
	s.do(func() {
		s.retire()
		s.abort()
		writers = slices.Clone(s.writers)
	})
	for _, ended := range writers {
		<-ended
	}
}

// retire ends the role. Clients still get what has been answered, such as the reconfiguration that
// takes this member's role away.
//
// Differs(answered-before-closing): Apache closes its clients' connections at once.
func (s *Replica) retire() {
	for c := range s.all {
		c.part()
	}
	s.reset()
}

// Looking implements zab.Replica.
func (s *Replica) Looking(on bool) {
	s.do(func() {
		s.looking = time.Time{}
		switch {
		case on:
			s.looking = s.now
		case s.role == readOnly:
			s.retire()
		}
	})
}

// Apply implements zab.Replica.
func (s *Replica) Apply(p *zab.Proposal) { s.box.put(event{commit: p}) }

// Applied implements zab.Replica.
func (s *Replica) Applied() { s.do(func() {}) }

// Submit implements zab.Replica.
func (s *Replica) Submit(r *zab.Request) {
	s.box.put(event{run: func() {
		if s.role != leading {
			return
		}
		s.propose(&request{Request: *r})
	}})
}

// Touch implements zab.Replica.
func (s *Replica) Touch(alive map[int64]int32) {
	s.box.put(event{run: func() {
		if s.role != leading {
			return
		}
		for session, timeout := range alive {
			s.touch(session, time.Duration(timeout)*time.Millisecond)
		}
	}})
}

// Revalidate implements zab.Replica.
func (s *Replica) Revalidate(session int64, timeout int32, origin zab.Origin) (valid bool) {
	s.do(func() { valid = s.role == leading && s.adopt(session, time.Duration(timeout)*time.Millisecond, origin) })
	return valid
}

// Touched implements zab.Replica.
func (s *Replica) Touched() (touched map[int64]int32) {
	s.do(func() { touched, s.touched = s.touched, map[int64]int32{} })
	return touched
}

// Revalidated implements zab.Replica.
func (s *Replica) Revalidated(session int64, valid bool) {
	s.box.put(event{run: func() {
		if c := s.resuming[session]; c != nil {
			delete(s.resuming, session)
			s.finishSession(c, valid)
		}
	}})
}

// Synced implements zab.Replica.
func (s *Replica) Synced() {
	s.box.put(event{run: func() {
		if len(s.syncs) == 0 {
			return
		}
		r := s.syncs[0]
		s.syncs = s.syncs[1:]
		r.sent = false // now it can be answered like a read
		r.conn.reads++
		r.conn.advance()
	}})
}

// Reconfigured implements zab.Replica.
func (s *Replica) Reconfigured(config []byte) {
	s.do(func() {
		s.config = config
		s.showConfig()
	})
}

// showConfig puts the configuration in force into its znode.
func (s *Replica) showConfig() {
	if s.config == nil {
		return
	}
	_, version, _ := bytes.Cut(s.config, []byte("\nversion="))
	zxid, err := strconv.ParseInt(strings.TrimSpace(string(version)), 16, 64)
	if err != nil {
		zxid = 0 // a configuration that has not been agreed on yet
	}
	s.tree.SetConfig(s.config, zxid, s.moment().UnixMilli())
}

// Fail stops serving for good, because the disk or something else that the member needs has failed.
// Nothing more is acknowledged.
func (s *Replica) Fail(err error) {
	s.log.Errorf("Severe unrecoverable error, exiting: %v", err)
	s.metrics.Add("unrecoverable_error_count", 1)
	s.box.put(event{run: func() {
		s.refuse = true
		s.retire()
	}})
	s.opt.Failed(err)
}

// loadTree reads the newest state on disk, as a server does after a crash: a log may end in the
// middle of an entry. bare means that there is no snapshot. The tree's zxid is -1 if there is no
// data although there should be; the member then takes no part in elections until it has received a
// leader's state.
func loadTree(opt Options, log *zklog.Logger) (tree *ztree.Tree, bare bool, err error) {
	dir, err := storage.OpenDirs(opt.DataDir, opt.LogDir)
	if err != nil {
		return nil, false, err
	}
	if len(dir.Logs)+len(dir.Snapshots) == 0 {
		tree = ztree.New()
		if opt.NoAutoCreate && opt.Ensemble != nil {
			log.Warnf("Unexpected empty data tree, setting zxid to -1: with db.autocreate=false the data comes from the other members; " +
				"where it is to begin empty, make a file initialize in dataLogDir before the first start")
			tree.SetLastZxid(-1)
		}
		return tree, true, nil
	}
	bare = len(dir.Snapshots) == 0
	if bare && opt.TrustEmpty {
		log.Warnf("No snapshot found, but there are log entries. This should only be allowed during upgrading.")
	}
	tree, faults, err := dir.LoadForServer(opt.TrustEmpty)
	for _, f := range faults {
		if !errors.Is(err, f) {
			log.Warnf("%v", f)
		}
	}
	switch {
	case err != nil && bare && errors.Is(err, storage.ErrMissing):
		return nil, false, fmt.Errorf("start on %s: %w; snapshot.trust.empty=true accepts the logs as complete, for upgrades from ZooKeeper 3.4", opt.DataDir, err)
	case err != nil:
		return nil, false, fmt.Errorf("start on %s: %w", opt.DataDir, err)
	}
	return tree, bare, nil
}

var errClosed = errors.New("the member is closed")

// listener is a port that clients connect to.
type listener struct {
	net.Listener
	mode ListenMode
}
