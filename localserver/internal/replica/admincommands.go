package replica

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// adminCommand is one command of the AdminServer (admin.Commands).
type adminCommand struct {
	names []string // the first appears in the answer and in the list
	idle  bool     // answered even without a role
	run   func(a *admin, args url.Values) fields
}

var adminCommands = []adminCommand{
	{[]string{"connection_stat_reset", "crst"}, false, func(a *admin, _ url.Values) fields { a.s.resetConnStats(); return nil }},
	{[]string{"configuration", "conf", "config"}, false, (*admin).configuration},
	{[]string{"connections", "cons"}, false, func(a *admin, _ url.Values) fields { return a.connections(false) }},
	{[]string{"hash"}, false, (*admin).hash},
	{[]string{"dirs"}, false, (*admin).dirs},
	{[]string{"dump"}, false, (*admin).dump},
	{[]string{"environment", "env", "envi"}, true, (*admin).environment},
	{[]string{"get_trace_mask", "gtmk"}, true, func(a *admin, _ url.Values) fields { return fields{{"tracemask", a.s.shared.trace.Load()}} }},
	{[]string{"initial_configuration", "icfg"}, false, (*admin).initialConfiguration},
	{[]string{"is_read_only", "isro"}, false, (*admin).isReadOnly},
	{[]string{"last_snapshot", "lsnp"}, false, (*admin).lastSnapshot},
	{[]string{"leader", "lead"}, false, (*admin).leader},
	{[]string{"monitor", "mntr"}, true, (*admin).monitor},
	// The statistics that it would reset are kept where the learners are connected, and are not
	// reset.
	{[]string{"observer_connection_stat_reset", "orst"}, false, func(*admin, url.Values) fields { return nil }},
	{[]string{"ruok"}, false, func(*admin, url.Values) fields { return nil }},
	{[]string{"set_trace_mask", "stmk"}, true, (*admin).setTraceMask},
	{[]string{"server_stats", "srvr"}, false, (*admin).serverStats},
	{[]string{"stats", "stat"}, false, func(a *admin, args url.Values) fields { return append(a.serverStats(args), a.connections(true)...) }},
	{[]string{"stat_reset", "srst"}, false, func(a *admin, _ url.Values) fields { a.s.resetStats(); return nil }},
	{[]string{"observers", "obsr"}, false, (*admin).observers},
	{[]string{"system_properties", "sysp"}, true, (*admin).systemProperties},
	{[]string{"voting_view"}, false, (*admin).votingView},
	{[]string{"watches", "wchc"}, false, (*admin).watches},
	{[]string{"watches_by_path", "wchp"}, false, (*admin).watchesByPath},
	{[]string{"watch_summary", "wchs"}, false, (*admin).watchSummary},
	{[]string{"zabstate"}, true, (*admin).zabState},
}

func (a *admin) configuration(url.Values) fields {
	c := a.s.conf()
	return fields{{"client_port", c.port}, {"data_dir", c.dataDir}, {"data_log_dir", c.logDir}, {"tick_time", c.tick},
		{"max_client_cnxns", c.maxClientCnxns}, {"min_session_timeout", c.minSession}, {"max_session_timeout", c.maxSession},
		{"server_id", c.serverID}, {"client_port_listen_backlog", -1}, {"zkctl_emulate", a.s.emulated().String()}}
}

func (a *admin) connections(brief bool) fields {
	var plain, secure []fields
	for _, c := range a.s.connections() {
		if f := c.fields(brief); c.secure {
			secure = append(secure, f)
		} else {
			plain = append(plain, f)
		}
	}
	return fields{{"connections", listOf(plain)}, {"secure_connections", listOf(secure)}}
}

// fields is ServerCnxn.getConnectionInfo.
func (c *connInfo) fields(brief bool) fields {
	f := fields{{"remote_socket_address", c.remote}, {"interest_ops", c.ops}, {"outstanding_requests", c.queued},
		{"packets_received", c.stats.received}, {"packets_sent", c.stats.sent}}
	if brief {
		return f
	}
	s := &c.stats
	return append(f, fields{{"session_id", c.session}, {"last_operation", s.lastOp}, {"established", c.started.UnixMilli()},
		{"session_timeout", c.timeout.Milliseconds()}, {"last_cxid", s.lastCxid}, {"last_zxid", s.lastZxid},
		{"last_response_time", elapsed(s.lastAt)}, {"last_latency", s.lastLatency.Milliseconds()}, {"min_latency", s.min.Milliseconds()},
		{"avg_latency", int64(s.avg())}, {"max_latency", s.max.Milliseconds()}}...)
}

func (a *admin) hash(url.Values) fields {
	var digests []fields
	for _, d := range a.s.digests() {
		digests = append(digests, fields{{"zxid", d.zxid}, {"digest", d.digest}, {"digest_version", proto.DigestVersion}})
	}
	return fields{{"digests", listOf(digests)}}
}

func (a *admin) dirs(url.Values) fields {
	_, _, data, log := a.s.directories()
	return fields{{"datadir_size", data}, {"logdir_size", log}}
}

func (a *admin) dump(url.Values) fields {
	var list []expiry // empty on a learner
	a.s.do(func() {
		if a.s.role == leading {
			list = append(a.s.local.expiries(), a.s.sessions.expiries()...)
		}
	})
	var expiries fields
	for _, e := range list {
		expiries = append(expiries, field{strconv.FormatInt(elapsed(e.at), 10), listOf(e.sessions)})
	}
	ephemerals := func(yield func(string, any) bool) {
		over := false
		a.s.ephemerals(func(int) {}, func(session int64, paths []string) {
			over = over || !yield(strconv.FormatInt(session, 10), listOf(paths))
		})
	}
	return fields{{"expiry_time_to_session_ids", expiries}, {"session_id_to_ephemeral_paths", object(ephemerals)}}
}

func (a *admin) environment(url.Values) (f fields) {
	for _, e := range a.s.environment() {
		f = append(f, field{e.name, e.value})
	}
	return f
}

func (a *admin) initialConfiguration(url.Values) fields {
	if a.opt.InitialConfig == "" {
		return fields{{"initial_configuration", nil}}
	}
	return fields{{"initial_configuration", a.opt.InitialConfig}}
}

func (a *admin) isReadOnly(url.Values) fields {
	f, _ := a.s.figures()
	return fields{{"read_only", f.role == readOnly}}
}

// lastSnapshot describes the newest snapshot on disk. The zxid is hexadecimal, the time in seconds.
func (a *admin) lastSnapshot(url.Values) fields {
	zxid, at := int64(-1), int64(-1)
	entries, _ := os.ReadDir(a.s.opt.DataDir)
	for _, e := range entries {
		kind, z, ok := storage.ZxidOfName(e.Name())
		if !ok || kind != "snapshot" || z < zxid {
			continue
		}
		if info, err := os.Stat(filepath.Join(a.s.opt.DataDir, e.Name())); err == nil {
			zxid, at = z, info.ModTime().Unix()
		}
	}
	return fields{{"zxid", strconv.FormatUint(uint64(zxid), 16)}, {"timestamp", at}}
}

func (a *admin) leader(url.Values) fields {
	if a.s.opt.Ensemble == nil {
		return fields{{"error", "server is not initialized"}}
	}
	f, _ := a.s.figures()
	e := a.s.opt.Ensemble()
	return fields{{"is_leader", f.leads()}, {"leader_id", e.Leader}, {"leader_ip", e.leaderHosts()}}
}

func (a *admin) monitor(url.Values) (f fields) {
	a.s.monitor(func(name string, value any) { f = append(f, field{name, value}) })
	return f
}

func (a *admin) setTraceMask(args url.Values) fields {
	if !args.Has("traceMask") {
		return fields{{"error", "setTraceMask requires long traceMask argument"}}
	}
	mask, err := strconv.ParseInt(args.Get("traceMask"), 10, 64)
	if err != nil {
		return fields{{"error", "setTraceMask requires long traceMask argument, got " + args.Get("traceMask")}}
	}
	a.s.setTraceMask(mask)
	return fields{{"tracemask", mask}}
}

func (b BufferSizes) fields() fields {
	return fields{{"last_buffer_size", b.Last}, {"min_buffer_size", b.Min}, {"max_buffer_size", b.Max}}
}

func (a *admin) serverStats(url.Values) fields {
	a.s.log.Infof("running stat")
	f, _ := a.s.figures()
	_, _, data, log := a.s.directories()
	l := &f.stats.latency
	out := fields{{"version", Version(a.s.emulated())}, {"read_only", f.role == readOnly}, {"server_stats", fields{
		{"packets_sent", f.stats.sent}, {"packets_received", f.stats.received},
		{"fsync_threshold_exceed_count", a.s.metrics.slowSyncs.Load()},
		{"client_response_stats", f.stats.responses.fields()},
		{"data_dir_size", data}, {"log_dir_size", log}, {"provider_null", false}, {"server_state", f.state()},
		{"last_processed_zxid", f.zxid}, {"outstanding_requests", a.s.shared.inProcess.Load()},
		{"avg_latency", l.avg()}, {"max_latency", l.max.Milliseconds()}, {"min_latency", l.min.Milliseconds()},
		{"num_alive_client_connections", f.conns},
		{"auth_failed_count", a.s.metrics.counters["unsuccessful_handshake"].Load()},
		{"non_mtlsremote_conn_count", 0}, {"non_mtlslocal_conn_count", 0}, {"uptime", f.uptime.Milliseconds()},
	}}, {"client_response", f.stats.responses.fields()}}
	if f.leads() {
		out = append(out, field{"proposal_stats", f.proposals.fields()})
	}
	return append(out, field{"node_count", f.znodes})
}

// observers lists the observers that this leader serves (LearnerHandler.getLearnerHandlerInfo).
func (a *admin) observers(url.Values) fields {
	var e Ensemble
	if f, _ := a.s.figures(); f.leads() {
		e = a.s.opt.Ensemble()
	}
	var infos []fields
	_, _, synced := e.followings()
	for _, l := range e.Learners {
		if l.Observer && l.Synced {
			infos = append(infos, fields{{"remote_socket_address", l.Addr}, {"sid", l.ID}, {"established", l.Since.UnixMilli()},
				{"queued_packets", l.QueuedFrames}, {"queued_packets_size", l.QueuedBytes}, {"packets_received", l.Received},
				{"packets_sent", l.Sent}, {"requests", l.Requests}, {"last_zxid", l.Acked}})
		}
	}
	return fields{{"synced_observers", synced}, {"observers", listOf(infos)}}
}

// systemProperties returns a JVM's built-in properties, as far as they make sense here, and those
// that were set.
func (a *admin) systemProperties(url.Values) (f fields) {
	properties := map[string]string{"file.separator": string(os.PathSeparator), "path.separator": string(os.PathListSeparator)}
	for _, e := range a.s.environment() {
		if !strings.Contains(e.name, "memory") && e.value != notApplicable {
			properties[e.name] = e.value
		}
	}
	for name, value := range a.opt.Properties {
		properties[name] = value
	}
	names := make([]string, 0, len(properties))
	for name := range properties {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		f = append(f, field{name, properties[name]})
	}
	return f
}

func (a *admin) votingView(url.Values) fields {
	var view fields
	if a.s.opt.Ensemble != nil {
		if e := a.s.opt.Ensemble(); e.Config != nil {
			for _, m := range e.Config.Voting() {
				client := ""
				if !m.Client.IsZero() {
					client = m.Client.String()
				}
				view = append(view, field{strconv.FormatInt(m.ID, 10), fields{
					{"server_addresses", listOf(addrs(m, zoocfg.QuorumAddr.Quorum))},
					{"election_addresses", listOf(addrs(m, zoocfg.QuorumAddr.Election))},
					{"client_address", client}, {"learner_type", m.Role.String()}}})
			}
		}
	}
	return fields{{"current_config", view}}
}

func (a *admin) watches(url.Values) fields {
	groups := a.s.watchPairs().bySession()
	return fields{{"session_id_to_watched_paths", object(func(yield func(string, any) bool) {
		for _, g := range groups {
			if !yield(strconv.FormatInt(g.session, 10), listOf(g.paths)) {
				return
			}
		}
	})}}
}

func (a *admin) watchesByPath(url.Values) fields {
	groups := a.s.watchPairs().byPath()
	return fields{{"path_to_session_ids", object(func(yield func(string, any) bool) {
		for _, g := range groups {
			if !yield(g.path, listOf(g.sessions)) {
				return
			}
		}
	})}}
}

func (a *admin) watchSummary(url.Values) fields {
	var watchers, paths, total int
	a.s.do(func() { watchers, paths, total = a.s.watches.summary() })
	return fields{{"num_connections", watchers}, {"num_paths", paths}, {"num_total_watches", total}}
}

func (a *admin) zabState(url.Values) fields {
	f, serving := a.s.figures()
	if a.s.opt.Ensemble == nil || !serving {
		return fields{{"voting", false}, {"zabstate", ""}}
	}
	e := a.s.opt.Ensemble()
	self, voting := e.self()
	return fields{{"myid", e.Self}, {"is_leader", f.leads()},
		{"quorum_address", addressFields(self, zoocfg.QuorumAddr.Quorum)},
		{"election_address", addressFields(self, zoocfg.QuorumAddr.Election)},
		{"client_address", e.ClientAddress}, {"voting", voting},
		{"last_zxid", "0x" + strconv.FormatUint(uint64(f.zxid), 16)}, {"zab_epoch", zab.Epoch(f.zxid)}, {"zab_counter", zab.Counter(f.zxid)},
		{"zabstate", strings.ToLower(e.Zab.String())}}
}

// addressFields formats a MultipleAddresses as Jackson does. All addresses count as reachable.
func addressFields(m zoocfg.Member, of func(zoocfg.QuorumAddr) zoocfg.HostPort) fields {
	var wild, hosts []string
	var ports []int
	for _, a := range m.Addrs {
		p := of(a)
		wild = append(wild, "0.0.0.0:"+strconv.Itoa(p.Port))
		hosts = append(hosts, p.Host)
		ports = append(ports, p.Port)
	}
	all := addrs(m, of)
	one := ""
	if len(all) > 0 {
		one = all[0]
	}
	return fields{{"empty", len(all) == 0}, {"all_addresses", listOf(all)}, {"all_reachable_addresses", listOf(all)}, {"one", one},
		{"reachable_address", one}, {"wildcard_addresses", listOf(wild)}, {"all_ports", listOf(ports)}, {"all_host_strings", listOf(hosts)},
		{"all_reachable_addresses_or_all", listOf(all)}, {"reachable_or_one", one}}
}
