package client

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/magiconair/properties"

	"github.com/zkctl/zkctl/internal/infile"
)

// Properties are the settings of a ZooKeeper client property file (zkCli's
// -client-configuration, class ZKClientConfig) that concern a session.
type Properties struct {
	File           string
	Secure         bool          // zookeeper.client.secure
	TLS            TLSOptions    // zookeeper.ssl.*
	MaxPacket      int           // jute.maxbuffer; 0 when absent
	RequestTimeout time.Duration // zookeeper.request.timeout; 0 for none
	NoWatchReset   bool          // zookeeper.disableAutoWatchReset
	// Warnings name the settings without effect here, a sentence each.
	Warnings []string
}

// LoadProperties reads a client property file. Its error names the file and the key.
func LoadProperties(file string) (*Properties, error) {
	b, err := infile.Settings(file)
	if err != nil {
		return nil, fmt.Errorf("client configuration: %w", err)
	}
	// ZooKeeper reads it as java.util.Properties: ISO 8859-1, nothing expanded.
	loader := properties.Loader{Encoding: properties.ISO_8859_1, DisableExpansion: true}
	values, err := loader.LoadBytes(b)
	if err != nil {
		return nil, fmt.Errorf("client configuration %s: %w", file, err)
	}
	p := &Properties{File: file}
	for _, key := range values.Keys() {
		value := strings.TrimSpace(values.GetString(key, ""))
		if err := p.set(key, value); err != nil {
			return nil, fmt.Errorf("client configuration %s: %s=%s: %w", file, key, value, err)
		}
	}
	if !p.Secure && strings.HasSuffix(values.GetString("zookeeper.clientCnxnSocket", ""), "Netty") && p.TLS.TrustStore.File+p.TLS.KeyStore.File != "" {
		p.warn("zookeeper.client.secure is not true, so the connection is plain and zookeeper.ssl.* has no effect")
	}
	return p, nil
}

func (p *Properties) warn(format string, args ...any) {
	p.Warnings = append(p.Warnings, fmt.Sprintf("client configuration %s: %s", p.File, fmt.Sprintf(format, args...)))
}

// The passwords are never part of an error or a warning: set fails for no password key.
func (p *Properties) set(key, value string) (err error) {
	ssl := &p.TLS
	switch key {
	case "zookeeper.client.secure":
		p.Secure = isTrue(value)
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
			return fmt.Errorf("a number of milliseconds is expected")
		}
		p.RequestTimeout = time.Duration(max(0, ms)) * time.Millisecond
	case "zookeeper.disableAutoWatchReset":
		p.NoWatchReset = isTrue(value)
	case "jute.maxbuffer":
		var n int64
		if n, err = strconv.ParseInt(strings.ToLower(value), 0, 32); err != nil || n < 1 {
			return fmt.Errorf("a number of bytes from 1 to 2147483647 is expected")
		}
		p.MaxPacket = int(n)
	case "zookeeper.clientCnxnSocket",
		// About how a server looks at its clients.
		"zookeeper.ssl.clientHostnameVerification", "zookeeper.ssl.clientAuth":
	case "zookeeper.sasl.client":
		if isTrue(value) {
			p.warn("%s: SASL is not supported yet; the session will not authenticate with it", key)
		}
	case "zookeeper.ssl.crl", "zookeeper.ssl.ocsp":
		if isTrue(value) {
			p.warn("%s: the revocation of certificates is not checked", key)
		}
	default:
		switch {
		case strings.HasPrefix(key, "zookeeper.sasl.") || key == "zookeeper.server.principal" || key == "zookeeper.server.realm":
			p.warn("%s: SASL is not supported yet; the session will not authenticate with it", key)
		case strings.HasPrefix(key, "zookeeper."):
			p.warn("%s has no effect here", key)
		}
	}
	return nil
}

// isTrue reads a boolean as Java's Boolean.parseBoolean does.
func isTrue(s string) bool { return strings.EqualFold(s, "true") }

func list(s string) (items []string) {
	for _, item := range strings.Split(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// Apply puts the settings into a session's configuration, reading the stores that they
// name. What the file does not set stays as it is.
func (p *Properties) Apply(cfg *Config) error {
	if p.Secure {
		t, err := p.TLS.Config()
		if err != nil {
			return fmt.Errorf("client configuration %s: %w", p.File, err)
		}
		cfg.TLS = t
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
