package client

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/magiconair/properties"

	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/sasl"
)

// Properties are the settings of ZooKeeper's own client (ZKClientConfig) that concern a session:
// those in its property file (zkCli's -client-configuration), which override the system
// properties of its JVM. The zero value has no settings.
type Properties struct {
	Secure         bool          // zookeeper.client.secure
	TLS            TLSOptions    // zookeeper.ssl.*
	SASL           sasl.Settings // zookeeper.sasl.*, java.security.auth.login.config and java.security.krb5.*
	MaxPacket      int           // jute.maxbuffer; 0 if absent
	RequestTimeout time.Duration // zookeeper.request.timeout; 0 means none
	NoWatchReset   bool          // zookeeper.disableAutoWatchReset
	// Warnings lists the settings that have no effect here, one sentence each.
	Warnings []string

	secured string // where Secure was set
}

// LoadFile reads the settings in a client property file, which override those in p. Its error
// names the file and the key.
func (p *Properties) LoadFile(file string) error {
	source := "client configuration " + file
	b, err := infile.Settings(file)
	if err != nil {
		return fmt.Errorf("client configuration: %w", err)
	}
	// ZooKeeper reads it as java.util.Properties: ISO 8859-1, nothing expanded.
	loader := properties.Loader{Encoding: properties.ISO_8859_1, DisableExpansion: true}
	values, err := loader.LoadBytes(b)
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	for _, key := range values.Keys() {
		value := strings.TrimSpace(values.GetString(key, ""))
		known, err := p.set(source, key, value)
		if err != nil {
			return fmt.Errorf("%s: %s=%s: %w", source, key, value, err)
		}
		if !known && strings.HasPrefix(key, "zookeeper.") {
			p.warn(source, "%s has no effect here", key)
		}
	}
	if !p.Secure && strings.HasSuffix(values.GetString("zookeeper.clientCnxnSocket", ""), "Netty") && p.TLS.TrustStore.File+p.TLS.KeyStore.File != "" {
		p.warn(source, "zookeeper.client.secure is not true, so the connection is plain and zookeeper.ssl.* has no effect")
	}
	return nil
}

// LoadSystem reads the settings among the system properties of zkCli's JVM, which override those
// in p. source is where they were found. Without a trust store for ZooKeeper, Java's applies.
func (p *Properties) LoadSystem(source string, values map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if _, err := p.set(source, key, strings.TrimSpace(values[key])); err != nil {
			return fmt.Errorf("%s: %s=%s: %w", source, key, values[key], err)
		}
	}
	if file := values["javax.net.ssl.trustStore"]; file != "" && p.TLS.TrustStore.File == "" {
		p.TLS.TrustStore = Store{File: file, Type: values["javax.net.ssl.trustStoreType"], Password: values["javax.net.ssl.trustStorePassword"]}
	}
	p.SASL.SystemProperties = values
	return nil
}

func (p *Properties) warn(source, format string, args ...any) {
	p.Warnings = append(p.Warnings, source+": "+fmt.Sprintf(format, args...))
}

// The passwords are never part of an error or a warning: set does not fail for a password key.
func (p *Properties) set(source, key, value string) (known bool, err error) {
	ssl := &p.TLS
	switch key {
	case "zookeeper.client.secure":
		p.Secure, p.secured = isTrue(value), source
	case "zookeeper.ssl.keyStore.location":
		ssl.KeyStore.File = value
	case "zookeeper.ssl.keyStore.password":
		ssl.KeyStore.Password = value
	case "zookeeper.ssl.keyStore.passwordPath":
		ssl.KeyStore.PasswordFile = value
	case "zookeeper.ssl.keyStore.type":
		ssl.KeyStore.Type = value
	case "zookeeper.ssl.trustStore.location":
		ssl.TrustStore.File = value
	case "zookeeper.ssl.trustStore.password":
		ssl.TrustStore.Password = value
	case "zookeeper.ssl.trustStore.passwordPath":
		ssl.TrustStore.PasswordFile = value
	case "zookeeper.ssl.trustStore.type":
		ssl.TrustStore.Type = value
	case "zookeeper.ssl.hostnameVerification":
		ssl.SkipHostname = !isTrue(value)
	case "zookeeper.ssl.enabledProtocols":
		ssl.Protocols = list(value)
	case "zookeeper.ssl.protocol":
		if ssl.Protocols == nil && value != "" && value != "TLS" {
			ssl.Protocols = []string{value}
		}
	case "zookeeper.ssl.ciphersuites", "zookeeper.ssl.cipherSuites":
		ssl.Ciphers = list(value)
	case "zookeeper.request.timeout":
		var ms int64
		if ms, err = strconv.ParseInt(value, 10, 64); err != nil {
			return true, fmt.Errorf("expected a number of milliseconds")
		}
		p.RequestTimeout = time.Duration(max(0, ms)) * time.Millisecond
	case "zookeeper.disableAutoWatchReset":
		p.NoWatchReset = isTrue(value)
	case "jute.maxbuffer":
		var n int64
		if n, err = strconv.ParseInt(strings.ToLower(value), 0, 32); err != nil || n < 1 {
			return true, fmt.Errorf("expected a number of bytes from 1 to 2147483647")
		}
		p.MaxPacket = int(n)
	case "zookeeper.clientCnxnSocket",
		// These concern how a server checks its clients.
		"zookeeper.ssl.clientHostnameVerification", "zookeeper.ssl.clientAuth", "zookeeper.ssl.authProvider",
		"zookeeper.ssl.handshakeDetectionTimeoutMillis",
		// These choose among Java's implementations.
		"zookeeper.ssl.sslProvider", "zookeeper.fips-mode",
		// A server's name is known here, whatever a name server says of its address.
		"zookeeper.ssl.allowReverseDnsLookup":
	case "zookeeper.ssl.context.supplier.class":
		ssl.Supplier = value
	case "zookeeper.sasl.client":
		if p.SASL.Mode = "off"; isTrue(value) {
			p.SASL.Mode = "auto"
		}
	case "zookeeper.sasl.clientconfig":
		p.SASL.Section = value
	case "zookeeper.sasl.client.username":
		p.SASL.Service = value
	case "zookeeper.sasl.client.canonicalize.hostname":
		p.SASL.NoCanonical = !isTrue(value)
	case "zookeeper.server.principal":
		p.SASL.Server = value
	case "zookeeper.server.realm":
		p.SASL.Realm = value
	case "java.security.auth.login.config":
		p.SASL.JAAS = strings.TrimPrefix(value, "=") // ==FILE leaves other sources out
	case "java.security.krb5.conf":
		p.SASL.Krb5Conf = value
	case "java.security.krb5.realm":
		p.SASL.Krb5Realm = value
	case "java.security.krb5.kdc":
		p.SASL.Krb5KDC = value
	case "zookeeper.ssl.crl":
		ssl.CRL = isTrue(value)
	case "zookeeper.ssl.ocsp":
		ssl.OCSP = isTrue(value)
	default:
		return false, nil
	}
	return true, nil
}

// isTrue parses a boolean as Java's Boolean.parseBoolean does.
func isTrue(s string) bool { return strings.EqualFold(s, "true") }

func list(s string) (items []string) {
	for _, item := range strings.Split(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// Apply copies the settings to a session's configuration, reading the stores that they name. It
// leaves alone what the file does not set.
func (p *Properties) Apply(cfg *Config) error {
	if p.Secure {
		var err error
		if cfg.TLS, cfg.TLSStores, err = p.TLS.Open(); err != nil {
			return fmt.Errorf("%s: %w", p.secured, err)
		}
	}
	if p.MaxPacket > 0 {
		cfg.MaxPacket = p.MaxPacket
	}
	if p.RequestTimeout > 0 {
		cfg.RequestTimeout = p.RequestTimeout
	}
	cfg.NoWatchReset = cfg.NoWatchReset || p.NoWatchReset
	return nil
}
