package replica

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/release"
	"github.com/zkctl/zkctl/internal/zklog"
)

// Options configure a member. The zero value of a field means ZooKeeper's default.
type Options struct {
	ID      int64  // myid, 1 for a standalone server; in the highest byte of session ids
	DataDir string // the folder version-2 for snapshots; "" keeps everything in memory
	LogDir  string // the folder version-2 for logs; "" means DataDir

	Release release.Release // release of ZooKeeper to emulate; the newest

	Tick                   time.Duration // 3 s
	MinSession, MaxSession time.Duration // 2 and 20 ticks
	Sessionless            time.Duration // nio.sessionlessCnxnTimeout: time for a connection to open a session; 10 s
	MaxPacket              int           // jute.maxbuffer, bytes; 0xfffff
	MaxClientCnxns         int           // per address; 0 means 60, negative no limit
	MaxCnxns               int           // 0 means no limit
	OutstandingLimit       int           // globalOutstandingLimit, requests; 1,000
	OutstandingBytes       int64         // bytes of requests in process; 64 MiB
	LargeThreshold         int           // largeRequestThreshold, bytes above which a request is large; 0 means never
	LargeMax               int64         // largeRequestMaxBytes, for all large requests together; 100 MiB
	NoAutoCreate           bool          // db.autocreate=false: in an ensemble, an empty directory means that the data is lost
	TrustEmpty             bool          // snapshot.trust.empty: accept logs without a snapshot as complete
	Compression            string        // of snapshots: "", "gz" or "snappy"

	SkipACL         bool
	EnforceQuota    bool
	ExtendedTypes   bool     // TTL znodes (extendedTypesEnabled)
	ReconfigEnabled bool     // reconfigEnabled
	NoDigest        bool     // digest.enabled=false
	SuperDigests    []string // each as DigestAuthenticationProvider.superDigest, user:base64(digest(user:password))
	OwnSuperDigests []string // of passwords known only to the ensemble; always SHA1
	X509SuperUser   string   // subject of the certificate of a super user
	NoDigestAuth    bool     // DigestAuthenticationProvider.enabled=false
	DigestAlg       string   // DigestAuthenticationProvider.digestAlg; "" means SHA1
	X509            bool     // enable the scheme x509 even without TLS (authProvider.x509)
	EnforceAuth     bool     // enforce.auth.enabled: close sessions of clients that have not
	AuthSchemes     []string // enforce.auth.schemes: authenticated with one of these
	Words           []string // enabled four-letter words ("*" for all); nil means srvr only
	ReadOnlyMode    bool     // readonlymode.enabled
	LocalSessions   bool     // localSessionsEnabled, in an ensemble
	UpgradeSessions bool     // localSessionsUpgradingEnabled

	SASL SASLOptions

	ReapEvery time.Duration // znode.container.checkIntervalMs; 1 min
	ReapMax   int           // znode.container.maxPerMinute; 10,000
	Ahead     time.Duration // how far the clock starts ahead of the system's (see Advance); 0
	NeverUsed time.Duration // znode.container.maxNeverUsedIntervalMs; 0 keeps unused containers

	// Ensemble returns the state of the member's ensemble, for monitoring; nil for a standalone
	// server. It is not called on the loop.
	Ensemble func() Ensemble

	TLS *tls.Config // of secure listeners and of port unification
	Log *zklog.Logger

	// Failed is called once if the member cannot continue, for example because its disk failed.
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

// Check returns an error if the options contradict each other. Open makes the same check.
func (o *Options) Check() error {
	a := o.authSchemes()
	if _, err := a.digest(""); err != nil {
		return err
	}
	if !o.EnforceAuth {
		return nil
	}
	if len(o.AuthSchemes) == 0 {
		return errors.New("enforce.auth.enabled is true, so enforce.auth.schemes must be configured (such as enforce.auth.schemes=digest)")
	}
	for _, scheme := range o.AuthSchemes {
		if !a.known(scheme) {
			return fmt.Errorf("enforce.auth.schemes=%s%s: Authentication scheme %s is not available (available: %s)%s", strings.Join(o.AuthSchemes, ","), o.demander(), scheme, a.names(), enabling[scheme])
		}
	}
	return nil
}

// demander is what has set AuthSchemes, if that is not enforce.auth.schemes.
func (o *Options) demander() string {
	if o.SASL.Required {
		return " (because of sessionRequireClientSASLAuth=true)"
	}
	return ""
}

// enabling says how to make a scheme available.
var enabling = map[string]string{
	schemeSASL:   "; add authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
	schemeX509:   "; add authProvider.1=org.apache.zookeeper.server.auth.X509AuthenticationProvider",
	schemeDigest: "; remove DigestAuthenticationProvider.enabled=false",
}

func (o *Options) authSchemes() authSchemes {
	a := authSchemes{
		skipACL: o.SkipACL, maxACL: o.MaxPacket, noDigest: o.NoDigestAuth, digestAlg: o.DigestAlg, superDigests: o.SuperDigests, ownDigests: o.OwnSuperDigests,
		x509: o.X509 || o.TLS != nil, x509SuperUser: o.X509SuperUser,
		sasl: o.SASL.Provider, anySASLUserDo: o.SASL.AnyUser,
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
