package authn

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/sasl/digestmd5"
	"github.com/zkctl/zkctl/internal/sasl/jaas"
	"github.com/zkctl/zkctl/internal/sasl/krb5"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// Members returns how members authenticate to each other (QuorumPeer.initialize); nil means not at all.
func (s *Source) Members() (*zab.Auth, error) {
	cfg := &s.Config.QuorumSASL
	if !cfg.Enabled {
		return nil, nil
	}
	if s.Config.SASL.LoginFile == "" {
		return nil, fmt.Errorf("quorum.auth.enableSasl=true needs a JAAS file with the sections %s and %s: set -Djava.security.auth.login.config=/path/to/jaas.conf in SERVER_JVMFLAGS", cfg.ServerSection, cfg.LearnerSection)
	}
	section, err := s.section(cfg.ServerSection)
	if err != nil {
		return nil, err
	}
	login, err := s.newServer(section)
	if err != nil {
		return nil, err
	}
	auth := &zab.Auth{Required: cfg.ServerRequires, Accept: func(hosts []string) zab.AuthExchange {
		return &member{exchange: login.exchange(digestmd5.QuorumProtocol, digestmd5.QuorumServer, login.password), kerberos: login.service != nil, hosts: hosts}
	}}
	// Even where it is not used yet, a wrong section is found now.
	connect, err := s.learner()
	if err != nil {
		return nil, err
	}
	if cfg.LearnerRequires {
		auth.Connect = connect
	}
	return auth, nil
}

// member is the authentication of a member.
type member struct {
	exchange
	kerberos bool
	hosts    []string
}

// Step also checks that the member may join (SaslQuorumServerCallbackHandler).
//
// Differs(member-principals): Apache 3.8.0 lets in principals without a host (CVE-2023-44981), and whoever is not done
// after five tokens; the hosts that it knows are those of its start.
func (m *member) Step(token []byte) (answer []byte, done bool, err error) {
	answer, done, err = m.exchange.Step(token)
	if !done || err != nil {
		return answer, done, err
	}
	if m.User() != m.AuthorizationID() {
		return nil, false, fmt.Errorf("%q is not authorized to act as %q", m.User(), m.AuthorizationID())
	}
	if m.kerberos {
		parts := strings.FieldsFunc(m.User(), func(r rune) bool { return r == '/' || r == '@' })
		if len(parts) != 3 || !slices.Contains(m.hosts, parts[1]) {
			return nil, false, fmt.Errorf("SASL authorization completed, %s is not authorized to connect: its host must be one of %s", m.User(), strings.Join(m.hosts, ", "))
		}
	}
	return answer, true, nil
}

// learner is the login with which this member connects to others.
func (s *Source) learner() (func(ctx context.Context, host string) (zab.AuthExchange, error), error) {
	section, err := s.section(s.Config.QuorumSASL.LearnerSection)
	if err != nil {
		return nil, err
	}
	for _, m := range section.Modules {
		if err := m.Check(); err != nil {
			return nil, err
		}
		if m.IsKrb5() {
			return s.initiator(m)
		}
	}
	if len(section.Modules) == 0 {
		return nil, section.Fault("section %q is empty", section.Name)
	}
	identity, err := section.Modules[0].Digest()
	if err != nil {
		return nil, err
	}
	return func(context.Context, string) (zab.AuthExchange, error) {
		return digestmd5.NewClient(identity.User, identity.Password, digestmd5.QuorumProtocol, digestmd5.QuorumServer), nil
	}, nil
}

// initiator is the Kerberos login with which this member connects to others. A host of _HOST stands for the other
// member's (SecurityUtils.getServerPrincipal).
func (s *Source) initiator(m *jaas.Module) (func(ctx context.Context, host string) (zab.AuthExchange, error), error) {
	k, err := m.Krb5()
	if err != nil {
		return nil, err
	}
	if !k.UseKeyTab && !k.UseTicketCache {
		return nil, m.Fault(`Krb5LoginModule of a member needs useKeyTab=true keyTab="/path/to/keytab", or useTicketCache=true`)
	}
	cfg := &s.Config.QuorumSASL
	client := &krb5.Client{
		Principal: k.Principal, UseKeytab: k.UseKeyTab, Keytab: k.KeyTab, UseCache: k.UseTicketCache, Cache: k.TicketCache,
		Config: s.kerberos, Realm: cfg.Realm,
	}
	if service, host, ok := strings.Cut(cfg.Principal, "/"); ok && host == "_HOST" {
		client.Service = service
	} else {
		client.Server = cfg.Principal
	}
	return func(ctx context.Context, host string) (zab.AuthExchange, error) {
		return client.Start(ctx, host, netip.Addr{})
	}, nil
}
