package localserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/sharedio"
	"github.com/zkctl/zkctl/internal/tempdir"
	"github.com/zkctl/zkctl/internal/zklog"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver/internal/engine"
)

// Ensemble is what Start started: a single server, or several that replicate to each other. Its
// methods are safe for concurrent use.
type Ensemble struct {
	opt        Options
	dir        string       // of the data
	work       *tempdir.Dir // a temporary folder; nil means none
	base       map[string]string
	log        io.Writer
	links      *links
	java       engine.Installation // nil without Apache members
	identities *identities         // nil without Options.TLS and QuorumTLS
	logins     *tempdir.Dir        // with the JAAS file; nil without Options.SASLUsers and QuorumSASL
	super      string              // the password of the identity that may reconfigure

	reconfig sync.Mutex   // held during a reconfiguration
	clock    sync.RWMutex // held while the clock is moved, and for reading while an embedded member starts

	mu      sync.Mutex
	members []*Member
	lastID  int64 // of a member that was added or removed
	version int64 // of the newest configuration that a member had
	faults  []*Injection
	closed  bool
	ahead   time.Duration // of the clock; changed while clock is held, too
	failure error
	done    chan struct{} // closed when the ensemble has ended
}

// portAttempts is how often to look for free ports: somebody else may take one before it is
// listened on.
const portAttempts = 5

// Start starts what opt describes and returns once it serves clients. ctx bounds only the start.
// On error nothing is left running, and no temporary folder is left behind.
func Start(ctx context.Context, opt Options) (*Ensemble, error) {
	if err := opt.check(); err != nil {
		return nil, fmt.Errorf("start a local ZooKeeper: %w", err)
	}
	for attempt := 1; ; attempt++ {
		e, err := start(ctx, opt, attempt > 1)
		if err == nil {
			return e, nil
		}
		if opt.Port != 0 || attempt == portAttempts || !errors.Is(err, ErrPortTaken) {
			return nil, fmt.Errorf("start a local ZooKeeper: %w", err)
		}
	}
}

// ErrPortTaken is wrapped by Start's error if somebody else listens on one of the ports.
var ErrPortTaken = port.ErrTaken

// start starts the ensemble; with fresh it chooses new ports in place of those that somebody else
// has taken.
func start(ctx context.Context, opt Options, fresh bool) (_ *Ensemble, err error) {
	e := &Ensemble{opt: opt, dir: opt.DataDir, links: newLinks(), done: make(chan struct{})}
	if opt.Log != nil {
		e.log = &sharedio.Writer{W: opt.Log}
	}
	if e.base, err = opt.base(); err != nil {
		return nil, err
	}
	if err := opt.checkProperties(e.base); err != nil {
		return nil, err
	}
	if opt.Size == 1 && e.dir == "" && !opt.Ephemeral {
		e.dir = e.base["dataDir"]
	}
	if e.distributed() {
		if e.super, err = newPassword(); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			_ = e.Close()
		}
	}()
	if err := e.login(); err != nil {
		return nil, err
	}
	if opt.TLS || opt.QuorumTLS {
		if e.identities, err = newIdentities(opt.TLSDir, opt.Host); err != nil {
			return nil, err
		}
	}
	if e.dir == "" && (!opt.Ephemeral || e.distributed()) { // members find each other through files
		if e.work, err = tempdir.Make("local"); err != nil {
			return nil, err
		}
		e.dir = e.work.Path()
	}
	if e.dir != "" {
		if e.dir, err = filepath.Abs(e.dir); err != nil {
			return nil, err
		}
	}
	if err := e.checkDir(); err != nil {
		return nil, err
	}
	if err := e.plan(fresh); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(e.members, func(m *Member) bool { return m.engine == Apache }) {
		if err := e.findJava(); err != nil {
			return nil, err
		}
		e.adoptRelease()
	}
	return e, e.launch(ctx, e.members)
}

func (e *Ensemble) findJava() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.java != nil {
		return nil
	}
	if engine.Find == nil {
		return errors.New(`the engine apache is not linked: import _ "github.com/zkctl/zkctl/localserver/apache"`)
	}
	java, err := engine.Find(e.opt.ZooKeeperHome)
	if err == nil {
		e.java = java
	}
	return err
}

// launch starts members concurrently and waits until all of them serve.
func (e *Ensemble) launch(ctx context.Context, members []*Member) error {
	failed := make(chan error, len(members))
	for _, m := range members {
		go func() { failed <- m.Start(ctx) }()
	}
	var err error
	for range members {
		if one := <-failed; err == nil {
			err = one
		}
	}
	if err == nil && e.distributed() {
		err = e.waitServing(ctx, members)
	}
	return err
}

// waitServing waits until members serve.
func (e *Ensemble) waitServing(ctx context.Context, members []*Member) error {
	for _, m := range members {
		if err := await.Until(ctx, func() bool { return m.mode(ctx) != "" || m.Err() != nil }); err != nil {
			return fmt.Errorf("wait until member %d serves: %w", m.id, err)
		}
		if err := m.Err(); err != nil {
			return err
		}
	}
	return nil
}

// checkDir refuses to start from scratch next to data of the other kind: a standalone server has
// version-2 in the folder, an ensemble has one folder per member.
func (e *Ensemble) checkDir() error {
	if e.opt.DataDir == "" {
		return nil
	}
	_, err := os.Stat(filepath.Join(e.dir, "version-2"))
	single, members := err == nil, 0
	for id := int64(1); id <= maxMembers; id++ {
		if _, err := os.Stat(filepath.Join(e.home(id), engineFile)); err == nil {
			members++
		}
	}
	switch {
	case e.distributed() && single && members == 0:
		return fmt.Errorf("%s has the data of a single server, which cannot become an ensemble; start a single server, or use another folder", e.dir)
	case !e.distributed() && !single && members > 0:
		return fmt.Errorf("%s has the data of an ensemble; start it with the same number of members (%d), or use another folder", e.dir, members)
	}
	return nil
}

// plan assigns each member its number, folder and ports: those it had, if the data directory has
// an ensemble already.
func (e *Ensemble) plan(fresh bool) error {
	n := e.opt.Size + e.opt.Observers
	begins := false
	if e.distributed() {
		saved, err := e.saved()
		if err != nil {
			return err
		}
		begins = saved == nil
		if saved != nil && (!fresh || saved.Version() != 0) {
			members := saved.Members()
			slices.SortFunc(members, func(a, b zoocfg.Member) int { return cmp.Compare(a.ID, b.ID) })
			for _, s := range members {
				e.lastID = max(e.lastID, s.ID)
				if !e.hasFolder(s.ID) {
					if e.log != nil {
						fmt.Fprintf(e.log, "server.%d has no folder in %s: it runs elsewhere\n", s.ID, e.dir)
					}
					continue
				}
				m := e.newMember(s.ID, s.Role)
				if m.engine, err = m.savedEngine(); err != nil {
					return err
				}
				m.ports = portsOf(s)
				if err := e.choosePorts(m); err != nil { // the one for TLS
					return err
				}
				e.place(m)
			}
			if len(e.members) == 0 {
				return fmt.Errorf("all members of the ensemble in %s have moved elsewhere: none of them has a folder there", e.dir)
			}
			return nil
		}
	}
	for i := range n {
		role := zoocfg.Participant
		if i >= e.opt.Size {
			role = zoocfg.Observer
		}
		m := e.newMember(int64(i+1), role)
		m.ports.client = zoocfg.HostPort{Host: e.opt.Host, Port: e.opt.Port + i}
		if e.opt.Port == 0 {
			m.ports.client.Port = 0
		}
		if e.opt.Port == 0 && n == 1 && e.base["clientPort"] != "" {
			var err error
			if m.ports.client.Port, err = strconv.Atoi(e.base["clientPort"]); err != nil {
				return fmt.Errorf("clientPort=%s: not a number", e.base["clientPort"])
			}
			if a := e.base["clientPortAddress"]; a != "" {
				m.ports.client.Host = a
			}
		}
		if err := e.choosePorts(m); err != nil {
			return err
		}
		if begins && m.dir != "" {
			if err := m.initialize(); err != nil {
				return err
			}
		}
		e.place(m)
	}
	return nil
}

// initialize allows a member of a new ensemble to have no data even with db.autocreate=false
// (zkServer-initialize.sh).
func (m *Member) initialize() error {
	if err := mkdirPrivate(m.home); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(m.home, "initialize"), nil)
}

// home returns the folder of an ensemble's member.
func (e *Ensemble) home(id int64) string { return filepath.Join(e.dir, strconv.FormatInt(id, 10)) }

// hasFolder reports whether a member is, or was, one of this ensemble's own.
func (e *Ensemble) hasFolder(id int64) bool {
	_, err := os.Stat(filepath.Join(e.home(id), "zoo.cfg"))
	return err == nil
}

// saved returns the newest configuration of the members in the data directory, or nil.
func (e *Ensemble) saved() (newest zoocfg.QuorumVerifier, err error) {
	for id := int64(1); id <= maxMembers; id++ {
		if !e.hasFolder(id) {
			continue
		}
		file := filepath.Join(e.home(id), "zoo.cfg")
		cfg, _, err := zoocfg.Load(file, zoocfg.Properties(e.opt.System))
		if err != nil {
			return nil, err
		}
		if newest == nil || cfg.Verifier.Version() > newest.Version() {
			newest = cfg.Verifier
		}
	}
	return newest, nil
}

func (e *Ensemble) newMember(id int64, role zoocfg.Role) *Member {
	m := &Member{e: e, id: id, role: role, engine: e.opt.engineOf(int(id))}
	m.gate = newGate(id, e.links)
	if !e.opt.Ephemeral {
		m.dir = e.dir
	}
	if e.distributed() {
		m.home = e.home(id)
		if !e.opt.Ephemeral {
			m.dir = m.home
		}
	}
	return m
}

// engineFile is next to a member's zoo.cfg and names its engine.
const engineFile = "engine"

func (m *Member) savedEngine() (Engine, error) {
	text, err := infile.Regular(filepath.Join(m.home, engineFile))
	if err != nil {
		return m.engine, nil
	}
	if engine := Engine(strings.TrimSpace(string(text))); engine == Embedded || engine == Apache {
		return engine, nil
	}
	return "", fmt.Errorf("%s: unknown engine %q", filepath.Join(m.home, engineFile), text)
}

// choosePorts finds free ports for those that m lacks.
func (e *Ensemble) choosePorts(m *Member) error {
	taken := map[int]bool{}
	for _, other := range append(e.Members(), m) {
		at := other.at()
		taken[at.client.Port], taken[at.members.QuorumPort], taken[at.members.ElectionPort], taken[other.secure] = true, true, true, true
	}
	list := []*int{&m.ports.client.Port}
	if e.distributed() {
		m.ports.members.Host = cmp.Or(m.ports.members.Host, m.ports.client.Host)
		list = append(list, &m.ports.members.QuorumPort, &m.ports.members.ElectionPort)
	}
	if e.opt.TLS {
		if e.opt.TLSPort != 0 && m.secure == 0 && int(m.id) <= e.opt.Size+e.opt.Observers {
			m.secure = e.opt.TLSPort + int(m.id) - 1
		}
		list = append(list, &m.secure)
	}
	for _, need := range list {
		for *need == 0 {
			p, err := port.Free()
			if err != nil {
				return err
			}
			if !taken[p] {
				taken[p], *need = true, p
			}
		}
	}
	return nil
}

// place makes m one of the members.
func (e *Ensemble) place(m *Member) {
	if e.distributed() {
		e.locate(m, m.ports)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.members = append(slices.Clone(e.members), m)
}

// learn records where a new configuration puts the members.
func (e *Ensemble) learn(v zoocfg.QuorumVerifier) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if v.Version() < e.version {
		return // from a member that lags
	}
	e.version = v.Version()
	for _, m := range e.members {
		if now, in := v.Member(m.id); in && !now.Client.IsZero() {
			e.locate(m, portsOf(now))
		}
	}
}

func portsOf(m zoocfg.Member) ports {
	return ports{m.Client, m.Addrs[0]}
}

// locate records where a member is.
func (e *Ensemble) locate(m *Member, at ports) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ports = at
	e.links.place(m.id, at.members.Quorum().String(), at.members.Election().String())
}

// logger returns the log of a member.
func (e *Ensemble) logger(m *Member) *zklog.Logger {
	if e.log == nil {
		return nil
	}
	myid := ""
	if e.distributed() {
		myid = strconv.FormatInt(m.id, 10)
	}
	return zklog.New(e.log, myid, zklog.Info)
}

// distributed reports whether the members are an ensemble; one member is, too, if it is not to
// stand alone.
func (e *Ensemble) distributed() bool {
	return e.opt.Size+e.opt.Observers > 1 || e.base["standaloneEnabled"] == "false"
}

// ConnectString returns what clients connect to: the addresses of the members, host:port,
// separated by commas.
func (e *Ensemble) ConnectString() string { return connectString(e.Members()) }

func connectString(members []*Member) string {
	var addrs []string
	for _, m := range members {
		addrs = append(addrs, m.Addr())
	}
	return strings.Join(addrs, ",")
}

// DataDir returns the data folder: the dataDir of a standalone server, or for an ensemble the
// folder with one folder per member. It is "" for an ephemeral ensemble.
func (e *Ensemble) DataDir() string {
	if e.opt.Ephemeral {
		return ""
	}
	return e.dir
}

// Members returns the members ordered by number.
func (e *Ensemble) Members() []*Member {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]*Member(nil), e.members...)
}

// Member returns the member with this number (myid), starting from 1, or nil if there is none.
func (e *Ensemble) Member(id int64) *Member {
	for _, m := range e.Members() {
		if m.id == id {
			return m
		}
	}
	return nil
}

// ErrNoLeader is wrapped by Leader's error if no member leads.
var ErrNoLeader = errors.New("no member is leading at the moment")

// Leader returns the current leader, or ErrNoLeader. A standalone server leads itself.
func (e *Ensemble) Leader(ctx context.Context) (*Member, error) {
	for _, m := range e.Members() {
		if m.mode(ctx).leads() {
			return m, nil
		}
	}
	return nil, ErrNoLeader
}

// leaderPatience limits WaitLeader if its context has no deadline.
const leaderPatience = time.Minute

// WaitLeader waits for a leader until ctx ends, or for a minute if ctx has no deadline.
func (e *Ensemble) WaitLeader(ctx context.Context) (leader *Member, err error) {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, leaderPatience)
		defer cancel()
	}
	if waitErr := await.Until(ctx, func() bool {
		leader, err = e.Leader(ctx)
		return err == nil
	}); waitErr != nil {
		return nil, fmt.Errorf("wait for a leader: %w: %w", err, waitErr)
	}
	return leader, nil
}

// Start starts the stopped members concurrently, and returns once all of them serve.
func (e *Ensemble) Start(ctx context.Context) error {
	if err := e.launch(ctx, e.Members()); err != nil {
		return fmt.Errorf("start all members: %w", err)
	}
	return nil
}

// Stop stops all members gracefully. They can be started again; Close is final.
func (e *Ensemble) Stop() error { return e.all((*Member).Stop) }

// Kill stops all members as a power failure would.
func (e *Ensemble) Kill() error { return e.all((*Member).Kill) }

// Restart stops the running members, starts all, and returns once all of them serve.
func (e *Ensemble) Restart(ctx context.Context) error {
	if err := e.Stop(); err != nil {
		return err
	}
	return e.Start(ctx)
}

// Pause makes all running members hang.
func (e *Ensemble) Pause() error { return e.allRunning((*Member).Pause) }

// Resume resumes all paused members.
func (e *Ensemble) Resume() error { return e.allRunning((*Member).Resume) }

// all calls do for every member concurrently.
func (e *Ensemble) all(do func(*Member) error) error {
	members := e.Members()
	errs := make([]error, len(members))
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() { errs[i] = do(m) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (e *Ensemble) allRunning(do func(*Member) error) error {
	return e.all(func(m *Member) error {
		if err := do(m); !errors.Is(err, errNotRunning) {
			return err
		}
		return nil
	})
}

// Done is closed when the ensemble has ended: by Close, or because a member stopped serving by
// itself, such as after a disk failure. Err says which.
func (e *Ensemble) Done() <-chan struct{} { return e.done }

// Err returns why a member stopped serving by itself, for the first that did, or nil.
func (e *Ensemble) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failure
}

// end closes done.
func (e *Ensemble) end(failure error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failure == nil {
		e.failure = failure
	}
	select {
	case <-e.done:
	default:
		close(e.done)
	}
}

// Close stops every member gracefully, and removes the temporary folders that Start created. A
// second Close does nothing.
func (e *Ensemble) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	err := e.all((*Member).close)
	e.end(nil)
	return errors.Join(err, e.work.Remove(), e.identities.close(), e.logins.Remove())
}
