package replica

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/zkctl/zkctl/internal/release"
	"github.com/zkctl/zkctl/internal/zklog"
)

// Options say how a member serves. The zero value of a field is ZooKeeper's default.
type Options struct {
	ID      int64  // myid, 1 for a standalone server; in the highest byte of session ids
	DataDir string // the folder version-2 that gets the snapshots; "" keeps everything in memory
	LogDir  string // the folder version-2 that gets the logs; DataDir when ""

	Release release.Release // of ZooKeeper, to behave like; the newest

	Tick                   time.Duration // 3 s
	MinSession, MaxSession time.Duration // 2 and 20 ticks
	Sessionless            time.Duration // nio.sessionlessCnxnTimeout: for a connection to get a session; 10 s
	MaxPacket              int           // jute.maxbuffer, bytes; 0xfffff
	MaxClientCnxns         int           // by address; 60 when 0, no limit when negative
	MaxCnxns               int           // no limit when 0
	OutstandingLimit       int           // globalOutstandingLimit, requests; 1,000
	OutstandingBytes       int64         // bytes of requests in process; 64 MiB
	LargeThreshold         int           // largeRequestThreshold, bytes above which a request is a large one; none is when 0
	LargeMax               int64         // largeRequestMaxBytes, of all large requests; 100 MiB
	NoAutoCreate           bool          // db.autocreate=false: an empty directory has lost its data, in an ensemble
	TrustEmpty             bool          // snapshot.trust.empty: logs without a snapshot have everything
	Compression            string        // of snapshots: "", "gz" or "snappy"

	SkipACL         bool
	EnforceQuota    bool
	ExtendedTypes   bool     // znodes with a time to live (extendedTypesEnabled)
	ReconfigEnabled bool     // reconfigEnabled
	NoDigest        bool     // digest.enabled=false
	SuperDigests    []string // each as DigestAuthenticationProvider.superDigest, user:base64(digest(user:password))
	OwnSuperDigests []string // of passwords that are known to the ensemble alone; always with SHA1
	X509SuperUser   string   // subject of a certificate that may do everything
	NoDigestAuth    bool     // DigestAuthenticationProvider.enabled=false
	DigestAlg       string   // DigestAuthenticationProvider.digestAlg; SHA1 when ""
	X509            bool     // the scheme x509 is there without TLS, too (authProvider.x509)
	EnforceAuth     bool     // enforce.auth.enabled: sessions of clients that have not
	AuthSchemes     []string // enforce.auth.schemes: proved who they are by one of these are closed
	Words           []string // four-letter words that are answered ("*" for all); only srvr when nil
	ReadOnlyMode    bool     // readonlymode.enabled
	LocalSessions   bool     // localSessionsEnabled, in an ensemble
	UpgradeSessions bool     // localSessionsUpgradingEnabled

	ReapEvery time.Duration // znode.container.checkIntervalMs; 1 min
	ReapMax   int           // znode.container.maxPerMinute; 10,000
	Ahead     time.Duration // of the clock that Advance moves; 0
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
	def(&o.Release, release.Newest)
	def(&o.Tick, 3*time.Second)
	def(&o.MinSession, 2*o.Tick)
	def(&o.MaxSession, 20*o.Tick)
	def(&o.Sessionless, 10*time.Second)
	def(&o.MaxPacket, 0xfffff)
	def(&o.MaxClientCnxns, 60)
	def(&o.OutstandingLimit, 1000)
	def(&o.OutstandingBytes, 64<<20)
	def(&o.LargeMax, 100<<20)
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

// Check is an error where the options contradict each other. Open makes the same check.
func (o *Options) Check() error {
	a := o.authSchemes()
	if _, err := a.digest(""); err != nil {
		return err
	}
	if !o.EnforceAuth {
		return nil
	}
	if len(o.AuthSchemes) == 0 {
		return errors.New("enforce.auth.enabled is true, enforce.auth.schemes must be configured (such as enforce.auth.schemes=digest)")
	}
	for _, scheme := range o.AuthSchemes {
		if !a.known(scheme) {
			return fmt.Errorf("enforce.auth.schemes: Authentication scheme %s is not available (there is: %s)", scheme, a.names())
		}
	}
	return nil
}

func (o *Options) authSchemes() authSchemes {
	a := authSchemes{
		skipACL: o.SkipACL, maxACL: o.MaxPacket, noDigest: o.NoDigestAuth, digestAlg: o.DigestAlg, superDigests: o.SuperDigests, ownDigests: o.OwnSuperDigests,
		x509: o.X509 || o.TLS != nil, x509SuperUser: o.X509SuperUser,
	}
	if o.EnforceAuth {
		a.enforced = o.AuthSchemes
	}
	return a
}

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}
