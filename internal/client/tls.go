package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/tlsstore"
)

// Store is a key store or a trust store.
type Store = tlsstore.Store

// TLSOptions control TLS with the servers, in the terms of ZooKeeper's zookeeper.ssl.*
// properties. The zero value trusts the system's certificate authorities and presents no
// certificate.
type TLSOptions struct {
	KeyStore   Store // the client's certificate and key; no File means none
	TrustStore Store // the trusted authorities; no File means the system's
	// SkipHostname accepts certificates from the trusted authorities for any host.
	SkipHostname bool
	Protocols    []string // "TLSv1.2", "TLSv1.3"; empty means both
	Ciphers      []string // JSSE's or IANA's names, for TLS 1.2; empty means Go's choice
	CRL, OCSP    bool     // refuse servers whose certificates are revoked
	// Supplier is a Java class that makes the TLS context (context.supplier.class), which is an error.
	Supplier string
}

// Open reads the stores and returns what Config.TLS and Config.TLSStores need.
func (o *TLSOptions) Open() (*tls.Config, *TLSStores, error) {
	s := &TLSStores{options: *o}
	cfg, err := s.config()
	return cfg, s, err
}

// TLSStores are stores in use, which are read again when their files have changed.
type TLSStores struct {
	options TLSOptions

	mu    sync.Mutex
	stamp string
	last  *tls.Config // as of stamp
}

func (s *TLSStores) config() (*tls.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stamp := tlsstore.Stamp(&s.options.KeyStore, &s.options.TrustStore) // before the files are read, so that a later change is not missed
	if s.last != nil && stamp == s.stamp {
		return s.last, nil
	}
	cfg, err := s.options.Config()
	if err == nil {
		s.stamp, s.last = stamp, cfg
	}
	return cfg, err
}

// Config reads the stores and returns the configuration for Config.TLS.
func (o *TLSOptions) Config() (*tls.Config, error) {
	if o.Supplier != "" {
		return nil, fmt.Errorf("zookeeper.ssl.context.supplier.class=%s: a Java class cannot make the TLS context here; "+
			"name the stores with zookeeper.ssl.keyStore.location and zookeeper.ssl.trustStore.location", o.Supplier)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.KeyStore.File != "" {
		cert, err := o.KeyStore.Key()
		if err != nil {
			return nil, err
		}
		// Always present the only certificate there is, whatever authorities the server lists.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	if o.TrustStore.File != "" {
		var err error
		// Differs(expired-server-certificate): Java does not check the validity of a certificate
		// that is itself in the trust store.
		if cfg.RootCAs, err = o.TrustStore.Trust(); err != nil {
			return nil, err
		}
	}
	var revocation func(chain []*x509.Certificate) error
	if o.CRL || o.OCSP {
		revocation = tlsstore.Revocation(o.OCSP)
	}
	if o.SkipHostname || revocation != nil {
		cfg.VerifyConnection = func(cs tls.ConnectionState) error {
			chain, err := tlsstore.VerifyChain(cs.PeerCertificates, cfg.RootCAs, x509.ExtKeyUsageServerAuth)
			if err == nil && revocation != nil {
				err = revocation(chain)
			}
			return err
		}
	}
	cfg.InsecureSkipVerify = o.SkipHostname // skips the name; the chain is still verified
	if err := tlsstore.SetProtocols(cfg, o.Protocols); err != nil {
		return nil, err
	}
	_, err := tlsstore.SetCiphers(cfg, o.Ciphers)
	return cfg, err
}

// tlsFor returns the configuration for one server. Its certificate must be for host unless
// cfg.InsecureSkipVerify is set.
func tlsFor(cfg *tls.Config, host string) *tls.Config {
	c := cfg.Clone()
	if c.ServerName == "" {
		c.ServerName = host
	}
	if c.InsecureSkipVerify {
		return c
	}
	host = c.ServerName
	then := c.VerifyConnection
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		if _, err := tlsstore.VerifyChain(cs.PeerCertificates, c.RootCAs, x509.ExtKeyUsageServerAuth); err != nil {
			return err
		}
		if err := tlsstore.VerifyHost(cs.PeerCertificates[0], host); err != nil {
			return err
		}
		if then != nil {
			return then(cs)
		}
		return nil
	}
	return c
}

// secure returns the TLS configuration for a connection to host, if cfg has TLS.
func (cfg *Config) secure(host string) (*tls.Config, error) {
	if cfg.TLSStores == nil {
		return tlsFor(cfg.TLS, host), nil
	}
	fresh, err := cfg.TLSStores.config()
	if err != nil {
		return nil, err
	}
	return tlsFor(fresh, host), nil
}

// Dialer returns a function that opens connections to servers as sessions do: through cfg.Dial, and if the
// configuration has TLS, with a handshake that checks the server's name as ZooKeeper does.
func (cfg Config) Dialer() func(ctx context.Context, network, addr string) (net.Conn, error) {
	dial := cfg.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	if cfg.TLS == nil {
		return dial
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		start := time.Now()
		host, _, err := net.SplitHostPort(addr)
		var how *tls.Config
		if err == nil {
			how, err = cfg.secure(host)
		}
		if err == nil {
			secure := tls.Client(conn, how)
			if err = secure.HandshakeContext(ctx); err == nil {
				return securedConn{secure}, nil
			}
			err = tlsFault(err, ctx.Err() != nil, time.Since(start).Round(time.Millisecond))
		}
		_ = conn.Close()
		return nil, err
	}
}

// securedConn says in our words why the server ends a connection: with TLS 1.3 it judges the client's certificate only after the
// client's handshake.
type securedConn struct{ *tls.Conn }

func (c securedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, alerted(err)
}

func (c securedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, alerted(err)
}

func alerted(err error) error {
	if alert := TLSAlert(err); alert != "" {
		return &fault{alertFault(alert), err}
	}
	return err
}
