package ensemble

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/tlsstore"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// askMembers collects what the survey does not contain, all at once. What cannot be obtained is absent.
func (p *patient) askMembers(ctx context.Context, prober *probe.Prober, timeout time.Duration, wanted source) error {
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var serving []*probe.Reading
	for _, m := range p.survey.Readings {
		if m.State == probe.Serving {
			serving = append(serving, m)
		}
	}
	if serving == nil {
		p.lacks(ofClients|ofRoot, "no member serves")
		wanted &^= ofClients | ofRoot
	}
	var clientsErr, rootErr error
	var wg sync.WaitGroup
	ask := func(s source, question func()) {
		if wanted&s != 0 {
			wg.Go(question)
		}
	}
	ask(ofClients, func() { p.clients, clientsErr = sessionsOf(ctx, prober, p.survey, timeout) })
	ask(ofRoot, func() { p.root, rootErr = topLevelOf(within, prober, serving) })
	ask(ofAdmin|ofMembers, func() { p.askAdmin(within, prober) })
	ports, known := tlsPorts(prober, p.survey.Readings)
	ask(ofPorts, func() { p.ports = portCertificates(within, prober, ports) })
	wg.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if clientsErr != nil {
		p.lacks(ofClients, clientsErr.Error())
	}
	if rootErr != nil {
		p.lacks(ofRoot, fmt.Sprintf("the ACLs of the top-level znodes cannot be read: %v", probe.Reason(rootErr)))
	}
	if len(p.admins) == 0 {
		p.lacks(ofAdmin, "no AdminServer answers at --admin-port")
	}
	switch {
	case len(ports) == 0 && !known:
		p.lacks(ofPorts, "no port with TLS is known: -tls is not given, and the members do not tell their secureClientPort (the word conf)")
	case len(ports) > 0 && len(p.ports) == 0:
		p.lacks(ofPorts, "no port with TLS answers")
	}
	return nil
}

// topLevelOf reads the ACLs of the top-level znodes in a session with one of the members.
func topLevelOf(ctx context.Context, prober *probe.Prober, serving []*probe.Reading) (*topLevel, error) {
	var failure error
	for _, m := range serving {
		conn, err := prober.Session(ctx, &m.Member, true)
		if err != nil {
			failure = errors.Join(failure, err)
			continue
		}
		defer conn.Close()
		names, _, err := conn.Children(ctx, "/", false)
		if err != nil {
			return nil, err
		}
		top := &topLevel{from: "those at " + m.Name(), acls: map[string][]proto.ACL{}, more: len(names) > maxTopLevel}
		for _, name := range names[:min(len(names), maxTopLevel)] {
			acl, _, err := conn.GetACL(ctx, "/"+name)
			switch {
			case errors.Is(err, proto.ErrNoAuth), errors.Is(err, proto.ErrNoNode):
				continue // so it is not open to all, or gone
			case err != nil:
				return nil, err
			}
			top.acls["/"+name] = acl
		}
		return top, nil
	}
	return nil, failure
}

// askAdmin asks the members' AdminServers, and notes the clocks and snapshots that they report.
func (p *patient) askAdmin(ctx context.Context, prober *probe.Prober) {
	type told struct {
		server *adminServer
		clock  answer.Opt[int64]
		last   answer.Opt[answer.Hex]
	}
	members := p.survey.Readings
	found := make([]told, len(members))
	var wg sync.WaitGroup
	for i, m := range members {
		if m.AdminPort == 0 || len(m.Addresses) == 0 {
			continue
		}
		wg.Go(func() {
			to, t := m.Member, &found[i]
			o, clock, err := prober.AdminAndClock(ctx, &to, "last_snapshot")
			var refused *answer.AdminError // before 3.7 there is no such command
			if err != nil && !errors.As(err, &refused) && !errors.Is(err, probe.ErrNotServing) {
				return
			}
			host := m.Addresses[0].Host
			t.server = &adminServer{net.JoinHostPort(host, strconv.Itoa(m.AdminPort)), isLoopback(ctx, host)}
			t.clock = clock
			if err == nil && slices.Contains(m.Doors, probe.Admin) { // else it may be another member's
				t.last = o.LastSnapshot()
			}
		})
	}
	wg.Wait()
	p.lastSnapshot = map[*probe.Reading]answer.Opt[answer.Hex]{}
	seen := map[string]bool{}
	for i, t := range found {
		if t.server == nil {
			continue
		}
		members[i].Clock.Fill(t.clock)
		p.lastSnapshot[members[i]] = t.last
		if !seen[t.server.address] {
			seen[t.server.address] = true
			p.admins = append(p.admins, t.server)
		}
	}
}

// isLoopback reports whether a host is this machine, under a name that only this machine has.
func isLoopback(ctx context.Context, host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	found, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	for _, a := range found {
		if !a.IP.IsLoopback() {
			return false
		}
	}
	return err == nil
}

// tlsPorts are the members' ports that speak TLS. known is false if a member may have one that is not known.
func tlsPorts(prober *probe.Prober, members []*probe.Reading) (list []string, known bool) {
	known = true
	for _, m := range members {
		if len(m.Addresses) == 0 {
			continue
		}
		port, told := m.Settings.Int("secureClientPort").Get()
		switch {
		case prober.Client.TLS != nil:
			list = append(list, m.Name())
		case told && port > 0:
			list = append(list, client.Address{Host: m.Addresses[0].Host, Port: int(port)}.String())
		case !told:
			known = false
		}
	}
	return list, known
}

func portCertificates(ctx context.Context, prober *probe.Prober, ports []string) (list []portCertificate) {
	found := make([][]*x509.Certificate, len(ports))
	var wg sync.WaitGroup
	for i, port := range ports {
		wg.Go(func() { found[i] = chainOf(ctx, prober, port) })
	}
	wg.Wait()
	for i, port := range ports {
		if c, ok := firstToExpire(port, found[i]); ok {
			list = append(list, c)
		}
	}
	return list
}

// chainOf are the certificates that a port shows, whether they are valid or not.
func chainOf(ctx context.Context, prober *probe.Prober, port string) (chain []*x509.Certificate) {
	plain := prober.Client
	plain.TLS = nil // the handshake below takes its place
	conn, err := plain.Dialer()(ctx, "tcp", port)
	if err != nil {
		return nil
	}
	defer conn.Close()
	// Nothing is sent through the connection, and nothing that comes is believed but the dates of the certificates.
	host, _, _ := net.SplitHostPort(port)
	cfg := tlsstore.Lenient(host, prober.Client.TLS)
	cfg.VerifyConnection = func(s tls.ConnectionState) error {
		chain = s.PeerCertificates
		return nil
	}
	_ = tls.Client(conn, cfg).HandshakeContext(ctx) // which may fail for want of a client's certificate, after the port showed its own
	return chain
}

func firstToExpire(where string, chain []*x509.Certificate) (portCertificate, bool) {
	var first *x509.Certificate
	for _, c := range chain {
		if first == nil || c.NotAfter.Before(first.NotAfter) {
			first = c
		}
	}
	if first == nil {
		return portCertificate{}, false
	}
	return portCertificate{where, first.Subject.String(), first.NotAfter}, true
}

// storeCertificate is the certificate of a key store or trust store that expires first.
type storeCertificate struct {
	portCertificate
	err error
}

// stores reads the stores that zoo.cfg names.
func (p *patient) stores() (list []storeCertificate) {
	if p.config == nil {
		return nil
	}
	for _, named := range []struct {
		key   string
		store zoocfg.Store
	}{
		{"ssl.keyStore.location", p.config.TLS.KeyStore}, {"ssl.trustStore.location", p.config.TLS.TrustStore},
		{"ssl.quorum.keyStore.location", p.config.QuorumTLS.KeyStore}, {"ssl.quorum.trustStore.location", p.config.QuorumTLS.TrustStore},
	} {
		s := named.store
		if s.Location == "" {
			continue
		}
		where := named.key + "=" + s.Location
		if _, err := os.Stat(s.Location); errors.Is(err, os.ErrNotExist) {
			list = append(list, storeCertificate{err: fmt.Errorf("%s is not on this machine", where)})
			continue
		}
		store := tlsstore.Store{File: s.Location, Type: s.Type, Password: s.Password, PasswordFile: s.PasswordPath}
		chain, _, err := store.Inspect()
		c, _ := firstToExpire(where, chain)
		if err != nil {
			err = fmt.Errorf("%s: %w", named.key, err)
		}
		list = append(list, storeCertificate{c, err})
	}
	return list
}
