package authn

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/sasl/digestmd5"
	"github.com/zkctl/zkctl/internal/sasl/jaas"
	"github.com/zkctl/zkctl/internal/sasl/krbname"
	"github.com/zkctl/zkctl/internal/zklog"
	"github.com/zkctl/zkctl/localserver/internal/replica"
)

// Clients returns how clients authenticate (ServerCnxnFactory.configureSaslLogin). Without a JAAS file, or without the
// section in it, they cannot.
func (s *Source) Clients(log *zklog.Logger) (replica.SASLOptions, error) {
	cfg := &s.Config.SASL
	opt := replica.SASLOptions{Provider: cfg.Provider, Required: cfg.Required, AllowFailed: cfg.AllowFailed, SuperUsers: cfg.SuperUsers, AnyUser: cfg.AnyUser}
	if cfg.LoginFile == "" && cfg.AuthToLocal == "" && !cfg.RequireKrb5Conf { // most servers need no krb5.conf
		return opt, s.nobody("no JAAS file is given", log)
	}
	realm, err := s.defaultRealm()
	if err != nil {
		return opt, err
	}
	rules, err := krbname.ParseRules(cfg.AuthToLocal, realm)
	if err != nil {
		return opt, fmt.Errorf("security.auth_to_local: %w", err)
	}
	if cfg.LoginFile == "" {
		return opt, s.nobody("no JAAS file is given", log)
	}
	s.warnIfShared(log)
	section, err := s.section(cfg.Section)
	var missing *jaas.SectionError
	switch {
	case errors.As(err, &missing):
		return opt, s.nobody(err.Error(), log)
	case err != nil:
		return opt, err
	}
	login, err := s.newServer(section)
	if err != nil {
		return opt, fmt.Errorf("Could not configure server because SASL configuration did not allow the ZooKeeper server to authenticate itself properly: %w", err)
	}
	log.Infof("%s successfully logged in.", cfg.Section)
	if login.service == nil && len(login.users) == 0 {
		why := section.Fault("section %q has neither users nor a Krb5LoginModule", section.Name)
		if err := s.nobody(why.Error(), log); err != nil {
			return opt, err
		}
	}
	for _, user := range slices.Sorted(maps.Keys(login.users)) {
		if login.users[user] == "" && login.service == nil {
			log.Warnf("JAAS file %s: the password user_%s is empty, so anybody can authenticate as %q", escape.Line(section.File), escape.Line(user), user)
		}
	}
	password := func(user string) (string, bool) {
		p, ok := login.password(user)
		if ok && user == "super" && cfg.SuperPassword != "" {
			return cfg.SuperPassword, true
		}
		return p, ok
	}
	names := &naming{rules: rules, removeHost: cfg.RemoveHost, removeRealm: cfg.RemoveRealm, log: log}
	opt.Exchange = func() replica.SASLExchange {
		return &client{exchange: login.exchange(digestmd5.Protocol, digestmd5.ServerName, password), names: names}
	}
	return opt, nil
}

// nobody says that no client can authenticate with SASL, and why. It returns an error if every client must.
//
// Differs(sasl-nobody): Apache starts, and refuses every client.
func (s *Source) nobody(why string, log *zklog.Logger) error {
	c := s.Config
	if c.SASL.LoginFile == "" && !c.SASL.Provider {
		return nil // nobody asked for SASL
	}
	advice := fmt.Sprintf(`set java.security.auth.login.config to a JAAS file with %s { org.apache.zookeeper.server.auth.DigestLoginModule required user_NAME="PASSWORD"; };`,
		escape.Line(c.SASL.Section))
	other := func(scheme string) bool { return scheme != "sasl" }
	if c.SASL.Provider && c.EnforceAuth && len(c.AuthSchemes) > 0 && !slices.ContainsFunc(c.AuthSchemes, other) {
		setting := "enforce.auth.schemes=sasl"
		if c.SASL.Required {
			setting = "sessionRequireClientSASLAuth=true"
		}
		return fmt.Errorf("%s demands SASL of every client, but none could authenticate: %s; %s", setting, why, advice)
	}
	log.Warnf("%s; clients cannot authenticate with SASL; %s", why, advice)
	return nil
}

// warnIfShared warns of a JAAS file that others can read.
func (s *Source) warnIfShared(log *zklog.Logger) {
	if runtime.GOOS == "windows" {
		return
	}
	file := s.Config.SASL.LoginFile
	if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o007 != 0 {
		log.Warnf("JAAS file %s holds secrets but others can read it (mode %04o); run: chmod o= %[1]s", escape.Line(file), info.Mode().Perm())
	}
}

// client is the authentication of a client.
type client struct {
	exchange
	names *naming
	id    string
}

func (c *client) Step(token []byte) (answer []byte, done bool, err error) {
	if answer, done, err = c.exchange.Step(token); done && err == nil {
		c.id, err = c.names.id(c.User())
	}
	return answer, done, err
}

func (c *client) ID() string { return c.id }

// naming makes ids of principals and users (SaslServerCallbackHandler.handleAuthorizeCallback).
type naming struct {
	rules                   *krbname.Rules
	removeHost, removeRealm bool
	log                     *zklog.Logger
}

// Differs(sasl-acts-as): if no rule applies to a principal, Apache gives the client whatever id it asks to act as.
//
// Differs(sasl-unknown-user): Apache 3.8 checks the response of an unknown user with the password of the user who
// authenticated before, and believes the name.
func (n *naming) id(user string) (string, error) {
	name, err := krbname.Parse(user)
	if err != nil {
		return "", fmt.Errorf("%w: %w", replica.ErrSASLName, err)
	}
	n.log.Infof("Successfully authenticated client: authenticationID=%s;  authorizationID=%s.", user, user)
	id, err := n.rules.Short(name)
	if err != nil {
		n.log.Errorf("Failed to set name based on Kerberos authentication rules. %v", err)
		return user, nil
	}
	if name.HasHost && !n.removeHost {
		id += "/" + name.Host
	}
	if name.HasRealm && !n.removeRealm {
		id += "@" + name.Realm
	}
	n.log.Infof("Setting authorizedID: %s", id)
	return id, nil
}
