package localserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/filelock"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/release"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/zklog"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/localserver/internal/authn"
	"github.com/zkctl/zkctl/localserver/internal/replica"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// serverOptions are what a server needs in addition to its configuration.
type serverOptions struct {
	log       *zklog.Logger
	ephemeral bool
	supers    []string          // digests of the passwords of the ensemble's own super
	system    map[string]string // shown by the AdminServer
	release   release.Release   // to emulate, unless the configuration says otherwise
	gate      *gate             // nil if the member cannot be paused
	faults    replica.Faults    // nil means none
	ahead     time.Duration     // of the clock
	network   zab.Network       // to other members; startServer chooses it

	// configured, if not nil, is called with each configuration that takes effect.
	configured func(zoocfg.QuorumVerifier)

	// failed is called once if the server cannot continue, such as after a disk failure.
	failed func(error)
}

// server is a running embedded member: a replica, its quorum, and the ports that it listens on.
type server struct {
	*replica.Replica
	cfg     *zoocfg.Config
	log     *zklog.Logger
	quorum  quorum
	clients clientPort
	purge   *purger
	lock    *filelock.Lock // of the data directory; nil means none
}

// quorum decides a member's transactions.
type quorum interface {
	// close ends it; what was acknowledged is on disk. crash ends it as a kill would. The replica
	// is closed in between: closeReplica closes it.
	close(closeReplica func())
	crash(closeReplica func())
}

// startServer opens the ports, loads the data and serves.
func startServer(cfg *zoocfg.Config, opt serverOptions) (_ *server, err error) {
	if err := cfg.CheckServable(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	mopt, jopt, err := memberOptions(cfg, opt)
	if err != nil {
		return nil, err
	}
	var place *zab.Peer // set before any client is served
	if cfg.Distributed() {
		mopt.Ensemble = watchPeer(cfg, &place, mopt.ID)
		if opt.network, err = withTLS(opt.gate.network(), cfg, mopt.Release, opt.log); err != nil {
			return nil, err
		}
	}
	if !opt.ephemeral {
		if err := prepareDirs(cfg); err != nil {
			return nil, err
		}
	}
	// The ports come first, as in Apache: a taken one is found before anything is written.
	ports, err := listen(cfg, opt.gate)
	if err != nil {
		return nil, err
	}
	s := &server{cfg: cfg, log: opt.log}
	for _, p := range ports {
		if p.clients {
			s.clients.at, s.clients.ln, s.clients.mode = cfg.Client, p.Listener, p.mode
		}
	}
	defer func() {
		if err != nil {
			for _, p := range ports {
				_ = p.Close()
			}
			if s.clients.ln != nil {
				_ = s.clients.ln.Close() // the port may have moved
			}
		}
	}()
	if !opt.ephemeral {
		if s.lock, err = lockData(cfg.DataDir); err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				_ = s.lock.Close()
			}
		}()
	}
	if cfg.ForceSync && !opt.ephemeral {
		if err := storage.SyncLogs(mopt.LogDir); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDataDir, err)
		}
	}
	if !opt.ephemeral {
		trust, err := cfg.Initialize()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDataDir, err)
		}
		mopt.NoAutoCreate = !trust
	}
	if s.Replica, err = replica.Open(mopt); err != nil {
		return nil, err
	}
	s.SetFaults(opt.faults)
	if cfg.Distributed() {
		if err := startPeer(s, opt, mopt, jopt, &place); err != nil {
			s.Replica.Close()
			return nil, err
		}
	} else {
		s.quorum = openSolo(s.Replica, mopt, jopt, cfg.FsyncWarning)
	}
	if err := s.servePorts(ports, s.adminOptions(opt, mopt, jopt)); err != nil {
		s.Close()
		return nil, err
	}
	if !opt.ephemeral && cfg.PurgeInterval > 0 {
		s.purge = startPurger(cfg, opt.log)
	}
	return s, nil
}

// Close stops the server; everything acknowledged is on disk.
func (s *server) Close() {
	s.purge.close()
	s.quorum.close(s.Replica.Close)
	_ = s.lock.Close()
}

// Crash stops it as a kill would.
func (s *server) Crash() {
	s.purge.close()
	s.quorum.crash(s.Replica.Close)
	_ = s.lock.Close()
}

// openPort is an open port of a server.
type openPort struct {
	net.Listener
	mode                    replica.ListenMode
	clients, admin, metrics bool
}

// clientPort is where a server's clients connect (clientPort).
type clientPort struct {
	mu     sync.Mutex
	at     zoocfg.HostPort // as configured; zero without such a port
	ln     net.Listener
	mode   replica.ListenMode
	served bool
}

func (s *server) servePorts(ports []openPort, admin replica.AdminOptions) (err error) {
	s.clients.mu.Lock()
	defer s.clients.mu.Unlock()
	for _, p := range ports {
		switch {
		case p.admin:
			err = s.ServeAdmin(p.Listener, admin)
		case p.metrics:
			err = s.ServeMetrics(p.Listener, replica.MetricsOptions{Host: s.cfg.MetricsAddress.Host, NoProcess: !s.cfg.MetricsProcess})
		case p.clients:
			s.clients.served = true
			err = s.Serve(s.clients.ln, p.mode) // the port may have moved already
		default:
			err = s.Serve(p.Listener, p.mode)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// moveClients serves clients at another address from now on; connected clients stay
// (NIOServerCnxnFactory.reconfigure).
//
// Differs(client-port-taken): Apache closes the old port first; if it cannot open the new one, it
// serves no new clients until it is restarted. Here the old port stays open.
func (s *server) moveClients(to zoocfg.HostPort, g *gate) {
	c := &s.clients
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ln == nil || to.IsZero() || to == c.at {
		return
	}
	s.CloseListener(c.ln) // it may be the same port on other interfaces
	for _, at := range []zoocfg.HostPort{to, c.at} {
		ln, err := port.Listen(loopbackUnlessSet(at).String())
		if err == nil {
			c.at, c.ln = at, g.listener(ln)
			if c.served {
				err = s.Serve(c.ln, c.mode)
			}
		}
		if err == nil {
			return
		}
		s.log.Errorf("Error reconfiguring client port to %s: %v", at, err)
	}
}

// loopbackUnlessSet is where to listen for an address whose host the configuration may leave
// out, which for ZooKeeper is every interface.
//
// Differs(clients-on-loopback): Apache listens on every interface; a development server must not
// be open to the network by accident.
func loopbackUnlessSet(a zoocfg.HostPort) zoocfg.HostPort {
	if a.Host == "" {
		a.Host = "127.0.0.1"
	}
	return a
}

// listen opens the ports for clients, and those of the AdminServer and of Prometheus.
func listen(cfg *zoocfg.Config, g *gate) (ports []openPort, err error) {
	open := func(a zoocfg.HostPort, key string, p openPort) error {
		if a.IsZero() {
			return nil
		}
		ln, err := port.Listen(loopbackUnlessSet(a).String())
		if err != nil {
			return fmt.Errorf("open the port of %s: %w", key, err)
		}
		p.Listener = g.listener(ln)
		ports = append(ports, p)
		return nil
	}
	mode := replica.Plain
	if cfg.PortUnified {
		mode = replica.Unified
	}
	if err = open(cfg.Client, "clientPort", openPort{mode: mode, clients: true}); err == nil {
		err = open(cfg.SecureClient, "secureClientPort", openPort{mode: replica.Secure})
	}
	// Differs(admin-port-taken): Apache starts without its AdminServer, and only its log says so.
	if err == nil && cfg.AdminEnabled {
		err = open(cfg.AdminAddress, "admin.serverPort", openPort{admin: true})
	}
	if err == nil && cfg.ExportsMetrics() {
		err = open(cfg.MetricsAddress, "metricsProvider.httpPort", openPort{metrics: true})
	}
	if err != nil {
		for _, p := range ports {
			_ = p.Close()
		}
	}
	return ports, err
}

// prepareDirs makes the folders, unless datadir.autocreate is off (FileTxnSnapLog).
func prepareDirs(cfg *zoocfg.Config) error {
	for _, dir := range []string{cfg.LogDir(), cfg.SnapDir()} {
		if _, err := os.Stat(dir); err != nil && !cfg.DataDirAutoCreate {
			return fmt.Errorf("%w: Missing data directory %s, automatic data directory creation is disabled (zookeeper.datadir.autocreate is false). Please create this directory manually.", ErrDataDir, dir)
		}
		if err := mkdirPrivate(dir); err != nil {
			return fmt.Errorf("%w: %w", ErrDataDir, err)
		}
		if err := tryWriting(dir); err != nil {
			return fmt.Errorf("%w: %w", ErrDataDir, err)
		}
	}
	return checkPlaces(cfg)
}

// checkPlaces refuses a log or a snapshot that is in the other's folder, where nobody looks for
// it: what it holds would be lost (FileTxnSnapLog, ZOOKEEPER-2967).
func checkPlaces(cfg *zoocfg.Config) error {
	if cfg.LogDir() == cfg.SnapDir() {
		return nil
	}
	logs, err := storage.ReadDir(cfg.LogDir())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	snapshots, err := storage.ReadDir(cfg.SnapDir())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	const check = "Check if dataLogDir and dataDir configuration is correct."
	switch {
	case len(logs.Snapshots) > 0:
		return fmt.Errorf("%w: Log directory has snapshot files. %s (dataLogDir=%s has %s; move snapshots to %s)", ErrDataDir, check, cfg.DataLogDir, filepath.Base(logs.Snapshots[0].Path), cfg.SnapDir())
	case len(snapshots.Logs) > 0:
		return fmt.Errorf("%w: Snapshot directory has log files. %s (dataDir=%s has %s; move logs to %s)", ErrDataDir, check, cfg.DataDir, filepath.Base(snapshots.Logs[0].Path), cfg.LogDir())
	}
	return nil
}

// lockFile is in dataDir while a server uses it. Apache's servers do not look at it.
const lockFile = ".lock"

// lockData keeps a second server away, which would destroy the data.
//
// Differs(data-dir-locked): Apache lets two servers write to one directory.
func lockData(dir string) (*filelock.Lock, error) {
	lock, err := filelock.Try(filepath.Join(dir, lockFile))
	switch {
	case errors.Is(err, filelock.ErrLocked):
		return nil, fmt.Errorf("%w: another server uses the data directory %s", ErrDataDir, dir)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	return lock, nil
}

// tryWriting finds a folder in which nothing can be written.
func tryWriting(dir string) error {
	path := filepath.Join(dir, ".try")
	_ = os.Remove(path) // what is not a file, such as a FIFO, must not be opened
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("Cannot write to data directory %s: %w", dir, err)
	}
	defer os.Remove(f.Name())
	return f.Close()
}

// memberOptions translates a configuration.
func memberOptions(cfg *zoocfg.Config, opt serverOptions) (m replica.Options, j zab.JournalOptions, err error) {
	m = replica.Options{
		ID:               1, // whatever myid says (ZooKeeperServer.createSessionTracker)
		Release:          cmp.Or(cfg.Emulate, opt.release, release.Newest),
		Tick:             cfg.TickTime,
		MinSession:       cfg.MinSessionTimeout,
		MaxSession:       cfg.MaxSessionTimeout,
		Sessionless:      cfg.FirstRequestTimeout,
		MaxPacket:        cfg.MaxBuffer,
		MaxClientCnxns:   noLimit(cfg.MaxClientCnxns),
		MaxCnxns:         cfg.MaxCnxns,
		LargeMax:         int64(max(1, cfg.LargeRequestMaxBytes)),
		OutstandingLimit: cfg.GlobalOutstandingLimit,
		TrustEmpty:       cfg.TrustEmptySnapshot,
		Compression:      cfg.SnapshotCompression,
		SkipACL:          cfg.SkipACL,
		EnforceQuota:     cfg.EnforceQuota,
		ExtendedTypes:    cfg.ExtendedTypes,
		ReconfigEnabled:  cfg.ReconfigEnabled,
		NoDigest:         !cfg.DigestEnabled,
		OwnSuperDigests:  opt.supers,
		X509SuperUser:    cfg.SuperX509,
		NoDigestAuth:     !cfg.DigestAuth,
		DigestAlg:        cfg.DigestAlg,
		X509:             cfg.X509Auth,
		EnforceAuth:      cfg.EnforceAuth,
		AuthSchemes:      cfg.AuthSchemes,
		Words:            cfg.FourLetterWords,
		ReadOnlyMode:     cfg.ReadOnlyMode,
		LocalSessions:    cfg.LocalSessions,
		UpgradeSessions:  cfg.LocalSessionsUpgrade,
		ReapEvery:        cfg.ContainerInterval,
		ReapMax:          cfg.ContainerRate,
		NeverUsed:        cfg.ContainerNeverUsed,
		Ahead:            opt.ahead,
		Log:              opt.log,
		Failed:           opt.failed,
	}
	j = zab.JournalOptions{
		Log:       storage.LogOptions{Preallocate: noLimit(cfg.PreAllocSize), MaxSize: cfg.TxnLogSizeLimit, NoSync: !cfg.ForceSync},
		SnapCount: cfg.SnapCount,
		SnapSize:  noLimit(cfg.SnapSizeLimit),
	}
	if cfg.Distributed() {
		m.ID = cfg.ServerID
	}
	if cfg.LargeRequestThreshold >= 0 {
		m.LargeThreshold = max(1, cfg.LargeRequestThreshold)
	}
	if cfg.SuperDigest != "" {
		m.SuperDigests = append(m.SuperDigests, cfg.SuperDigest)
	}
	if !opt.ephemeral {
		m.DataDir, m.LogDir = cfg.SnapDir(), cfg.LogDir()
		j.Dir = m.LogDir
	}
	if cfg.UsesTLS() {
		if m.TLS, err = clientTLS(cfg, m.Release, opt.log); err != nil {
			return m, j, err
		}
	}
	if m.SASL, err = (&authn.Source{Config: cfg, System: opt.system}).Clients(opt.log); err != nil {
		return m, j, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if err := m.Check(); err != nil {
		return m, j, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return m, j, nil
}

// noLimit is the number as the parts below want it, to whom 0 is the default.
func noLimit[N int | int64](n N) N {
	if n <= 0 {
		return -1
	}
	return n
}

// slowSync warns of a disk that takes longer than threshold (FileTxnLog).
func slowSync(m *replica.Metrics, log *zklog.Logger, id int64, threshold time.Duration) func(time.Duration) {
	return func(took time.Duration) {
		m.Synced(took, took > threshold)
		if took > threshold {
			log.Warnf("fsync-ing the write ahead log in SyncThread:%d took %dms which will adversely effect operation latency. See the ZooKeeper troubleshooting guide", id, took.Milliseconds())
		}
	}
}

// adminOptions say what the AdminServer answers.
func (s *server) adminOptions(opt serverOptions, m replica.Options, j zab.JournalOptions) replica.AdminOptions {
	a := replica.AdminOptions{
		Host: s.cfg.AdminAddress.Host, CommandURL: s.cfg.AdminCommandURL, IdleTimeout: s.cfg.AdminIdleTimeout,
		RateInterval: max(1, s.cfg.AdminRateInterval), NoSnapshot: !s.cfg.AdminSnapshot, NoRestore: !s.cfg.AdminRestore,
		InitialConfig: initialConfig(s.cfg), Properties: systemProperties(opt.system, s.cfg),
	}
	if q, alone := s.quorum.(*solo); alone {
		a.Restore = func(t *ztree.Tree) error { return q.restore(s, m, j, t) }
	}
	return a
}

// embedded returns the running server, or nil.
func (m *Member) embedded() *server {
	m.mu.Lock()
	defer m.mu.Unlock()
	if run, ok := m.run.(*embeddedRun); ok {
		return run.server
	}
	return nil
}

func (m *Member) launchEmbedded(context.Context) (process, error) {
	cfg, warnings, err := m.e.config(m)
	if err != nil {
		return nil, err
	}
	log := m.e.logger(m)
	for _, w := range warnings {
		log.Warnf("%s", w)
	}
	m.e.clock.RLock()
	defer m.e.clock.RUnlock()
	m.e.mu.Lock()
	faults, ahead := m.strikes(m.e.faults), m.e.ahead
	m.e.mu.Unlock()
	s, err := startServer(cfg, serverOptions{log: log, system: m.e.opt.System, supers: m.e.supers(), ephemeral: m.e.opt.Ephemeral, release: m.e.release(),
		gate: m.gate, faults: faults, ahead: ahead, configured: m.e.learn, failed: m.fail})
	if err != nil {
		return nil, err
	}
	return &embeddedRun{s, m.gate}, nil
}

// embeddedRun is a run within this process.
type embeddedRun struct {
	server *server
	gate   *gate
}

// Both open the gate after the sockets are closed, so that nothing held back is sent.
func (r *embeddedRun) stop() error   { r.gate.setPaused(false); r.server.Close(); return nil }
func (r *embeddedRun) kill() error   { r.server.Crash(); return nil }
func (r *embeddedRun) pause() error  { r.gate.setPaused(true); return nil }
func (r *embeddedRun) resume() error { r.gate.setPaused(false); return nil }
func (r *embeddedRun) pid() int      { return 0 }
