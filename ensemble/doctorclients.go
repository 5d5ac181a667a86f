package ensemble

import (
	"cmp"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
)

// clientRules look at what the members' clients do, and at what strangers could do.
func clientRules() []*rule {
	return []*rule{
		{Code: "CONNECTIONS", Severity: warning, Limit: 80, unit: "percent", from: ofClients, Meaning: "At maxClientCnxns, a member refuses further connections from that address.",
			Fix: "Find why the client connects so often, or raise maxClientCnxns.", look: nearMaxClientCnxns},
		{Code: "CLIENT_CONNECTIONS", Severity: warning, Limit: 100, unit: "connections", from: ofClients, Meaning: "One client has many sessions; it probably opens them without closing them.",
			Fix:  "Let the client share one session; zkctl session ls lists them.",
			look: perClient("cons", func(*session) answer.Opt[int64] { return answer.Some[int64](1) })},
		{Code: "CLIENT_WATCHES", Severity: warning, Limit: 10_000, unit: "watches", from: ofClients, Meaning: "One client watches very many znodes, and sets all watches again when it reconnects.",
			Fix:  "Let the client watch with one persistent recursive watch; zkctl session show lists its watches.",
			look: perClient("wchc", func(s *session) answer.Opt[int64] { return length(s.Watches) })},
		{Code: "CLIENT_EPHEMERALS", Severity: warning, Limit: 10_000, unit: "znodes", from: ofClients, Meaning: "All ephemeral znodes of a session are deleted in one transaction when it ends.",
			Fix:  "Let the client keep fewer; zkctl session show lists them.",
			look: perClient("dump", func(s *session) answer.Opt[int64] { return length(s.Ephemerals) })},
		{Code: "CLIENT_OUTSTANDING", Severity: warning, Limit: 100, unit: "requests", from: ofClients, Meaning: "One client sends requests faster than they are answered; other clients have to wait.",
			Fix: "Let the client wait for answers; see zkctl session ls.",
			look: perClient("cons", func(s *session) (queued answer.Opt[int64]) {
				if s.Conn != nil {
					queued = s.Conn.Queued
				}
				return queued
			})},
		{Code: "OPEN_ACL", Severity: info, from: ofRoot | ofSnapshot, Meaning: "Everyone who can reach a member may change or delete these znodes.",
			Fix: "Restrict them: zkctl setAcl -R PATH SCHEME:ID:cdrwa.", look: openACL},
		{Code: "ADMIN_OPEN", Severity: warning, from: ofAdmin, Meaning: "Everyone who can reach the AdminServer sees all sessions and watches, and may reset statistics.",
			Fix: "Set admin.serverAddress=127.0.0.1 or admin.enableServer=false, or block the port in the firewall.", look: adminOpen},
		{Code: "CERTIFICATE_EXPIRES", Severity: warning, Limit: 30, unit: "days", from: ofPorts | ofConfig, Meaning: "Once the certificate has expired, clients that verify it cannot connect.",
			Fix: "Renew the certificate, and restart the member unless it reloads key stores.", look: certificates},
	}
}

// host is an address without its port.
func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}

func nearMaxClientCnxns(p *patient, r *rule) {
	var silent []string
	for _, m := range p.survey.Readings {
		g := p.clients.found[m]
		if g == nil {
			continue
		}
		limit, known := m.Settings.Int("maxClientCnxns").Get()
		if !known && p.config != nil {
			limit, known = int64(p.config.MaxClientCnxns), true
		}
		if g.consErr != nil || !known {
			silent = append(silent, m.Name())
			continue
		}
		if limit <= 0 {
			continue
		}
		from := map[string]int64{}
		for _, c := range g.conns {
			from[host(c.Address)]++
		}
		for _, client := range slices.Sorted(maps.Keys(from)) {
			if percent := percentOf(from[client], limit); percent > r.Limit {
				p.find(r, "%s: %d connections from %s, %s percent of maxClientCnxns=%d, more than %s", m.Name(), from[client], client, decimal(percent), limit, decimal(r.Limit))
			}
		}
	}
	p.untold(r, silent)
}

// perClient is a rule about a number of sessions, summed up over those from one address. word is the one that reports the number.
func perClient(word string, measure func(*session) answer.Opt[int64]) func(*patient, *rule) {
	return func(p *patient, r *rule) {
		sums := map[string]int64{}
		for _, s := range p.clients.list {
			if s.Conn != nil {
				sums[host(s.Conn.Address)] += measure(s).Or(0)
			}
		}
		for _, client := range slices.Sorted(maps.Keys(sums)) {
			if n := sums[client]; float64(n) > r.Limit {
				p.find(r, "%s: %d %s, more than %s", client, n, r.unit, decimal(r.Limit))
			}
		}
		for _, lack := range p.clients.shut {
			if lack.word == word {
				p.skip(r, "%s", lack.text)
			}
		}
	}
}

// topLevel are the children of the root with their ACLs.
type topLevel struct {
	from string // a member, or a file
	acls map[string][]proto.ACL
	more bool // some are left out
}

// maxTopLevel bounds how many znodes' ACLs are looked at.
const maxTopLevel = 1000

// open are the znodes that everybody may change, but for ZooKeeper's own.
func (t *topLevel) open() (list []string) {
	const harm = proto.PermWrite | proto.PermCreate | proto.PermDelete | proto.PermAdmin
	for _, path := range slices.Sorted(maps.Keys(t.acls)) {
		if path != "/zookeeper" && slices.ContainsFunc(t.acls[path], func(a proto.ACL) bool {
			return a.ID.Scheme == "world" && a.Perms&harm != 0
		}) {
			list = append(list, path)
		}
	}
	return list
}

func openACL(p *patient, r *rule) {
	top := p.root
	if top == nil {
		top = &p.snapshot.top
	}
	if open := top.open(); open != nil {
		p.find(r, "%s, of %s", someOf(open), top.from)
	}
	if top.more {
		p.skip(r, "only the first %d top-level znodes were checked", maxTopLevel)
	}
}

// adminServer is an AdminServer that answers.
type adminServer struct {
	address  string
	loopback bool
}

func adminOpen(p *patient, r *rule) {
	hidden := 0
	for _, a := range p.admins {
		if a.loopback {
			hidden++
			continue
		}
		p.find(r, "http://%s/commands answers", a.address)
	}
	if hidden > 0 {
		p.skip(r, "%s reached through the loopback interface only", command.Plural(hidden, "AdminServer was", "AdminServers were"))
	}
}

// portCertificate is the certificate of a port's chain that expires first.
type portCertificate struct {
	where string
	name  string
	ends  time.Time
}

func certificates(p *patient, r *rule) {
	list := slices.Clone(p.ports)
	for _, s := range p.stores() {
		if s.err != nil {
			p.skip(r, "%v", s.err)
			continue
		}
		list = append(list, s.portCertificate)
	}
	slices.SortStableFunc(list, func(a, b portCertificate) int {
		return cmp.Or(a.ends.Compare(b.ends), strings.Compare(a.where, b.where))
	})
	for _, c := range list {
		left := c.ends.Sub(p.now)
		day := c.ends.Format(time.RFC3339)
		switch days := left.Hours() / 24; {
		case left <= 0:
			p.find(r, "%s: the certificate of %s expired at %s", c.where, c.name, day)
		case days < r.Limit:
			p.find(r, "%s: the certificate of %s expires in %s, at %s", c.where, c.name, command.Counted(int(days), "day"), day)
		}
	}
	if !p.has(ofPorts) {
		p.skip(r, "%s", p.absent[ofPorts])
	}
}
