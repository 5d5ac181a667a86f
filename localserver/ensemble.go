package localserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/zklog"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// Ensemble is what Start started: one server, or several that replicate to each other. Its
// methods may be called from any goroutine.
type Ensemble struct {
	opt   Options
	dir   string // the data's
	work  string // a temporary folder, "" for none
	base  map[string]string
	log   io.Writer
	links *links
	java  *apache.Installation // nil without Apache members
	super string               // the password of the identity that may reconfigure

	mu      sync.Mutex
	members []*Member
	faults  []*Fault
	closed  bool
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
		e, err := start(ctx, opt)
		if err == nil {
			return e, nil
		}
		if opt.Port != 0 || attempt == portAttempts || !IsPortTaken(err) {
			return nil, fmt.Errorf("start a local ZooKeeper: %w", err)
		}
	}
}

// IsPortTaken tells whether Start failed because somebody else listens on one of the ports.
func IsPortTaken(err error) bool {
	return errors.Is(err, errAddrInUse) || apache.PortTaken(err)
}

func start(ctx context.Context, opt Options) (_ *Ensemble, err error) {
	e := &Ensemble{opt: opt, dir: opt.DataDir, links: newLinks()}
	if opt.Log != nil {
		e.log = &lockedWriter{w: opt.Log}
	}
	if e.base, err = opt.base(); err != nil {
		return nil, err
	}
	if opt.Size == 1 && e.dir == "" && !opt.Ephemeral {
		e.dir = e.base["dataDir"]
	}
	if opt.Engine == Apache || opt.Apache > 0 {
		if e.java, err = apache.FindIn(opt.ZooKeeperHome); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			_ = e.Close()
		}
	}()
	if e.dir == "" && !opt.Ephemeral {
		if e.work, err = os.MkdirTemp("", "zkctl-local-"); err != nil {
			return nil, err
		}
		e.dir = e.work
	}
	if e.dir != "" {
		if e.dir, err = filepath.Abs(e.dir); err != nil {
			return nil, err
		}
	}
	if err := e.plan(); err != nil {
		return nil, err
	}
	return e, e.launch(ctx, e.members)
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

// plan gives each member its number, folder and ports.
func (e *Ensemble) plan() error {
	taken := map[int]bool{}
	free := func() (int, error) {
		for {
			p, err := apache.FreePort()
			if err != nil {
				return 0, err
			}
			if !taken[p] {
				taken[p] = true
				return p, nil
			}
		}
	}
	n := e.opt.Size + e.opt.Observers
	for i := range n {
		m := &Member{e: e, id: int64(i + 1), engine: e.opt.engineOf(i + 1)}
		if i >= e.opt.Size {
			m.role = zoocfg.Observer
		}
		m.gate = newGate(m.id, e.links)
		m.dir = e.dir
		if n > 1 && e.dir != "" {
			m.dir = filepath.Join(e.dir, strconv.Itoa(i+1))
		}
		m.client = zoocfg.HostPort{Host: e.opt.Host, Port: e.opt.Port + i}
		var err error
		switch {
		case e.opt.Port != 0:
		case n == 1 && e.base["clientPort"] != "":
			if m.client.Port, err = strconv.Atoi(e.base["clientPort"]); err != nil {
				return fmt.Errorf("clientPort=%s is not a number", e.base["clientPort"])
			}
			if a := e.base["clientPortAddress"]; a != "" {
				m.client.Host = a
			}
		default:
			if m.client.Port, err = free(); err != nil {
				return err
			}
		}
		taken[m.client.Port] = true
		if n > 1 {
			if m.quorumPort, err = free(); err == nil {
				m.electionPort, err = free()
			}
			if err != nil {
				return err
			}
			e.links.place(m.id, zoocfg.HostPort{Host: e.opt.Host, Port: m.quorumPort}.String(),
				zoocfg.HostPort{Host: e.opt.Host, Port: m.electionPort}.String())
		}
		e.members = append(e.members, m)
	}
	return nil
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

func (e *Ensemble) distributed() bool { return e.opt.Size+e.opt.Observers > 1 }

// ConnectString is what clients connect to: the address of each member, host:port, with
// commas between them.
func (e *Ensemble) ConnectString() string {
	var addrs []string
	for _, m := range e.Members() {
		addrs = append(addrs, m.Addr())
	}
	return strings.Join(addrs, ",")
}

// DataDir is the folder of the data: zoo.cfg's dataDir of a single server; of an ensemble the
// folder in which each member has its own. "" for an ephemeral one.
func (e *Ensemble) DataDir() string { return e.dir }

// Members are the members in the order of their numbers, the observers last.
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

// Leader is the member that leads now; nil when none does. A standalone server leads itself.
func (e *Ensemble) Leader(ctx context.Context) *Member {
	for _, m := range e.Members() {
		if mode := m.mode(ctx); mode == "leader" || mode == "standalone" {
			return m
		}
	}
	return nil
}

// WaitLeader waits until a member leads.
func (e *Ensemble) WaitLeader(ctx context.Context) (*Member, error) {
	var leader *Member
	err := poll(ctx, func() bool {
		leader = e.Leader(ctx)
		return leader != nil
	})
	if err != nil {
		return nil, fmt.Errorf("wait for a leader: %w", err)
	}
	return leader, nil
}

// Close ends every member, gracefully, and removes what Start made in temporary folders. A
// second Close does nothing.
func (e *Ensemble) Close() error {
	e.mu.Lock()
	e.closed = true
	members := e.members
	e.mu.Unlock()
	var wg sync.WaitGroup
	errs := make([]error, len(members)+1)
	for i, m := range members {
		wg.Go(func() { errs[i] = m.close() })
	}
	wg.Wait()
	if e.work != "" {
		errs[len(members)] = os.RemoveAll(e.work)
	}
	return errors.Join(errs...)
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
