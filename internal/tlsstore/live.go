package tlsstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
)

// Policy is how a server proves who it is, to clients or to other members, and whom it accepts
// (X509Util).
type Policy struct {
	KeyStore, TrustStore Store
	ClientAuth           tls.ClientAuthType // whether who connects must have a certificate
	Protocols, Ciphers   []string
	CRL, OCSP            bool // refuse certificates that are revoked
	CallerNames          bool // certificates of those who connect must be for their addresses
	ServerNames          bool // certificates of those that are connected to, for their names
	ReverseDNS           bool // names of addresses count, as the name server gives them
}

// Live is a policy in use.
type Live struct {
	policy     Policy
	base       *tls.Config // without what the stores hold
	revocation *revocation // nil if not checked
	reload     bool
	log        func(format string, args ...any)

	mu    sync.Mutex
	stamp string // of the stores that were read last
	held  *held
}

// held is the content of the stores.
type held struct {
	cert  *tls.Certificate
	roots *x509.CertPool // nil without a trust store
}

// Open reads the stores. With reload, they are read again whenever their files have changed; log
// tells of that, and of stores that cannot be read, whose former content stays in use.
func Open(p Policy, reload bool, log func(format string, args ...any)) (*Live, error) {
	l := &Live{policy: p, reload: reload, log: log}
	// Without tickets, each connection is checked with the stores of its time.
	l.base = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: p.ClientAuth, SessionTicketsDisabled: true}
	if err := SetProtocols(l.base, p.Protocols); err != nil {
		return nil, err
	}
	without, err := SetCiphers(l.base, p.Ciphers)
	if err != nil {
		return nil, err
	}
	if len(without) > 0 {
		log("these cipher suites are not supported and are left out: %s", strings.Join(without, ", "))
	}
	if p.CRL || p.OCSP {
		l.revocation = newRevocation(p.OCSP)
	}
	l.stamp = l.files()
	l.held, err = l.read()
	return l, err
}

func (l *Live) read() (*held, error) {
	h := new(held)
	var err error
	if h.cert, err = l.policy.KeyStore.Key(); err != nil {
		return nil, err
	}
	if l.policy.TrustStore.File != "" {
		h.roots, err = l.policy.TrustStore.Trust()
	}
	return h, err
}

func (l *Live) files() string { return Stamp(&l.policy.KeyStore, &l.policy.TrustStore) }

// Stamp describes the files of stores, so that a change shows.
func Stamp(stores ...*Store) string {
	var text strings.Builder
	for _, s := range stores {
		for _, file := range []string{s.File, s.KeyFile, s.PasswordFile} {
			if file == "" {
				continue
			}
			if info, err := os.Stat(file); err == nil {
				fmt.Fprintf(&text, "%d %d\n", info.ModTime().UnixNano(), info.Size())
			} else {
				fmt.Fprintln(&text, err)
			}
		}
	}
	return text.String()
}

func (l *Live) current() *held {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.reload {
		return l.held
	}
	stamp := l.files() // before the files are read, so that a later change is not missed
	if stamp == l.stamp {
		return l.held
	}
	l.stamp = stamp
	h, err := l.read()
	if err != nil {
		l.log("the changed certificates cannot be used, the former ones stay: %v", err)
		return l.held
	}
	l.log("the certificates have changed and are used from now on")
	l.held = h
	return h
}

// Server is the configuration of a port.
func (l *Live) Server() *tls.Config {
	c := l.base.Clone()
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		h := l.current()
		c := l.base.Clone()
		c.Certificates, c.ClientCAs = []tls.Certificate{*h.cert}, h.roots
		c.VerifyConnection = func(state tls.ConnectionState) error { return l.checkCaller(state, hello.Conn.RemoteAddr()) }
		return c, nil
	}
	return c
}

// checkCaller checks what crypto/tls does not.
func (l *Live) checkCaller(state tls.ConnectionState, addr net.Addr) error {
	if len(state.PeerCertificates) == 0 {
		return nil // it is not required
	}
	if l.policy.CallerNames {
		if err := verifyAddress(state.PeerCertificates[0], addr, l.policy.ReverseDNS); err != nil {
			return err
		}
	}
	if l.revocation == nil {
		return nil
	}
	if len(state.VerifiedChains) == 0 {
		return errors.New("the certificate was not verified")
	}
	return l.revocation.check(state.VerifiedChains[0])
}

// Client is the configuration of one connection to a server at host, whose address is addr.
func (l *Live) Client(host string, addr net.Addr) *tls.Config {
	h := l.current()
	c := l.base.Clone()
	c.ServerName, c.InsecureSkipVerify = host, true // VerifyConnection does it
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return h.cert, nil }
	c.VerifyConnection = func(state tls.ConnectionState) error {
		chain, err := VerifyChain(state.PeerCertificates, h.roots, x509.ExtKeyUsageServerAuth)
		if err != nil {
			return err
		}
		if l.policy.ServerNames {
			if err = VerifyHost(chain[0], host); err != nil && verifyAddress(chain[0], addr, l.policy.ReverseDNS) != nil {
				return err
			}
		}
		if l.revocation != nil {
			return l.revocation.check(chain)
		}
		return nil
	}
	return c
}
