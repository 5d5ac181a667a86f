package replica

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/zkctl/zkctl/internal/fourletter"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// javaDate is the layout of java.util.Date.toString.
const javaDate = "Mon Jan 02 15:04:05 MST 2006"

// wordStat answers srvr or, with the connections, stat.
func (s *Replica) wordStat(w io.Writer, clients bool) {
	f, ok := s.figures()
	if !ok {
		fmt.Fprintln(w, fourletter.NotServing)
		return
	}
	fmt.Fprintf(w, "Zookeeper version: %s\n", Version(s.emulated()))
	if f.role == readOnly {
		fmt.Fprintln(w, "READ-ONLY mode; serving only read-only clients")
	}
	if clients {
		s.log.Infof("Stat command output")
		fmt.Fprintln(w, "Clients:")
		for _, c := range s.connections() {
			c.print(w, true)
		}
		fmt.Fprintln(w)
	}
	l := &f.stats.latency
	fmt.Fprintf(w, "Latency min/avg/max: %d/%s/%d\n", l.min.Milliseconds(), decimal(l.avg()), l.max.Milliseconds())
	fmt.Fprintf(w, "Received: %d\nSent: %d\nConnections: %d\n", f.stats.received, f.stats.sent, f.conns)
	fmt.Fprintf(w, "Outstanding: %d\nZxid: 0x%x\nMode: %s\n", s.shared.inProcess.Load(), uint64(f.zxid), f.state())
	fmt.Fprintf(w, "Node count: %d\n", f.znodes)
	if f.leads() {
		fmt.Fprintf(w, "Proposal sizes last/min/max: %d/%d/%d\n", f.proposals.Last, f.proposals.Min, f.proposals.Max)
	}
}

func (s *Replica) wordCons(_ *conn, w io.Writer) {
	for _, c := range s.connections() {
		c.print(w, false)
	}
	fmt.Fprintln(w)
}

// print is ServerCnxn.dumpConnectionInfo.
func (c *connInfo) print(w io.Writer, brief bool) {
	fmt.Fprintf(w, " /%s[%x](queued=%d,recved=%d,sent=%d", c.remote, c.ops, c.queued, c.stats.received, c.stats.sent)
	if !brief && c.session != 0 {
		st := &c.stats
		fmt.Fprintf(w, ",sid=0x%x,lop=%s,est=%d,to=%d", uint64(c.session), st.lastOp, c.started.UnixMilli(), c.timeout.Milliseconds())
		if st.lastCxid >= 0 {
			fmt.Fprintf(w, ",lcxid=0x%x", st.lastCxid)
		}
		fmt.Fprintf(w, ",lzxid=0x%x,lresp=%d,llat=%d,minlat=%d,avglat=%d,maxlat=%d", uint64(st.lastZxid), elapsed(st.lastAt),
			st.lastLatency.Milliseconds(), st.min.Milliseconds(), int64(st.avg()), st.max.Milliseconds())
	}
	fmt.Fprint(w, ")\n")
}

// directories are the folders of snapshots and logs, and their sizes, which some releases exchange.
func (s *Replica) directories() (snapshots, logs string, snapshotsSize, logsSize int64) {
	abs := func(dir string) string {
		if full, err := filepath.Abs(dir); err == nil && dir != "" {
			return full
		}
		return dir
	}
	snapshots, logs = abs(s.opt.DataDir), abs(s.opt.LogDir)
	snapshotsSize, logsSize = dirSize(snapshots), dirSize(logs)
	if !s.emulated().DirSizes() {
		snapshotsSize, logsSize = logsSize, snapshotsSize
	}
	return snapshots, logs, snapshotsSize, logsSize
}

func (s *Replica) wordDirs(_ *conn, w io.Writer) {
	_, _, data, log := s.directories()
	fmt.Fprintf(w, "datadir_size: %d\nlogdir_size: %d\n", data, log)
}

// conf are the settings that conf prints.
type conf struct {
	port, securePort             int
	dataDir, logDir              string
	dataSize, logSize            int64
	tick, minSession, maxSession int64
	maxClientCnxns               int
	serverID                     int64
	ensemble                     *Ensemble
	electionPorts, quorumPorts   string
	participant                  bool
}

func (s *Replica) conf() conf {
	c := conf{tick: s.opt.Tick.Milliseconds(), minSession: s.opt.MinSession.Milliseconds(), maxSession: s.opt.MaxSession.Milliseconds(),
		maxClientCnxns: max(0, s.opt.MaxClientCnxns)}
	c.port, c.securePort = s.ports()
	c.dataDir, c.logDir, c.dataSize, c.logSize = s.directories()
	if s.opt.Ensemble == nil {
		return c
	}
	e := s.opt.Ensemble()
	c.ensemble, c.serverID = &e, e.Self
	m, _ := e.self()
	c.participant = m.Role == zoocfg.Participant
	for i, a := range m.Addrs {
		if i > 0 {
			c.electionPorts += "|"
			c.quorumPorts += "|"
		}
		c.electionPorts += fmt.Sprint(a.ElectionPort)
		c.quorumPorts += fmt.Sprint(a.QuorumPort)
	}
	return c
}

// wordConf is ZooKeeperServer.dumpConf and that of QuorumZooKeeperServer.
func (s *Replica) wordConf(_ *conn, w io.Writer) {
	c := s.conf()
	fmt.Fprintf(w, "clientPort=%d\nsecureClientPort=%d\n", c.port, c.securePort)
	fmt.Fprintf(w, "dataDir=%s\ndataDirSize=%d\ndataLogDir=%s\ndataLogSize=%d\n", c.dataDir, c.dataSize, c.logDir, c.logSize)
	fmt.Fprintf(w, "tickTime=%d\nmaxClientCnxns=%d\nminSessionTimeout=%d\nmaxSessionTimeout=%d\n", c.tick, c.maxClientCnxns, c.minSession, c.maxSession)
	fmt.Fprintf(w, "clientPortListenBacklog=-1\nserverId=%d\n", c.serverID)
	// Differs(conf-emulate): Apache has nothing to emulate.
	fmt.Fprintf(w, "%s=%s\n", zoocfg.EmulateKey, s.emulated())
	if c.ensemble == nil {
		return
	}
	peerType := 1
	if c.participant {
		peerType = 0
	}
	fmt.Fprintf(w, "initLimit=%d\nsyncLimit=%d\nelectionAlg=3\n", c.ensemble.InitLimit, c.ensemble.SyncLimit)
	fmt.Fprintf(w, "electionPort=%s\nquorumPort=%s\npeerType=%d\n", c.electionPorts, c.quorumPorts, peerType)
	if f, ok := s.figures(); ok && f.role != readOnly && c.ensemble.Config != nil {
		fmt.Fprintf(w, "membership: \n%s", c.ensemble.Config)
	}
}

func (s *Replica) wordDump(_ *conn, w io.Writer) {
	fmt.Fprintln(w, "SessionTracker dump:")
	s.printSessions(w)
	fmt.Fprintln(w, "ephemeral nodes dump:")
	s.ephemerals(func(n int) { fmt.Fprintf(w, "Sessions with Ephemerals (%d):\n", n) }, func(session int64, paths []string) {
		fmt.Fprintf(w, "0x%x:\n", uint64(session))
		for _, path := range paths {
			fmt.Fprintf(w, "\t%s\n", path)
		}
	})
	fmt.Fprintln(w, "Connections dump:")
	s.printCnxnExpiry(w)
}

// printSessions is SessionTracker.dumpSessions.
func (s *Replica) printSessions(w io.Writer) {
	var leads, locals bool
	var global map[int64]int32
	var local, tracked []expiry
	s.do(func() {
		locals, local = s.local != nil, s.local.expiries()
		if leads = s.role == leading; leads {
			tracked = s.sessions.expiries()
		} else {
			global = s.tree.Sessions()
		}
	})
	if locals {
		io.WriteString(w, "Local ")
		printSets(w, local)
	}
	if leads {
		if locals {
			io.WriteString(w, "Global ")
		}
		printSets(w, tracked)
		return
	}
	fmt.Fprintf(w, "Global Sessions(%d):\n", len(global))
	for _, id := range sortedKeys(global) {
		fmt.Fprintf(w, "0x%x\t%dms\n", uint64(id), global[id])
	}
}

func printSets(w io.Writer, list []expiry) {
	n := 0
	for _, e := range list {
		n += len(e.sessions)
	}
	fmt.Fprintf(w, "Session Sets (%d)/(%d):\n", len(list), n)
	for _, e := range list {
		fmt.Fprintf(w, "%d expire at %s:\n", len(e.sessions), e.at.Format(javaDate))
		for _, id := range e.sessions {
			fmt.Fprintf(w, "\t0x%x\n", uint64(id))
		}
	}
}

func sortedKeys[V any](m map[int64]V) []int64 {
	keys := make([]int64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// printCnxnExpiry lists the connections by expiry time, in the steps of NIOServerCnxnFactory's
// queue.
func (s *Replica) printCnxnExpiry(w io.Writer) {
	list := s.connections()
	slices.SortStableFunc(list, func(a, b connInfo) int { return a.deadline.Compare(b.deadline) })
	step := s.opt.Sessionless
	bucket := func(c *connInfo) time.Time { return c.deadline.Truncate(step).Add(step) }
	type set struct {
		at    time.Time
		conns []connInfo
	}
	var sets []set
	for _, c := range list {
		if at := bucket(&c); len(sets) == 0 || !sets[len(sets)-1].at.Equal(at) {
			sets = append(sets, set{at: at})
		}
		last := &sets[len(sets)-1]
		last.conns = append(last.conns, c)
	}
	fmt.Fprintf(w, "Connections Sets (%d)/(%d):\n", len(sets), len(list))
	for _, set := range sets {
		fmt.Fprintf(w, "%d expire at %s:\n", len(set.conns), set.at.Format(javaDate))
		for _, c := range set.conns {
			fmt.Fprintf(w, "\tip: /%s sessionId: 0x%x\n", c.remote, uint64(c.session))
		}
	}
}

// wordWchs is WatchManager.toString.
func (s *Replica) wordWchs(_ *conn, w io.Writer) {
	var watchers, paths, total int
	s.do(func() { watchers, paths, total = s.watches.summary() })
	fmt.Fprintf(w, "%d connections watching %d paths\nTotal watches:%d\n", watchers, paths, total)
}

// wordWchc lists the watched paths by session.
func (s *Replica) wordWchc(_ *conn, w io.Writer) {
	for _, g := range s.watchPairs().bySession() {
		fmt.Fprintf(w, "0x%x\n", uint64(g.session))
		for _, path := range g.paths {
			fmt.Fprintf(w, "\t%s\n", path)
		}
	}
	fmt.Fprintln(w)
}

// wordWchp lists the sessions by watched path.
func (s *Replica) wordWchp(_ *conn, w io.Writer) {
	for _, g := range s.watchPairs().byPath() {
		fmt.Fprintln(w, g.path)
		for _, id := range g.sessions {
			fmt.Fprintf(w, "\t0x%x\n", uint64(id))
		}
	}
	fmt.Fprintln(w)
}
