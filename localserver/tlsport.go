package localserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/tempdir"
)

// authority is who vouches for the members' TLS ports: a certificate that signs itself, made for one
// ensemble.
type authority struct {
	dir  *tempdir.Dir // holds the key store
	cert []byte       // PEM
	pool *x509.CertPool
}

// certified is for how long the certificate is valid: longer than any test moves the clock.
const certified = 10 * 365 * 24 * time.Hour

func newAuthority(host string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "localserver"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certified),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = append(template.IPAddresses, ip)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	a := &authority{cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pool: x509.NewCertPool()}
	a.pool.AppendCertsFromPEM(a.cert)
	if a.dir, err = tempdir.Make("local-tls"); err != nil {
		return nil, err
	}
	store := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), a.cert...)
	if err := os.WriteFile(a.keyStore(), store, 0o600); err != nil {
		_ = a.dir.Remove()
		return nil, fmt.Errorf("write the key of the TLS ports: %w", err)
	}
	return a, nil
}

func (a *authority) keyStore() string { return filepath.Join(a.dir.Path(), "server.pem") }

// settings are a member's lines of zoo.cfg.
func (a *authority) settings(m *Member) map[string]string {
	return map[string]string{
		"secureClientPort": strconv.Itoa(m.secure), "secureClientPortAddress": m.at().client.Host,
		"ssl.keyStore.location": filepath.ToSlash(a.keyStore()), "ssl.keyStore.type": "PEM", "ssl.clientAuth": "none",
	}
}

func (a *authority) close() error {
	if a == nil {
		return nil
	}
	return a.dir.Remove()
}

// TLSAddr is where clients connect with TLS, host:port; "" without Options.TLS.
func (m *Member) TLSAddr() string {
	if m.secure == 0 {
		return ""
	}
	return net.JoinHostPort(m.at().client.Host, strconv.Itoa(m.secure))
}

// TLSConnectString is ConnectString for clients that use TLS; "" without Options.TLS.
func (e *Ensemble) TLSConnectString() string {
	if e.authority == nil {
		return ""
	}
	var addrs []string
	for _, m := range e.Members() {
		addrs = append(addrs, m.TLSAddr())
	}
	return strings.Join(addrs, ",")
}

// TLSConfig is what a client in Go connects with to TLSConnectString: it trusts the members'
// certificate. It is nil without Options.TLS.
func (e *Ensemble) TLSConfig() *tls.Config {
	if e.authority == nil {
		return nil
	}
	return &tls.Config{RootCAs: e.authority.pool, MinVersion: tls.VersionTLS12}
}

// TLSCertificate is the certificate, in PEM, that other clients have to trust; nil without
// Options.TLS.
func (e *Ensemble) TLSCertificate() []byte {
	if e.authority == nil {
		return nil
	}
	return append([]byte(nil), e.authority.cert...)
}
