package localserver

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/authority"
	"github.com/zkctl/zkctl/internal/tempdir"
)

// identities are the certificates of an ensemble: of its members, and of a client.
type identities struct {
	folder *authority.Folder
	temp   *tempdir.Dir // nil if the folder is kept
	pool   *x509.CertPool
	client tls.Certificate
}

// certified is for how long the certificates are valid: longer than any test moves the clock.
const certified = 10 * 365 * 24 * time.Hour

// Files in Options.TLSDir, besides ca.pem and truststore.p12.
const (
	memberIdentity = "member"
	clientIdentity = "client"
)

func newIdentities(dir, host string) (_ *identities, err error) {
	i := &identities{pool: x509.NewCertPool()}
	if dir == "" {
		if i.temp, err = tempdir.Make("local-tls"); err != nil {
			return nil, err
		}
		dir = i.temp.Path()
	}
	defer func() {
		if err != nil {
			_ = i.close()
			err = fmt.Errorf("make the certificates of the TLS ports: %w", err)
		}
	}()
	until := time.Now().Add(certified)
	if i.folder, err = authority.Open(dir, "localserver", until); err != nil {
		return nil, err
	}
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if host != "localhost" && host != "127.0.0.1" && host != "::1" {
		hosts = append(hosts, host)
	}
	for file, s := range map[string]authority.Subject{
		memberIdentity: {Name: "member", Hosts: hosts, Client: true, Until: until},
		clientIdentity: {Name: "client", Client: true, Until: until},
	} {
		if !i.folder.Has(file + ".pem") {
			if _, err = i.folder.Add(file, s); err != nil {
				return nil, err
			}
		}
	}
	i.pool.AddCert(i.folder.Cert)
	client := i.path(clientIdentity + ".pem")
	i.client, err = tls.LoadX509KeyPair(client, client)
	return i, err
}

func (i *identities) path(file string) string { return i.folder.Path(file) }

// settings are a member's lines of zoo.cfg.
func (i *identities) settings(m *Member) map[string]string {
	cfg := map[string]string{}
	stores := func(prefix string) {
		cfg[prefix+"keyStore.location"] = filepath.ToSlash(i.path(memberIdentity + ".pem"))
		cfg[prefix+"trustStore.location"] = filepath.ToSlash(i.path(authority.CertFile))
	}
	if m.secure != 0 {
		cfg["secureClientPort"], cfg["secureClientPortAddress"] = strconv.Itoa(m.secure), m.at().client.Host
		cfg["ssl.clientAuth"] = "want"
		stores("ssl.")
	}
	if m.e.opt.QuorumTLS {
		cfg["sslQuorum"] = "true"
		stores("ssl.quorum.")
	}
	return cfg
}

func (i *identities) close() error {
	if i == nil || i.temp == nil {
		return nil
	}
	return i.temp.Remove()
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
	if !e.opt.TLS {
		return ""
	}
	var addrs []string
	for _, m := range e.Members() {
		addrs = append(addrs, m.TLSAddr())
	}
	return strings.Join(addrs, ",")
}

// TLSConfig is what a client in Go connects with to TLSConnectString: it trusts the members'
// certificate, and presents one of its own, whose x509 id is TLSClientID. It is nil without Options.TLS.
func (e *Ensemble) TLSConfig() *tls.Config {
	if !e.opt.TLS {
		return nil
	}
	return &tls.Config{RootCAs: e.identities.pool, MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{e.identities.client}}
}

// TLSClientID is the id, of the scheme x509, of clients that use TLSConfig.
const TLSClientID = "CN=client"

// TLSCertificate is the certificate, in PEM, that other clients have to trust; nil without
// Options.TLS.
func (e *Ensemble) TLSCertificate() []byte {
	if !e.opt.TLS {
		return nil
	}
	return e.identities.folder.CertPEM()
}

// TLSFiles are the stores for other clients, in PEM and PKCS12, with the file that has the password of
// the latter. They last as long as the ensemble, or are kept in Options.TLSDir.
type TLSFiles struct {
	TrustPEM, TrustPKCS12 string // the authority that vouches for the members
	KeyPEM, KeyPKCS12     string // a client's key and certificate
	Password              string // the path of the file with the password
}

// TLSFiles is zero without Options.TLS.
func (e *Ensemble) TLSFiles() TLSFiles {
	if !e.opt.TLS {
		return TLSFiles{}
	}
	path := e.identities.path
	return TLSFiles{path(authority.CertFile), path(authority.TrustStoreFile), path(clientIdentity + ".pem"), path(clientIdentity + ".p12"),
		path(authority.PasswordFile)}
}
