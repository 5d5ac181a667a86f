package localserver

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/release"
	"github.com/zkctl/zkctl/internal/tlsstore"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// serverTLS reads the stores for the TLS ports (X509Util).
func serverTLS(t *zoocfg.TLS, r release.Release) (*tls.Config, error) {
	if t.KeyStore.Location == "" {
		return nil, errors.New("TLS for clients: ssl.keyStore.location is not set; set it to the file with the server's key and certificate (JKS, PKCS12 or PEM)")
	}
	cert, err := store(&t.KeyStore).Key()
	if err != nil {
		return nil, fmt.Errorf("TLS for clients: %w", err)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*cert}}
	switch t.ClientAuth {
	case zoocfg.ClientAuthNeed:
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
	case zoocfg.ClientAuthWant:
		cfg.ClientAuth = tls.VerifyClientCertIfGiven
	}
	// Differs(expired-client-certificate): Java does not check the validity of a certificate that
	// is itself in the trust store.
	if cfg.ClientAuth != tls.NoClientCert {
		if t.TrustStore.Location == "" {
			return nil, fmt.Errorf("TLS for clients: ssl.trustStore.location is not set; with ssl.clientAuth=%s it must name the trusted authorities", t.ClientAuth)
		}
		if cfg.ClientCAs, err = store(&t.TrustStore).Trust(); err != nil {
			return nil, fmt.Errorf("TLS for clients: %w", err)
		}
	}
	if err := tlsstore.SetProtocols(cfg, serverProtocols(t, r)); err != nil {
		return nil, fmt.Errorf("TLS for clients: %w", err)
	}
	if err := tlsstore.SetCiphers(cfg, t.CipherSuites); err != nil {
		return nil, fmt.Errorf("TLS for clients: %w", err)
	}
	return cfg, nil
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

func store(s *zoocfg.Store) *tlsstore.Store {
	return &tlsstore.Store{File: s.Location, Type: s.Type, Password: s.Password, PasswordFile: s.PasswordPath}
}
