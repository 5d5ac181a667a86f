package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

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
	Ciphers      []string // IANA names, for TLS 1.2; empty means Go's choice
}

// Config reads the stores and returns the configuration for Config.TLS.
func (o *TLSOptions) Config() (*tls.Config, error) {
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
	if o.SkipHostname {
		cfg.InsecureSkipVerify = true // skips the name; the chain is still verified
		cfg.VerifyConnection = func(cs tls.ConnectionState) error { return verifyChain(cs, cfg.RootCAs) }
	}
	if err := tlsstore.SetProtocols(cfg, o.Protocols); err != nil {
		return nil, err
	}
	return cfg, tlsstore.SetCiphers(cfg, o.Ciphers)
}

// tlsFor returns the configuration for one server. Its certificate must be for host unless
// cfg.InsecureSkipVerify is set; as in ZooKeeper, a certificate without alternative names is
// compared by its common name.
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
		if err := verifyChain(cs, c.RootCAs); err != nil {
			return err
		}
		if err := verifyHost(cs.PeerCertificates[0], host); err != nil {
			return err
		}
		if then != nil {
			return then(cs)
		}
		return nil
	}
	return c
}

func verifyChain(cs tls.ConnectionState, roots *x509.CertPool) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("the server presented no certificate")
	}
	opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range cs.PeerCertificates[1:] {
		opts.Intermediates.AddCert(c)
	}
	if _, err := cs.PeerCertificates[0].Verify(opts); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: cs.PeerCertificates, Err: err}
	}
	return nil
}

func verifyHost(cert *x509.Certificate, host string) error {
	named := len(cert.DNSNames)+len(cert.IPAddresses)+len(cert.URIs)+len(cert.EmailAddresses) > 0
	err := cert.VerifyHostname(host)
	if err == nil || !named && matchCommonName(cert.Subject.CommonName, host) {
		return nil
	}
	names := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if !named && cert.Subject.CommonName != "" {
		names = append(names, cert.Subject.CommonName)
	}
	return &tls.CertificateVerificationError{UnverifiedCertificates: []*x509.Certificate{cert},
		Err: fmt.Errorf("the certificate is for %s, not for %s", strings.Join(names, ", "), host)}
}

// matchCommonName allows one asterisk, as the first label. (ZKHostnameVerifier)
func matchCommonName(cn, host string) bool {
	if cn == "" {
		return false
	}
	if strings.EqualFold(cn, host) {
		return true
	}
	_, domain, ok := strings.Cut(host, ".")
	return ok && net.ParseIP(host) == nil && strings.HasPrefix(cn, "*.") && strings.EqualFold(cn[2:], domain)
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
		host, _, err := net.SplitHostPort(addr)
		if err == nil {
			secure := tls.Client(conn, tlsFor(cfg.TLS, host))
			if err = secure.HandshakeContext(ctx); err == nil {
				return secure, nil
			}
		}
		_ = conn.Close()
		return nil, err
	}
}
