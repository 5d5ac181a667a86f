package tlsstore

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
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

// SetCiphers restricts cfg to the cipher suites with these names, which are JSSE's or IANA's; without
// names it changes nothing. Those of TLS 1.3 are all in use or none. It returns those that are not
// supported, which is an error only if nothing is left.
func SetCiphers(cfg *tls.Config, names []string) (without []string, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	suites := map[string]*tls.CipherSuite{}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		suites[suite.Name] = suite
	}
	of13 := false
	for _, name := range names {
		iana := name
		if rest, ok := strings.CutPrefix(name, "SSL_"); ok {
			iana = "TLS_" + rest // JSSE's names of the oldest
		}
		suite := suites[iana]
		switch {
		case suite != nil && slices.Equal(suite.SupportedVersions, []uint16{tls.VersionTLS13}):
			of13 = true
		case suite != nil:
			cfg.CipherSuites = append(cfg.CipherSuites, suite.ID)
		case name == "TLS_EMPTY_RENEGOTIATION_INFO_SCSV": // not a cipher
		case strings.HasPrefix(iana, "TLS_"):
			without = append(without, name)
		default:
			return nil, fmt.Errorf("unknown cipher suite %q; use names such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", name)
		}
	}
	before13 := cfg.MinVersion < tls.VersionTLS13
	switch {
	case of13 && (cfg.MaxVersion == 0 || cfg.MaxVersion >= tls.VersionTLS13):
		if cfg.CipherSuites == nil && before13 {
			cfg.MinVersion = tls.VersionTLS13
		}
		return without, nil
	case cfg.CipherSuites != nil && before13:
		if cfg.MaxVersion == 0 || cfg.MaxVersion > tls.VersionTLS12 {
			cfg.MaxVersion = tls.VersionTLS12 // or another suite would be chosen
		}
		return without, nil
	case len(without) > 0:
		return nil, fmt.Errorf("none of the cipher suites is supported here: unsupported cipher suite %q", without[0])
	}
	return nil, fmt.Errorf("none of the cipher suites %q belongs to the TLS protocols that are enabled", names)
}

// Lenient returns a configuration for looking at what a server at host offers, whatever that is. It presents
// what own does, which may be nil. Nothing may be sent through such a connection.
func Lenient(host string, own *tls.Config) *tls.Config {
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS10, InsecureSkipVerify: true}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		c.CipherSuites = append(c.CipherSuites, suite.ID)
	}
	if own != nil {
		c.Certificates, c.GetClientCertificate = own.Certificates, own.GetClientCertificate
	}
	return c
}
