package zoocfg

import (
	"errors"
	"strings"
)

// SASL is how a server authenticates clients with SASL (ZooKeeperSaslServer, SASLAuthenticationProvider).
type SASL struct {
	Provider      bool     // authProvider.N (both) is SASLAuthenticationProvider: ACLs can name SASL users
	LoginFile     string   // java.security.auth.login.config (no prefix), a JAAS file
	Section       string   // sasl.serverconfig (both), its section for clients; Server
	Required      bool     // sessionRequireClientSASLAuth (both); Load then also sets EnforceAuth and AuthSchemes
	AllowFailed   bool     // allowSaslFailedClients (both): keep clients whose authentication fails, without an identity
	SuperUsers    []string // superUser and superUser.N (both), SASL users with all permissions
	SuperPassword string   // SASLAuthenticationProvider.superPassword (both), that of the user super; a secret
	AnyUser       string   // letAnySaslUserDoX (both), the id in an ACL that stands for every SASL user

	RemoveHost      bool   // kerberos.removeHostFromPrincipal (both)
	RemoveRealm     bool   // kerberos.removeRealmFromPrincipal (both)
	AuthToLocal     string // security.auth_to_local (both), rules that shorten principals; "" means DEFAULT
	Krb5Conf        string // java.security.krb5.conf (no prefix); "" means the system's
	RequireKrb5Conf bool   // requireKerberosConfig (both): without a default realm the server does not start
}

// QuorumSASL is how members authenticate to each other (QuorumAuth); all in zoo.cfg only.
type QuorumSASL struct {
	Enabled         bool   // quorum.auth.enableSasl
	ServerRequires  bool   // quorum.auth.serverRequireSasl: members that connect must authenticate
	LearnerRequires bool   // quorum.auth.learnerRequireSasl: this member authenticates where it connects
	ServerSection   string // quorum.auth.server.saslLoginContext; QuorumServer
	LearnerSection  string // quorum.auth.learner.saslLoginContext; QuorumLearner
	Principal       string // quorum.auth.kerberos.servicePrincipal, with _HOST for the member's host; zkquorum/localhost
	Realm           string // server.realm (system property only), that of Principal; by default the member's own
}

func init() {
	fileSettings["quorum.auth.enableSasl"] = strict(func(c *Config) *bool { return &c.QuorumSASL.Enabled })
	fileSettings["quorum.auth.serverRequireSasl"] = strict(func(c *Config) *bool { return &c.QuorumSASL.ServerRequires })
	fileSettings["quorum.auth.learnerRequireSasl"] = strict(func(c *Config) *bool { return &c.QuorumSASL.LearnerRequires })
	fileSettings["quorum.auth.server.saslLoginContext"] = text(func(c *Config) *string { return &c.QuorumSASL.ServerSection })
	fileSettings["quorum.auth.learner.saslLoginContext"] = text(func(c *Config) *string { return &c.QuorumSASL.LearnerSection })
	fileSettings["quorum.auth.kerberos.servicePrincipal"] = text(func(c *Config) *string { return &c.QuorumSASL.Principal })
	propertySettings["server.realm"] = text(func(c *Config) *string { return &c.QuorumSASL.Realm })

	propertySettings["sasl.serverconfig"] = text(func(c *Config) *string { return &c.SASL.Section })
	propertySettings["sessionRequireClientSASLAuth"] = flag(func(c *Config) *bool { return &c.SASL.Required })
	propertySettings["allowSaslFailedClients"] = flag(func(c *Config) *bool { return &c.SASL.AllowFailed })
	propertySettings["SASLAuthenticationProvider.superPassword"] = text(func(c *Config) *string { return &c.SASL.SuperPassword })
	propertySettings["letAnySaslUserDoX"] = text(func(c *Config) *string { return &c.SASL.AnyUser })
	propertySettings["kerberos.removeHostFromPrincipal"] = exactly("true", func(c *Config) *bool { return &c.SASL.RemoveHost })
	propertySettings["kerberos.removeRealmFromPrincipal"] = exactly("true", func(c *Config) *bool { return &c.SASL.RemoveRealm })
	propertySettings["security.auth_to_local"] = text(func(c *Config) *string { return &c.SASL.AuthToLocal })
	propertySettings["requireKerberosConfig"] = exactly("true", func(c *Config) *bool { return &c.SASL.RequireKrb5Conf })
	bareSettings["java.security.auth.login.config"] = text(func(c *Config) *string { return &c.SASL.LoginFile })
	bareSettings["java.security.krb5.conf"] = text(func(c *Config) *string { return &c.SASL.Krb5Conf })
}

// isSuperUser reports whether a property names a SASL super user (ZooKeeperServer.isSaslSuperUser).
func isSuperUser(key string) bool { return key == "superUser" || strings.HasPrefix(key, "superUser.") }

// check makes the checks of QuorumPeerConfig.parseProperties.
func (q *QuorumSASL) check() error {
	switch {
	case q.ServerRequires && !q.Enabled:
		return errors.New("quorum.auth.enableSasl is disabled, so cannot enable quorum.auth.serverRequireSasl")
	case q.LearnerRequires && !q.Enabled:
		return errors.New("quorum.auth.enableSasl is disabled, so cannot enable quorum.auth.learnerRequireSasl")
	case q.ServerRequires && !q.LearnerRequires:
		return errors.New("quorum.auth.learnerRequireSasl is disabled, so cannot enable quorum.auth.serverRequireSasl")
	}
	return nil
}
