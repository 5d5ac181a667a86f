package zab

import (
	"time"

	"github.com/zkctl/zkctl/internal/zoocfg"
)

// PeerOptions configure a member of an ensemble. ID, Config, Replica and Network are required; the
// zero value of the others means ZooKeeper's default.
type PeerOptions struct {
	ID      int64
	Replica Replica // with everything in SnapDir and in the journal
	Network Network
	Log     Logger

	// Config is the configuration when the member was stopped, and Next the one that was then
	// proposed but not committed, or nil. Observer is the role of a member missing from Config.
	Config, Next zoocfg.QuorumVerifier
	Observer     bool

	// SaveConfig stores a configuration, committed or only proposed. It is not called concurrently,
	// and must not call back into the Peer. It may be nil.
	SaveConfig func(v zoocfg.QuorumVerifier, committed bool) error

	ReconfigEnabled bool // reconfigEnabled
	Reconfig        zoocfg.ReconfigOptions

	// SnapDir is the folder version-2 of dataDir, which contains the epochs; Journal.Dir is that of
	// dataLogDir. If both are empty, the member is in memory only. The peer sets Journal's Synced
	// and Failed.
	SnapDir string
	Journal JournalOptions

	Tick                 time.Duration // 3 s
	InitLimit, SyncLimit int           // ticks; 10 and 5
	ConnectLimit         int           // connectToLearnerMasterLimit; ticks; InitLimit

	// ListenAll listens on all of this machine's addresses, instead of the member's addresses in
	// the configuration (quorumListenOnAllIPs).
	ListenAll bool

	Auth *Auth // how members authenticate to each other; nil: not at all

	MultiAddress       bool          // multiAddress.enabled
	ElectionWait       time.Duration // zookeeper.fastleader finalizeWait; 200 ms
	ElectionMaxWait    time.Duration // zookeeper.fastleader.maxNotificationInterval; 60 s
	ConnectTimeout     time.Duration // cnxTimeout; 5 s
	MaxBuffer          int           // jute.maxbuffer, bytes; 0xfffff
	LearnerQueue       int64         // bytes that may wait for a learner before it is dropped; 256 MiB
	History            int           // commitLogCount: transactions kept for DIFF; 500
	SnapshotSizeFactor float64       // zookeeper.snapshotSizeFactor; 0.33; negative: no DIFF from the log on disk
	ForceSnapshotSync  bool          // zookeeper.forceSnapshotSync

	disk disk // for tests; otherwise made from SnapDir and Journal.Dir
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
