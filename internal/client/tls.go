package client

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// Store is a key store or a trust store.
type Store struct {
	File         string
	Type         string // PEM, PKCS12 or JKS; "" to tell by the content
	Password     string
	PasswordFile string // holds the password, in place of Password; a newline at its end does not count
}

// password reads the password from where it is.
func (s *Store) password() (string, error) {
	if s.PasswordFile == "" {
		return s.Password, nil
	}
	b, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("password of %s: %w", s.File, err)
	}
	return string(bytes.TrimRight(b, "\r\n")), nil
}

// TLSOptions say how to speak TLS with the servers, in the terms of ZooKeeper's
// zookeeper.ssl.* properties. The zero value trusts the system's certificate authorities
// and shows no certificate.
type TLSOptions struct {
	KeyStore   Store // the client's certificate and key; no File for none
	TrustStore Store // the authorities to trust; no File for the system's
	// SkipHostname accepts a certificate of the trusted authorities for whatever host.
	SkipHostname bool
	Protocols    []string // "TLSv1.2", "TLSv1.3"; both when empty
	Ciphers      []string // IANA names, for TLS 1.2; Go's choice when empty
}

// Config reads the stores and returns the configuration for Config.TLS.
func (o *TLSOptions) Config() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.KeyStore.File != "" {
		cert, err := loadKey(&o.KeyStore)
		if err != nil {
			return nil, fmt.Errorf("key store %s: %w", o.KeyStore.File, err)
		}
		// The server's list of authorities is no reason to hide the only certificate there is.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	if o.TrustStore.File != "" {
		certs, err := loadTrust(&o.TrustStore)
		if err == nil && len(certs) == 0 {
			err = errors.New("it holds no certificate")
		}
		if err != nil {
			return nil, fmt.Errorf("trust store %s: %w", o.TrustStore.File, err)
		}
		cfg.RootCAs = x509.NewCertPool()
		for _, c := range certs {
			cfg.RootCAs.AddCert(c)
		}
	}
	if o.SkipHostname {
		cfg.InsecureSkipVerify = true // of the name; the chain is verified all the same
		cfg.VerifyConnection = func(cs tls.ConnectionState) error { return verifyChain(cs, cfg.RootCAs) }
	}
	if err := o.protocols(cfg); err != nil {
		return nil, err
	}
	return cfg, o.ciphers(cfg)
}

var protocolVersions = map[string]uint16{
	"TLSv1": tls.VersionTLS10, "TLSv1.1": tls.VersionTLS11, "TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13,
}

func (o *TLSOptions) protocols(cfg *tls.Config) error {
	for i, name := range o.Protocols {
		v, ok := protocolVersions[name]
		if !ok {
			return fmt.Errorf("TLS protocol %q is not known; TLSv1.2 and TLSv1.3 are", name)
		}
		if i == 0 {
			cfg.MinVersion, cfg.MaxVersion = v, v
		}
		cfg.MinVersion, cfg.MaxVersion = min(cfg.MinVersion, v), max(cfg.MaxVersion, v)
	}
	return nil
}

func (o *TLSOptions) ciphers(cfg *tls.Config) error {
	known := append(tls.CipherSuites(), tls.InsecureCipherSuites()...)
next:
	for _, name := range o.Ciphers {
		for _, suite := range known {
			if suite.Name == name {
				cfg.CipherSuites = append(cfg.CipherSuites, suite.ID)
				continue next
			}
		}
		return fmt.Errorf("cipher suite %q is not available", name)
	}
	return nil
}

// tlsFor is the configuration for one server. Its certificate must be for host unless
// cfg.InsecureSkipVerify; as in ZooKeeper, a certificate without alternative names is
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
		return errors.New("the server showed no certificate")
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
		Err: fmt.Errorf("it is for %s, not for %s", strings.Join(names, ", "), host)}
}

// matchCommonName allows one asterisk, for the first label. (ZKHostnameVerifier)
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
