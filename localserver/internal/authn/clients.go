package authn

import (
	"errors"
	"fmt"

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
	opt := replica.SASLOptions{Provider: cfg.Provider, AllowFailed: cfg.AllowFailed, SuperUsers: cfg.SuperUsers, AnyUser: cfg.AnyUser}
	if cfg.LoginFile == "" && cfg.AuthToLocal == "" && !cfg.RequireKrb5Conf {
		return opt, nil // most servers need no krb5.conf
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
		return opt, nil
	}
	section, err := s.section(cfg.Section)
	var missing *jaas.SectionError
	switch {
	case errors.As(err, &missing):
		log.Warnf("%v; clients cannot authenticate with SASL", err)
		return opt, nil
	case err != nil:
		return opt, err
	}
	login, err := s.newServer(section)
	if err != nil {
		return opt, fmt.Errorf("Could not configure server because SASL configuration did not allow the ZooKeeper server to authenticate itself properly: %w", err)
	}
	log.Infof("%s successfully logged in.", cfg.Section)
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
