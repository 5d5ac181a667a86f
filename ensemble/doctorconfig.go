package ensemble

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/nearest"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// configRules look at a zoo.cfg.
func configRules() []*rule {
	return []*rule{
		{Code: "CONFIG_INVALID", Severity: critical, from: ofFile, Meaning: "The server does not start with this file.", Fix: "Correct what the evidence names.", look: configInvalid},
		{Code: "CONFIG_WARNING", Severity: warning, from: ofFile, Meaning: "A setting has no effect, or not the one that it seems to have.", Fix: "Correct the key, or remove the line.", look: configWarning},
		{Code: "UNKNOWN_KEY", Severity: warning, from: ofFile, Meaning: "ZooKeeper does not know the key, so the setting has no effect.", Fix: "Correct the key, or remove the line.", look: unknownKey},
		{Code: "MYID", Severity: critical, from: ofFile, Meaning: "Without the right number in dataDir/myid, the server does not start, or starts as another member.",
			Fix: "Write the number of this host's server line to the file myid in dataDir.", look: myID},
		{Code: "NO_AUTOPURGE", Severity: warning, from: ofConfig, Meaning: "Old snapshots and logs accumulate until the disk is full.", Fix: "Set autopurge.purgeInterval=24, or run zkctl snapshot purge regularly.", look: noAutopurge},
		{Code: "DATA_IN_TMP", Severity: critical, from: ofConfig | ofDirs, Meaning: "The system may delete the data when it restarts.", Fix: "Move dataDir out of /tmp.", look: dataInTmp},
		{Code: "ANY_ADDRESS", Severity: critical, from: ofConfig, Meaning: "Other members cannot connect to 0.0.0.0.", Fix: "Write the host's name or address; quorumListenOnAllIPs=true listens on all of them.", look: anyAddress},
		{Code: "DUPLICATE_ADDRESS", Severity: critical, from: ofConfig, Meaning: "Two sockets cannot listen on the same address.", Fix: "Give each member its own ports.", look: duplicateAddress},
		{Code: "DUPLICATE_ID", Severity: critical, from: ofFile, Meaning: "Of two server lines with the same id, the last one wins, and the other member is missing.", Fix: "Give each member its own id.", look: duplicateID},
		{Code: "SESSION_TIMEOUTS", Severity: warning, from: ofConfig, Meaning: "Sessions outside 2 to 20 ticks expire early or late: expiry is rounded to the tick.",
			Fix: "Remove minSessionTimeout and maxSessionTimeout, or change tickTime.", look: sessionTimeouts},
		{Code: "SERVER_ID", Severity: critical, from: ofConfig, Meaning: "Ids over 254 break znodes with a time to live.", Fix: "Give the member an id from 1 to 254.", look: serverID},
		{Code: "WORDS_OPEN", Severity: info, from: ofConfig, Meaning: "Everyone who can reach the client port may reset statistics and list all sessions and watches.",
			Fix: "Name the words that you need in 4lw.commands.whitelist.", look: wordsOpen},
	}
}

// loadConfig reads a zoo.cfg, which may be wrong.
func (p *patient) loadConfig(ctx context.Context, file string) error {
	text, err := infile.File(ctx, file, infile.MostSettings)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if p.problem = err; err == nil {
		p.config, p.warnings, p.problem = zoocfg.LoadText(file, text, nil)
	}
	if p.config == nil {
		p.lacks(ofConfig, invalid)
	}
	return nil
}

// invalid is why there is no configuration; CONFIG_INVALID says what is wrong with the file.
const invalid = "the configuration cannot be read"

func configInvalid(p *patient, r *rule) {
	if p.problem != nil && !errors.Is(p.problem, zoocfg.ErrMyID) {
		p.find(r, "%v", p.problem)
	}
}

func configWarning(p *patient, r *rule) {
	for _, w := range p.warnings {
		// The others have their own codes, or concern only the embedded server.
		if !w.Unknown() && !w.EmbeddedOnly() && !w.AboutVoters() && !isServerTwice(w) {
			p.find(r, "%v", w)
		}
	}
}

func unknownKey(p *patient, r *rule) {
	for _, w := range p.warnings {
		if !w.Unknown() {
			continue
		}
		text := fmt.Sprintf("%s:%d: %s", w.File, w.Line, w.Key)
		if q := nearest.DidYouMean(w.Key, "", zoocfg.Names()); q != "" {
			text += "; " + q
		}
		p.find(r, "%s", text)
	}
}

func myID(p *patient, r *rule) {
	switch {
	case p.config == nil:
		p.skip(r, invalid)
	case !p.config.Distributed():
	case !p.has(ofDirs):
		p.skip(r, "%s", p.absent[ofDirs])
	case errors.Is(p.problem, zoocfg.ErrMyID):
		p.find(r, "%v", p.problem)
	default:
		if _, listed := p.config.Self(); !listed {
			p.find(r, "%s has %d, and there is no server.%d in %s", filepath.Join(p.config.DataDir, "myid"), p.config.ServerID, p.config.ServerID, p.config.File)
		}
	}
}

func noAutopurge(p *patient, r *rule) {
	if p.config.PurgeInterval <= 0 {
		p.find(r, "autopurge.purgeInterval is 0 or not set")
	}
}

func dataInTmp(p *patient, r *rule) {
	var folders []string
	if p.config != nil {
		folders = append(folders, p.config.DataDir, p.config.DataLogDir)
	} else {
		folders = p.dirs.folders
	}
	slices.Sort(folders)
	for _, dir := range slices.Compact(folders) {
		if clean := filepath.ToSlash(filepath.Clean(dir)); clean == "/tmp" || strings.HasPrefix(clean, "/tmp/") || strings.HasPrefix(clean, "/var/tmp/") {
			p.find(r, "%s", dir)
		}
	}
}

func anyAddress(p *patient, r *rule) {
	for _, m := range p.config.Verifier.Members() {
		if slices.ContainsFunc(m.Addrs, func(a zoocfg.QuorumAddr) bool { return a.Quorum().AnyHost() }) {
			p.find(r, "server.%d=%v", m.ID, m)
		}
	}
}

// socket is where a server of the configuration listens.
type socket struct {
	at    zoocfg.HostPort
	of    string
	local bool // of the server that reads the file
}

// clashes reports whether only one of two sockets can be.
func (s socket) clashes(o socket) bool {
	return s.at.Port == o.at.Port && (strings.EqualFold(s.at.Host, o.at.Host) || s.local && o.local && (s.at.AnyHost() || o.at.AnyHost()))
}

// sockets returns those of all members, then the other ones of the server that reads the file.
func sockets(c *zoocfg.Config) (list []socket) {
	self, listed := c.Self()
	for _, m := range c.Verifier.Members() {
		local := listed && m.ID == self.ID
		add := func(at zoocfg.HostPort, what string) {
			list = append(list, socket{at, fmt.Sprintf("the %s address of server.%d", what, m.ID), local})
		}
		for _, a := range m.Addrs {
			add(a.Quorum(), "quorum")
			add(a.Election(), "election")
			if m.Client.AnyHost() && !local {
				add(zoocfg.HostPort{Host: a.Host, Port: m.Client.Port}, "client")
			}
		}
		if !m.Client.AnyHost() || local {
			add(m.Client, "client")
		}
	}
	if !listed {
		list = append(list, socket{c.Client, "clientPort", true})
	}
	list = append(list, socket{c.SecureClient, "secureClientPort", true})
	if c.AdminEnabled {
		list = append(list, socket{c.AdminAddress, "admin.serverPort", true})
	}
	if c.ExportsMetrics() {
		list = append(list, socket{c.MetricsAddress, "metricsProvider.httpPort", true})
	}
	return slices.DeleteFunc(list, func(s socket) bool { return s.at.Port == 0 })
}

func duplicateAddress(p *patient, r *rule) {
	list := sockets(p.config)
	for i, s := range list {
		if j := slices.IndexFunc(list[:i], s.clashes); j >= 0 {
			where := s.at.String()
			if s.at.AnyHost() {
				where = fmt.Sprintf("port %d", s.at.Port)
			}
			p.find(r, "%s is %s and %s", where, list[j].of, s.of)
		}
	}
}

func isServerTwice(w zoocfg.Warning) bool { return w.Repeated() && strings.HasPrefix(w.Key, "server.") }

func duplicateID(p *patient, r *rule) {
	for _, w := range p.warnings {
		if isServerTwice(w) {
			p.find(r, "%v", w)
		}
	}
}

func sessionTimeouts(p *patient, r *rule) {
	c := p.config
	if c.MinSessionTimeout < 2*c.TickTime || c.MaxSessionTimeout > 20*c.TickTime {
		p.find(r, "sessions may take %v to %v; a tick is %v", c.MinSessionTimeout, c.MaxSessionTimeout, c.TickTime)
	}
}

func serverID(p *patient, r *rule) {
	why := ""
	switch {
	case p.config.ExtendedTypes:
		why = "extendedTypesEnabled is on"
	case p.snapshot != nil && p.snapshot.ttl != "":
		why = fmt.Sprintf("%s has a time to live", p.snapshot.ttl)
	default:
		return
	}
	for _, m := range p.config.Verifier.Members() {
		if m.ID > 254 {
			p.find(r, "server.%d, and %s", m.ID, why)
		}
	}
}

func wordsOpen(p *patient, r *rule) {
	if slices.Contains(p.config.FourLetterWords, "*") {
		p.find(r, "4lw.commands.whitelist=*")
	}
}
