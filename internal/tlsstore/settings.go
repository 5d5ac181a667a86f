package tlsstore

import (
	"crypto/tls"
	"fmt"
)

var protocolVersions = map[string]uint16{
	"TLSv1": tls.VersionTLS10, "TLSv1.1": tls.VersionTLS11, "TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13,
}

// SetProtocols restricts cfg to the range from the lowest to the highest version in names, such
// as TLSv1.2; without names it changes nothing.
func SetProtocols(cfg *tls.Config, names []string) error {
	for i, name := range names {
		v, ok := protocolVersions[name]
		if !ok {
			return fmt.Errorf("unknown TLS protocol %q; use TLSv1.2 or TLSv1.3", name)
		}
		if i == 0 {
			cfg.MinVersion, cfg.MaxVersion = v, v
		}
		cfg.MinVersion, cfg.MaxVersion = min(cfg.MinVersion, v), max(cfg.MaxVersion, v)
	}
	return nil
}

// SetCiphers restricts cfg, for TLS 1.2, to the cipher suites with these IANA names; without
// names it changes nothing.
func SetCiphers(cfg *tls.Config, names []string) error {
	known := append(tls.CipherSuites(), tls.InsecureCipherSuites()...)
next:
	for _, name := range names {
		for _, suite := range known {
			if suite.Name == name {
				cfg.CipherSuites = append(cfg.CipherSuites, suite.ID)
				continue next
			}
		}
		return fmt.Errorf("unsupported cipher suite %q", name)
	}
	return nil
}
