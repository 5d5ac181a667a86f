package member

import (
	"crypto/tls"
	"time"

	"github.com/zkctl/zkctl/internal/zklog"
)

// Options say how a member serves. The zero value of a field is ZooKeeper's default.
type Options struct {
	ID      int64  // myid; in the highest byte of session ids (1 for a standalone server)
	DataDir string // the folder version-2 that gets the snapshots; "" keeps everything in memory
	LogDir  string // the folder version-2 that gets the logs; DataDir when ""

	Tick                   time.Duration // 3 s
	MinSession, MaxSession time.Duration // 2 and 20 ticks
	Sessionless            time.Duration // nio.sessionlessCnxnTimeout: for a connection to get a session; 10 s
	MaxPacket              int           // jute.maxbuffer, bytes; 0xfffff
	MaxClientCnxns         int           // by address; 60 when 0, no limit when negative
	MaxCnxns               int           // no limit when 0
	OutstandingLimit       int           // globalOutstandingLimit, requests; 1,000
	OutstandingBytes       int64         // bytes of requests in process; 64 MiB
	Compression            string        // of snapshots: "", "gz" or "snappy"

	SkipACL         bool
	EnforceQuota    bool
	ExtendedTypes   bool     // znodes with a time to live (extendedTypesEnabled)
	ReconfigEnabled bool     // reconfigEnabled
	NoDigest        bool     // digest.enabled=false
	SuperDigests    []string // each as DigestAuthenticationProvider.superDigest, user:base64(sha1(user:password))
	X509SuperUser   string   // subject of a certificate that may do everything
	Words           []string // four-letter words that are answered ("*" for all); only srvr when nil
	ReadOnlyMode    bool     // readonlymode.enabled
	LocalSessions   bool     // localSessionsEnabled, in an ensemble
	UpgradeSessions bool     // localSessionsUpgradingEnabled

	ReapEvery time.Duration // znode.container.checkIntervalMs; 1 min
	ReapMax   int           // znode.container.maxPerMinute; 10,000
	NeverUsed time.Duration // znode.container.maxNeverUsedIntervalMs; 0 keeps unused containers

	// Ensemble tells how the member's ensemble is, for monitoring; nil for a standalone server.
	// It is not called on the loop.
	Ensemble func() Ensemble

	TLS *tls.Config // of secure listeners and of port unification
	Log *zklog.Logger

	// Failed is called once when the member cannot go on, such as when its disk fails.
	Failed func(error)
}

func (o *Options) setDefaults() {
	def(&o.Tick, 3*time.Second)
	def(&o.MinSession, 2*o.Tick)
	def(&o.MaxSession, 20*o.Tick)
	def(&o.Sessionless, 10*time.Second)
	def(&o.MaxPacket, 0xfffff)
	def(&o.MaxClientCnxns, 60)
	def(&o.OutstandingLimit, 1000)
	def(&o.OutstandingBytes, 64<<20)
	def(&o.ReapEvery, time.Minute)
	def(&o.ReapMax, 10_000)
	def(&o.LogDir, o.DataDir)
	if o.Words == nil {
		o.Words = []string{"srvr"}
	}
	if o.Failed == nil {
		o.Failed = func(error) {}
	}
}

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}
