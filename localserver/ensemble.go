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
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/tempdir"
	"github.com/zkctl/zkctl/internal/zklog"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver/internal/engine"
)

// Ensemble is what Start started: one server, or several that replicate to each other. Its
// methods may be called from any goroutine.
type Ensemble struct {
	opt       Options
	dir       string       // the data's
	work      *tempdir.Dir // a temporary folder, nil for none
	base      map[string]string
	log       io.Writer
	links     *links
	java      engine.Installation // nil without Apache members
	authority *authority          // nil without Options.TLS
	super     string              // the password of the identity that may reconfigure

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

// portAttempts is how often free ports are looked for: between finding one and listening on
// it somebody else may take it.
const portAttempts = 5

// Start starts what opt describes and returns when it serves clients. ctx bounds the start
// alone. On an error nothing is left running and nothing left behind in temporary folders.
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

// ErrPortTaken is, for errors.Is, why Start failed if somebody else listens on one of the ports.
var ErrPortTaken = port.ErrTaken

// start starts; fresh is for new ports in place of those that somebody else has taken.
func start(ctx context.Context, opt Options, fresh bool) (_ *Ensemble, err error) {
	e := &Ensemble{opt: opt, dir: opt.DataDir, links: newLinks(), done: make(chan struct{})}
	if opt.Log != nil {
		e.log = &lockedWriter{w: opt.Log}
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
	if opt.TLS {
		if e.authority, err = newAuthority(opt.Host); err != nil {
			return nil, err
		}
	}
	if e.dir == "" && (!opt.Ephemeral || e.distributed()) { // members find each other by files
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

// launch starts members side by side and waits until each serves.
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

// waitServing waits until members have found their places.
func (e *Ensemble) waitServing(ctx context.Context, members []*Member) error {
	for _, m := range members {
		if err := poll(ctx, func() bool { return m.mode(ctx) != "" || m.Err() != nil }); err != nil {
			return fmt.Errorf("wait until member %d serves: %w", m.id, err)
		}
		if err := m.Err(); err != nil {
			return err
		}
	}
	return nil
}

// checkDir refuses to begin anew beside what the other kind of server has in the folder: a
// single one has version-2 in it, an ensemble a folder for each member.
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
		return fmt.Errorf("%s has the data of a single server, which cannot become an ensemble's; start one server on it, or take another folder", e.dir)
	case !e.distributed() && !single && members > 0:
		return fmt.Errorf("%s has the data of an ensemble; start it with its number of members (%d), or take another folder", e.dir, members)
	}
	return nil
}

// plan gives each member its number, folder and ports: those it had, when there is an
// ensemble in the data directory already.
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
				return fmt.Errorf("all members of the ensemble in %s have moved elsewhere: none has a folder there", e.dir)
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
				return fmt.Errorf("clientPort=%s is not a number", e.base["clientPort"])
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

// initialize lets a member of an ensemble that begins have no data even with db.autocreate=false
// (zkServer-initialize.sh).
func (m *Member) initialize() error {
	if err := mkdirPrivate(m.home); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(m.home, "initialize"), nil)
}

// home is the folder of an ensemble's member.
func (e *Ensemble) home(id int64) string { return filepath.Join(e.dir, strconv.FormatInt(id, 10)) }

// hasFolder reports whether a member is, or was, one of this ensemble's own.
func (e *Ensemble) hasFolder(id int64) bool {
	_, err := os.Stat(filepath.Join(e.home(id), "zoo.cfg"))
	return err == nil
}

// saved is the newest configuration that members in the data directory have, nil without any.
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

// engineFile is beside an ensemble's member's zoo.cfg and says what it is made of.
const engineFile = "engine"

func (m *Member) savedEngine() (Engine, error) {
	text, err := infile.Regular(filepath.Join(m.home, engineFile))
	if err != nil {
		return m.engine, nil
	}
	if engine := Engine(strings.TrimSpace(string(text))); engine == Embedded || engine == Apache {
		return engine, nil
	}
	return "", fmt.Errorf("%s: %q is no engine", filepath.Join(m.home, engineFile), text)
}

// choosePorts finds free ports for those that m has not.
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
	if e.authority != nil {
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

// learn is told where a new configuration has the members.
func (e *Ensemble) learn(v zoocfg.QuorumVerifier) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if v.Version() < e.version {
		return // of a member that comes late
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

// locate says where a member is.
func (e *Ensemble) locate(m *Member, at ports) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ports = at
	e.links.place(m.id, at.members.Quorum().String(), at.members.Election().String())
}

// logger is the log of a member.
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

// ConnectString is what clients connect to: the address of each member, host:port, with
// commas between them.
func (e *Ensemble) ConnectString() string { return connectString(e.Members()) }

func connectString(members []*Member) string {
	var addrs []string
	for _, m := range members {
		addrs = append(addrs, m.Addr())
	}
	return strings.Join(addrs, ",")
}

// DataDir is the folder of the data: zoo.cfg's dataDir of a single server; of an ensemble the
// folder in which each member has its own. "" for an ephemeral one.
func (e *Ensemble) DataDir() string {
	if e.opt.Ephemeral {
		return ""
	}
	return e.dir
}

// Members are the members in the order of their numbers.
func (e *Ensemble) Members() []*Member {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]*Member(nil), e.members...)
}

// Member is the member with that number (myid), from 1; nil when there is none.
func (e *Ensemble) Member(id int64) *Member {
	for _, m := range e.Members() {
		if m.id == id {
			return m
		}
	}
	return nil
}

// ErrNoLeader is, for errors.Is, why Leader has no member to return.
var ErrNoLeader = errors.New("no member leads now")

// Leader returns the member that leads now, or ErrNoLeader. A single server leads itself.
func (e *Ensemble) Leader(ctx context.Context) (*Member, error) {
	for _, m := range e.Members() {
		if m.mode(ctx).leads() {
			return m, nil
		}
	}
	return nil, ErrNoLeader
}

// leaderPatience bounds WaitLeader if its context has no deadline.
const leaderPatience = time.Minute

// WaitLeader waits until a member leads: until ctx ends, or for a minute if it has no deadline.
func (e *Ensemble) WaitLeader(ctx context.Context) (leader *Member, err error) {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, leaderPatience)
		defer cancel()
	}
	if waitErr := poll(ctx, func() bool {
		leader, err = e.Leader(ctx)
		return err == nil
	}); waitErr != nil {
		return nil, fmt.Errorf("wait for a leader: %w: %w", err, waitErr)
	}
	return leader, nil
}

// Start starts the members that do not run, side by side, and returns when all serve.
func (e *Ensemble) Start(ctx context.Context) error {
	if err := e.launch(ctx, e.Members()); err != nil {
		return fmt.Errorf("start all members: %w", err)
	}
	return nil
}

// Stop stops all members gracefully. They can be started again; Close is for good.
func (e *Ensemble) Stop() error { return e.all((*Member).Stop) }

// Kill ends all members as a power failure would.
func (e *Ensemble) Kill() error { return e.all((*Member).Kill) }

// Restart stops the members that run, starts all, and returns when all serve.
func (e *Ensemble) Restart(ctx context.Context) error {
	if err := e.Stop(); err != nil {
		return err
	}
	return e.Start(ctx)
}

// Pause makes all members that run hang.
func (e *Ensemble) Pause() error { return e.allRunning((*Member).Pause) }

// Resume lets all paused members go on.
func (e *Ensemble) Resume() error { return e.allRunning((*Member).Resume) }

// all does something to every member at the same time.
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

// Done is closed when the ensemble has ended: by Close, or because a member has stopped serving
// by itself, such as when its disk fails. Err says which.
func (e *Ensemble) Done() <-chan struct{} { return e.done }

// Err is why a member has stopped serving by itself, the first that did; nil if none has.
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

// Close ends every member, gracefully, and removes what Start made in temporary folders. A
// second Close does nothing.
func (e *Ensemble) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	err := e.all((*Member).close)
	e.end(nil)
	return errors.Join(err, e.work.Remove(), e.authority.close())
}

// lockedWriter lets the members share a log.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
