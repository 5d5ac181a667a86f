package localserver

import (
	"cmp"
	"crypto/tls"
	"fmt"

	"github.com/zkctl/zkctl/internal/release"
	"github.com/zkctl/zkctl/internal/tlsstore"
	"github.com/zkctl/zkctl/internal/zklog"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// clientTLS reads the stores for the TLS ports (X509Util).
func clientTLS(cfg *zoocfg.Config, r release.Release, log *zklog.Logger) (*tls.Config, error) {
	live, err := openTLS("ssl.", &cfg.TLS, r, cfg.CertReload, log)
	if err != nil {
		return nil, fmt.Errorf("TLS for clients: %w", err)
	}
	return live.Server(), nil
}

// openTLS reads the stores of the settings that begin with prefix.
func openTLS(prefix string, t *zoocfg.TLS, r release.Release, reload bool, log *zklog.Logger) (*tlsstore.Live, error) {
	p := tlsstore.Policy{
		KeyStore: store(&t.KeyStore), TrustStore: store(&t.TrustStore),
		Protocols: serverProtocols(t, r), Ciphers: t.CipherSuites, CRL: t.CRL, OCSP: t.OCSP,
		ServerNames: t.HostnameVerification, CallerNames: t.HostnameVerification && t.ClientHostnameVerification, ReverseDNS: t.ReverseDNS,
	}
	if p.KeyStore.File == "" {
		return nil, fmt.Errorf("%skeyStore.location is not set; set it to the file with the server's key and certificate (JKS, PKCS12 or PEM)", prefix)
	}
	switch t.ClientAuth {
	case zoocfg.ClientAuthNeed:
		p.ClientAuth = tls.RequireAndVerifyClientCert
	case zoocfg.ClientAuthWant:
		p.ClientAuth = tls.VerifyClientCertIfGiven
	}
	// Differs(expired-client-certificate): Java does not check the validity of a certificate that
	// is itself in the trust store.
	if p.ClientAuth != tls.NoClientCert && p.TrustStore.File == "" {
		return nil, fmt.Errorf("%strustStore.location is not set; with %sclientAuth=%s it must name the trusted authorities", prefix, prefix, t.ClientAuth)
	}
	return tlsstore.Open(p, reload, func(format string, args ...any) { log.Warnf(prefix+"*: "+format, args...) })
}

// serverProtocols returns the TLS versions that a server accepts (SSLContextAndOptions).
func serverProtocols(t *zoocfg.TLS, r release.Release) []string {
	const v12, v13 = "TLSv1.2", "TLSv1.3"
	protocol := t.Protocol
	if protocol == "" && r.TLS13() {
		protocol = v13
	}
	switch {
	case len(t.EnabledProtocols) > 0:
		return t.EnabledProtocols
	case protocol == "TLS":
		return nil
	case protocol == v13 && r.TLS13():
		return []string{v13, v12}
	}
	return []string{cmp.Or(protocol, v12)}
}

func store(s *zoocfg.Store) tlsstore.Store {
	return tlsstore.Store{File: s.Location, Type: s.Type, Password: s.Password, PasswordFile: s.PasswordPath}
}
