package zoocfg

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxExtendedID is the highest server id that leaves the top byte of session ids free for TTL
// znodes (EphemeralType.MAX_EXTENDED_SERVER_ID).
const maxExtendedID = 254

// CheckServable returns an error if the embedded server could not serve as the configuration
// demands: it has no port to serve on, or asks for an unsupported feature that keeps somebody out
// or that somebody relies on. Apache's own server may run with it.
func (c *Config) CheckServable() error {
	// Differs(no-client-port): Apache runs, but nobody can connect; for clientPort=0 it listens
	// on a port that only its log reveals.
	if !c.Distributed() && c.Client.Port == 0 && c.SecureClient.Port == 0 {
		return errors.New("neither clientPort nor secureClientPort is set, so nobody could connect: add a line clientPort=2181")
	}
	if c.Distributed() && c.ExtendedTypes && c.ServerID > maxExtendedID {
		return fmt.Errorf("extendedTypesEnabled is true but Server ID is too large. Cannot be larger than %d (myid is %d: its ephemeral znodes would look like TTL znodes)", maxExtendedID, c.ServerID)
	}
	// Differs(unsupported-security): Apache supports these settings; a server that started
	// without them would let in those whom they keep out.
	var list []error
	for _, w := range c.unsupported {
		list = append(list, errors.New(w.String()))
	}
	return errors.Join(list...)
}

// unsupported is a missing feature that keeps somebody out or that somebody relies on.
type unsupported struct {
	key    string // of zoo.cfg; one that ends in a dot stands for every key with that prefix
	asks   func(value string) bool
	counts func(*Config) bool // whether it would make a difference
	text   string
}

var unsupportedSettings = []unsupported{
	{"authProvider.", isUnsupportedAuth, always, "this authentication provider is not supported here; use SASLAuthenticationProvider, X509AuthenticationProvider, DigestAuthenticationProvider or IPAuthenticationProvider of ZooKeeper"},
	{"ssl.context.supplier.class", isGiven, (*Config).UsesTLS, "only the stores of ssl.keyStore and ssl.trustStore are supported here"},
	{"ssl.quorum.context.supplier.class", isGiven, (*Config).MembersUseTLS, "only the stores of ssl.quorum.keyStore and ssl.quorum.trustStore are supported here"},
	{"ssl.authProvider", func(v string) bool { return v != "x509" }, (*Config).UsesTLS, "only x509 is supported here"},
	{"admin.needClientAuth", isTrue, adminEnabled, "the AdminServer has no TLS here, so anybody could reach it"},
	{"admin.forceHttps", isTrue, adminEnabled, "the AdminServer has no TLS here"},
	{"metricsProvider.httpsPort", isPositive, (*Config).ExportsMetrics, "metrics have no TLS here"},
	{"IPAuthenticationProvider.usexforwardedfor", isTrue, adminEnabled, "X-Forwarded-For is not read here, so every client behind a proxy would have the proxy's address"},

	// Differs(unsupported-relied-on): Apache supports these settings. If its observers are set up
	// to use observerMasterPort, they have no other way to connect.
	{"observerMasterPort", isPositive, participates, "observers follow only the leader here, so Apache's observers that follow a participant could not connect"},
	{"oraclePath", isGiven, (*Config).Distributed, "an oracle in place of a quorum is not supported here, so one server of two could not continue alone"},
	{"audit.enable", isTrue, always, "there is no audit log here, so nobody could find out later who did what"},
	{"emulate353TTLNodes", isTrue, func(c *Config) bool { return c.ExtendedTypes }, "ZooKeeper 3.5.3's TTL format is not supported here, so such znodes would never be removed"},
}

// UsesTLS reports whether clients can connect with TLS.
func (c *Config) UsesTLS() bool { return c.SecureClient.Port != 0 || c.PortUnified }

// MembersUseTLS reports whether members can connect to each other with TLS.
func (c *Config) MembersUseTLS() bool { return c.Distributed() && (c.QuorumUsesTLS || c.QuorumUnified) }

func always(*Config) bool         { return true }
func adminEnabled(c *Config) bool { return c.AdminEnabled }
func participates(c *Config) bool { return c.Distributed() && c.Role == Participant }

func isTrue(v string) bool  { return strings.EqualFold(v, "true") }
func isGiven(v string) bool { return v != "" }
func isPositive(v string) bool {
	n, err := javaInt(v)
	return err == nil && n > 0
}

func isUnsupportedAuth(class string) bool { return builtInAuth(class) == "" }

// builtInAuth returns the scheme of an authProvider.N class, or "" for an unsupported one.
func builtInAuth(class string) string {
	switch strings.TrimPrefix(class, "org.apache.zookeeper.server.auth.") {
	case "X509AuthenticationProvider":
		return "x509"
	case "DigestAuthenticationProvider":
		return "digest"
	case "IPAuthenticationProvider":
		return "ip"
	case "SASLAuthenticationProvider":
		return "sasl"
	}
	return ""
}

// checkSupported collects the settings for CheckServable, once everything is read.
func (l *loader) checkSupported() {
	for _, key := range slices.Sorted(maps.Keys(l.given)) {
		o := l.given[key]
		for _, u := range unsupportedSettings {
			if (key == u.key || strings.HasSuffix(u.key, ".") && strings.HasPrefix(key, u.key)) && u.asks(o.value) && u.counts(l.c) {
				l.c.unsupported = append(l.c.unsupported, Warning{File: o.file, Line: o.line, Key: o.key + "=" + o.value, Text: u.text + "; remove it to start without it"})
				l.warnings = slices.DeleteFunc(l.warnings, func(w Warning) bool { // it has an effect: nothing starts
					return w.EmbeddedOnly() && w.File == o.file && w.Line == o.line && w.Key == o.key
				})
			}
		}
	}
}
