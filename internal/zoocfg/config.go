// Package zoocfg reads and writes the configuration of an Apache ZooKeeper server: zoo.cfg, the
// dynamic configuration file, myid, and the system properties that the scripts pass on from
// SERVER_JVMFLAGS and JVMFLAGS. It also represents the ensemble's configuration (QuorumVerifier,
// the text of /zookeeper/config) and computes the next one for reconfig. It behaves as Apache
// ZooKeeper 3.8 does: QuorumPeerConfig, QuorumPeer.QuorumServer, QuorumMaj, QuorumHierarchical,
// zkServer.sh.
package zoocfg

import (
	"math"
	"path/filepath"
	"time"

	"github.com/zkctl/zkctl/internal/release"
)

// NoServerID is Config.ServerID if there is no myid file.
const NoServerID = -1

// ClientAuth says whether a TLS client must present a certificate (ssl.clientAuth).
type ClientAuth string

const (
	ClientAuthNeed ClientAuth = "NEED" // the default: no certificate, no connection
	ClientAuthWant ClientAuth = "WANT" // ask, but accept a client without a certificate
	ClientAuthNone ClientAuth = "NONE"
)

// Store is a key store or trust store for TLS.
type Store struct {
	Location     string // ssl.keyStore.location, ssl.trustStore.location
	Password     string // a secret: never print it
	PasswordPath string // a file with the password; it overrides Password
	Type         string // JKS, PEM, PKCS12 or BCFKS; if empty, taken from the file's extension
}

// TLS is a family of settings: ssl.* for clients, ssl.quorum.* between members (X509Util).
type TLS struct {
	KeyStore   Store
	TrustStore Store
	// ClientAuth is in upper case; the default is NEED.
	ClientAuth ClientAuth
	// Protocol is empty by default, which means the protocol of the emulated release.
	// EnabledProtocols, if set, is the whole list.
	Protocol         string
	EnabledProtocols []string
	CipherSuites     []string // JSSE's names; if empty, the server chooses
	// HostnameVerification, true by default, applies to the certificates of servers that are connected to.
	// With ClientHostnameVerification, it applies to the certificates of those who connect, too: by default to
	// members, not to clients. With ReverseDNS, the name that the name server gives for an address will do.
	HostnameVerification       bool
	ClientHostnameVerification bool
	ReverseDNS                 bool // allowReverseDnsLookup
	CRL, OCSP                  bool // refuse certificates that are revoked
	// HandshakeDetectionTimeout is how long the first bytes of a connection to a unified port may
	// take; default 5 s.
	HandshakeDetectionTimeout time.Duration
}

// Config is the configuration of a server. Each field names the property that sets it. (zoo.cfg)
// means that only the file can set it. (both) means that the file's key X is the system property
// zookeeper.X; the file overrides the property, as in Apache. Numbers are in the unit that the
// field's comment gives; times are durations whatever the property's unit. The value after the
// last semicolon is the default.
type Config struct {
	// File is the zoo.cfg that was read, as given; empty if there was none.
	File string
	// DynamicFile is dynamicConfigFile (zoo.cfg); empty if the servers are in File itself.
	DynamicFile string

	DataDir    string // dataDir (zoo.cfg); required. The data is in its version-2
	DataLogDir string // dataLogDir (zoo.cfg); DataDir by default

	// Client is clientPort with clientPortAddress (zoo.cfg), or the address in this server's
	// server.N line. If zoo.cfg gives only a port, Host is empty: Apache then listens on every
	// interface. Port 0 means that only TLS clients are served.
	Client HostPort
	// SecureClient is secureClientPort and secureClientPortAddress (zoo.cfg), for TLS.
	SecureClient HostPort
	// ClientListenBacklog is clientPortListenBacklog (zoo.cfg); -1 means the system's default.
	ClientListenBacklog int

	TickTime time.Duration // tickTime in ms (zoo.cfg); 3 s
	// MinSessionTimeout and MaxSessionTimeout limit what clients may ask for: 2 and 20 ticks by
	// default; minSessionTimeout and maxSessionTimeout in ms (zoo.cfg).
	MinSessionTimeout time.Duration
	MaxSessionTimeout time.Duration
	MaxClientCnxns    int // maxClientCnxns from one client address (zoo.cfg); 60; 0: no limit
	MaxCnxns          int // maxCnxns in total (both); 0: no limit

	// InitLimit, SyncLimit and ConnectToLearnerMasterLimit are in ticks (zoo.cfg). The first two
	// are required in an ensemble; the third is InitLimit if 0.
	InitLimit                   int
	SyncLimit                   int
	ConnectToLearnerMasterLimit int

	// ServerID is the number in dataDir/myid; NoServerID if there is no such file.
	ServerID int64
	// Role is peerType (zoo.cfg), overridden by this server's server.N line.
	Role Role
	// Verifier is the ensemble's configuration. After Load it is never nil; on a standalone
	// server it has no members.
	Verifier QuorumVerifier
	// LastSeen is the content of zoo.cfg.dynamic.next, a configuration proposed but perhaps not
	// committed when the server stopped; nil if there is no such file.
	LastSeen QuorumVerifier

	StandaloneEnabled    bool // standaloneEnabled (zoo.cfg); true: one participant runs alone
	ReconfigEnabled      bool // reconfigEnabled (zoo.cfg); false
	SyncEnabled          bool // syncEnabled (zoo.cfg) or zookeeper.observer.syncEnabled: observers write logs; true
	QuorumListenOnAllIPs bool // quorumListenOnAllIPs (zoo.cfg)
	MultiAddress         bool // multiAddress.enabled (both): several addresses of one server
	LocalSessions        bool // localSessionsEnabled (zoo.cfg)
	LocalSessionsUpgrade bool // localSessionsUpgradingEnabled (zoo.cfg)
	LeaderServes         bool // leaderServes=no (both): the leader serves no clients
	ReadOnlyMode         bool // readonlymode.enabled (the system property has no prefix)

	ElectionPortBindRetry   int           // electionPortBindRetry (both); 3 attempts; 0: unlimited
	CnxTimeout              time.Duration // cnxTimeout in ms (both), to connect to an election port; 5 s
	QuorumCnxnTimeout       time.Duration // quorumCnxnTimeoutMs (both); -1 ms: none
	MinNotificationInterval time.Duration // fastleader.minNotificationInterval in ms (both); 200 ms
	MaxNotificationInterval time.Duration // fastleader.maxNotificationInterval in ms (both); 60 s
	MaxTimeToWaitForEpoch   time.Duration // leader.maxTimeToWaitForEpoch in ms (both); -1 ms: off
	LeaderConnectDelay      time.Duration // leaderConnectDelayDuringRetryMs (both); 100 ms
	ObserverReconnectDelay  time.Duration // observer.reconnectDelayMs (both); 0
	ObserverElectionDelay   time.Duration // observer.election.DelayMs (both); 200 ms
	ForceSnapshotSync       bool          // forceSnapshotSync (both): learners always get a snapshot
	CommitLogCount          int           // commitLogCount (both): proposals kept for a DIFF; 500
	SnapshotSizeFactor      float64       // snapshotSizeFactor (both): a DIFF may send logs up to this fraction of a snapshot; 0.33

	GlobalOutstandingLimit int // globalOutstandingLimit (both), requests in flight; 1000
	ThrottleMaxRequests    int // request_throttle_max_requests (both); 0: no limit
	MaxBuffer              int // jute.maxbuffer in bytes (the system property has no prefix); 0xfffff
	LargeRequestMaxBytes   int // largeRequestMaxBytes (both), for all large requests together; 100 MiB
	LargeRequestThreshold  int // largeRequestThreshold in bytes (both); -1: none is large

	SnapCount           int           // snapCount (both), txns between snapshots; 100000, at least 2
	SnapSizeLimit       int64         // snapSizeLimitInKb (both) in bytes here; 4 GiB; 0 or less: no limit
	PreAllocSize        int64         // preAllocSize in KB (both) in bytes here; 64 MiB
	TxnLogSizeLimit     int64         // txnLogSizeLimitInKb (both) in bytes here; 0: no limit
	ForceSync           bool          // forceSync=no (both): the log is not synced; true
	FsyncWarning        time.Duration // fsync.warningthresholdms, with and without zookeeper. (both); 1 s
	FlushDelay          time.Duration // flushDelay in ms (both): how long a write may wait for others; 0
	MaxBatchSize        int           // maxBatchSize (both): writes per fsync; 1000
	SnapshotCompression string        // snapshot.compression.method (both): "gz", "snappy" or "" for none
	TrustEmptySnapshot  bool          // snapshot.trust.empty (both)
	DataDirAutoCreate   bool          // datadir.autocreate (both); true
	DBAutoCreate        bool          // db.autocreate (both); true. See Initialize
	SnapRetainCount     int           // autopurge.snapRetainCount (zoo.cfg); 3, at least 3
	PurgeInterval       time.Duration // autopurge.purgeInterval in hours (zoo.cfg); 0: no purge
	DigestEnabled       bool          // digest.enabled (both), of the tree, in the logs; true
	CloseSessionTxn     bool          // closeSessionTxn.enabled (both); true

	ExtendedTypes     bool          // extendedTypesEnabled (both), TTL znodes; false
	EnforceQuota      bool          // enforceQuota (both), hard quotas; false
	ContainerInterval time.Duration // znode.container.checkIntervalMs (no prefix); 1 min
	ContainerRate     int           // znode.container.maxPerMinute (no prefix); 10000
	// ContainerNeverUsed is znode.container.maxNeverUsedIntervalMs (no prefix): a container that
	// never had a child is removed after this time; 0: never.
	ContainerNeverUsed time.Duration

	SkipACL         bool     // skipACL=yes (both)
	EagerACLCheck   bool     // enableEagerACLCheck (both)
	EnforceAuth     bool     // enforce.auth.enabled (both): a session must authenticate
	AuthSchemes     []string // enforce.auth.schemes (both): with one of these
	DigestAuth      bool     // DigestAuthenticationProvider.enabled (both); true
	DigestAlg       string   // DigestAuthenticationProvider.digestAlg (both); SHA1
	SuperDigest     string   // DigestAuthenticationProvider.superDigest (both), "super:" and a digest
	SuperX509       string   // X509AuthenticationProvider.superUser (both), the subject of a certificate
	X509Auth        bool     // authProvider.N (both) is X509AuthenticationProvider: x509 even without TLS
	SASL            SASL
	QuorumSASL      QuorumSASL
	SSLAuth         string   // ssl.authProvider (both), the scheme of TLS clients; x509
	EnsembleNames   []string // ensembleAuthName (both), for the scheme ensemble
	PortUnified     bool     // client.portUnification (both): clientPort accepts TLS too
	TLS             TLS      // ssl.* (both)
	CertReload      bool     // client.certReload (both): the stores are read again when they change
	QuorumTLS       TLS      // ssl.quorum.* (both)
	QuorumUsesTLS   bool     // sslQuorum (zoo.cfg): connections to other members use TLS
	QuorumUnified   bool     // portUnification (zoo.cfg): other members may connect with TLS or without
	QuorumReload    bool     // sslQuorumReloadCertFiles (zoo.cfg): CertReload for ssl.quorum.*
	ClientKeepAlive bool     // clientTcpKeepAlive (both)
	QuorumKeepAlive bool     // tcpKeepAlive (both), of election connections
	// FirstRequestTimeout is nio.sessionlessCnxnTimeout in ms (both): a connection without a
	// session is closed after this time; 10 s.
	FirstRequestTimeout time.Duration

	// FourLetterWords is 4lw.commands.whitelist (both) as a list; "*" means all, and srvr is
	// always included. ReadOnlyMode enables isro too.
	FourLetterWords []string

	// AdminEnabled is admin.enableServer (both).
	//
	// Differs(admin-off): Apache's is on by default and listens on every interface, without a
	// password.
	AdminEnabled     bool
	AdminAddress     HostPort      // admin.serverAddress and admin.serverPort (both); 127.0.0.1:8080
	AdminCommandURL  string        // admin.commandURL (both); /commands
	AdminIdleTimeout time.Duration // admin.idleTimeout in ms (both); 30 s
	// For the commands snapshot and restore of 3.9.
	AdminSnapshot     bool          // admin.snapshot.enabled (both); true
	AdminRestore      bool          // admin.restore.enabled (both); true
	AdminRateInterval time.Duration // admin.rateLimiterIntervalInMS (both); 5 min

	// MetricsProvider is metricsProvider.className (zoo.cfg); see ExportsMetrics.
	MetricsProvider string
	// MetricsAddress is metricsProvider.httpHost and metricsProvider.httpPort (zoo.cfg); 127.0.0.1:7000. Port 0 lets
	// the system choose.
	//
	// Differs(metrics-on-loopback): Apache's PrometheusMetricsProvider listens on every interface.
	MetricsAddress HostPort
	MetricsProcess bool // metricsProvider.exportJvmInfo (zoo.cfg): metrics of the process too; true

	// Emulate is zkctl.emulate (both, and without prefix as a system property), the ZooKeeper
	// release that the server behaves like; zero if not set. Apache has no such property.
	Emulate release.Release

	minTimeoutMS, maxTimeoutMS int64     // as given; -1 if not given
	unsupported                []Warning // see CheckServable
}

// Default returns a configuration with ZooKeeper's defaults and no data directory, port or
// members.
func Default() *Config {
	ssl := TLS{ClientAuth: ClientAuthNeed, HostnameVerification: true, HandshakeDetectionTimeout: 5 * time.Second}
	quorumSSL := ssl
	quorumSSL.ClientHostnameVerification, quorumSSL.ReverseDNS = true, true
	c := &Config{
		ClientListenBacklog: -1,
		TickTime:            3 * time.Second, minTimeoutMS: -1, maxTimeoutMS: -1,
		MaxClientCnxns:    60,
		ServerID:          NoServerID,
		Verifier:          NewMajority(0),
		StandaloneEnabled: true, SyncEnabled: true, LeaderServes: true,
		ElectionPortBindRetry: 3, CnxTimeout: 5 * time.Second, QuorumCnxnTimeout: -time.Millisecond,
		MinNotificationInterval: 200 * time.Millisecond, MaxNotificationInterval: time.Minute,
		MaxTimeToWaitForEpoch: -time.Millisecond, LeaderConnectDelay: 100 * time.Millisecond,
		ObserverElectionDelay: 200 * time.Millisecond,
		CommitLogCount:        500, SnapshotSizeFactor: 0.33,
		GlobalOutstandingLimit: 1000, MaxBuffer: 0xfffff,
		LargeRequestMaxBytes: 100 << 20, LargeRequestThreshold: -1,
		SnapCount: 100000, SnapSizeLimit: 4 << 30, PreAllocSize: 64 << 20,
		ForceSync: true, FsyncWarning: time.Second, MaxBatchSize: 1000,
		DataDirAutoCreate: true, DBAutoCreate: true, SnapRetainCount: minSnapRetainCount,
		DigestEnabled: true, CloseSessionTxn: true,
		ContainerInterval: time.Minute, ContainerRate: 10000,
		DigestAuth: true, DigestAlg: "SHA1", SSLAuth: "x509",
		SASL:       SASL{Section: "Server"},
		QuorumSASL: QuorumSASL{ServerSection: "QuorumServer", LearnerSection: "QuorumLearner", Principal: "zkquorum/localhost"},
		TLS:        ssl, QuorumTLS: quorumSSL,
		FirstRequestTimeout: 10 * time.Second,
		FourLetterWords:     []string{"srvr"},
		AdminAddress:        HostPort{"127.0.0.1", 8080}, AdminCommandURL: "/commands", AdminIdleTimeout: 30 * time.Second,
		AdminSnapshot: true, AdminRestore: true, AdminRateInterval: 5 * time.Minute,
		MetricsAddress: HostPort{"127.0.0.1", 7000}, MetricsProcess: true,
	}
	c.deriveTimeouts()
	return c
}

func (c *Config) deriveTimeouts() {
	tick := c.TickTime.Milliseconds()
	ofTicks := func(given, ticks int64) time.Duration {
		if given == -1 {
			given = int64(int32(min(tick*ticks, math.MaxInt32)))
		}
		return time.Duration(given) * time.Millisecond
	}
	c.MinSessionTimeout = ofTicks(c.minTimeoutMS, 2)
	c.MaxSessionTimeout = ofTicks(c.maxTimeoutMS, 20)
}

// Distributed reports whether the server is a member of an ensemble rather than standalone
// (QuorumPeerConfig.isDistributed).
func (c *Config) Distributed() bool {
	return c.Verifier != nil && (!c.StandaloneEnabled || len(c.Verifier.Voting()) > 1)
}

// Self returns this server's entry in Verifier.
func (c *Config) Self() (Member, bool) {
	if c.Verifier == nil || c.ServerID == NoServerID {
		return Member{}, false
	}
	return c.Verifier.Member(c.ServerID)
}

// ExportsMetrics reports whether the server has a page of metrics for Prometheus.
func (c *Config) ExportsMetrics() bool { return c.MetricsProvider == PrometheusProvider }

// Classes of metricsProvider.className. The default one only answers mntr.
const (
	PrometheusProvider = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider"
	defaultProvider    = "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider"
)

// SnapDir returns the folder of snapshots, LogDir that of transaction logs.
func (c *Config) SnapDir() string { return filepath.Join(c.DataDir, "version-2") }
func (c *Config) LogDir() string  { return filepath.Join(c.DataLogDir, "version-2") }
