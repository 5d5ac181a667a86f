package zab

import (
	"time"

	"github.com/zkctl/zkctl/internal/zoocfg"
)

// PeerOptions describe a member of an ensemble. ID, Config, Replica and Network are needed;
// the zero value of the others is ZooKeeper's default.
type PeerOptions struct {
	ID      int64
	Replica Replica // with everything that is in SnapDir and in the journal
	Network Network
	Log     Logger

	// Config is the configuration that the member was stopped with, Next the one that was
	// proposed but not committed then, or nil. Observer is the role of one that Config
	// does not have.
	Config, Next zoocfg.QuorumVerifier
	Observer     bool

	// SaveConfig keeps configurations: one that is committed, or else one that is proposed.
	// Calls come one after the other, and must not call the Peer back. It may be nil.
	SaveConfig func(v zoocfg.QuorumVerifier, committed bool) error

	ReconfigEnabled bool // reconfigEnabled
	Reconfig        zoocfg.ReconfigOptions

	// SnapDir is the folder version-2 of dataDir, which has the epochs; Journal.Dir is that
	// of dataLogDir. Both empty: the member lives in memory. Journal's Synced and Failed
	// are the peer's own.
	SnapDir string
	Journal JournalOptions

	Tick                 time.Duration // 3 s
	InitLimit, SyncLimit int           // ticks; 10 and 5
	ConnectLimit         int           // connectToLearnerMasterLimit; ticks; InitLimit

	// ListenAll is for ports on all of this machine's addresses, in place of the member's own
	// addresses in the configuration (quorumListenOnAllIPs).
	ListenAll bool

	MultiAddress       bool          // multiAddress.enabled
	ElectionWait       time.Duration // zookeeper.fastleader finalizeWait; 200 ms
	ElectionMaxWait    time.Duration // zookeeper.fastleader.maxNotificationInterval; 60 s
	ConnectTimeout     time.Duration // cnxTimeout; 5 s
	MaxBuffer          int           // jute.maxbuffer, bytes; 0xfffff
	LearnerQueue       int64         // bytes that may wait for a learner before it is dropped; 256 MiB
	History            int           // commitLogCount: transactions that are kept for DIFF; 500
	SnapshotSizeFactor float64       // zookeeper.snapshotSizeFactor; 0.33; negative: no DIFF from the log on disk
	ForceSnapshotSync  bool          // zookeeper.forceSnapshotSync

	disk disk // for tests; otherwise what SnapDir and Journal.Dir say
}

func (o *PeerOptions) setDefaults() {
	def(&o.Tick, 3*time.Second)
	def(&o.InitLimit, 10)
	def(&o.SyncLimit, 5)
	def(&o.ConnectLimit, o.InitLimit)
	def(&o.ConnectTimeout, 5*time.Second)
	def(&o.MaxBuffer, 0xfffff)
	def(&o.LearnerQueue, 256<<20)
	def(&o.History, historyCount)
	def(&o.SnapshotSizeFactor, 0.33)
	if o.Log == nil {
		o.Log = quiet{}
	}
	if o.disk == nil {
		if o.SnapDir == "" {
			o.disk = &noDisk{accepted: -1, current: -1}
		} else {
			o.disk = fileDisk{o.SnapDir, o.Journal.Dir}
		}
	}
}

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

func (o *PeerOptions) initTimeout() time.Duration { return o.Tick * time.Duration(o.InitLimit) }
func (o *PeerOptions) syncTimeout() time.Duration { return o.Tick * time.Duration(o.SyncLimit) }

type quiet struct{}

func (quiet) Infof(string, ...any) {}
func (quiet) Warnf(string, ...any) {}
