// Package authn is how an embedded server authenticates clients and other members with SASL: what its configuration
// and its JAAS file say, as Java's login and ZooKeeper's callback handlers understand it.
//
//	authn.go    the login of a section: DIGEST-MD5 with users, or GSSAPI with a keytab
//	clients.go  clients, and the ids that they get
//	members.go  other members
package authn

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/zkctl/zkctl/internal/sasl/digestmd5"
	"github.com/zkctl/zkctl/internal/sasl/jaas"
	"github.com/zkctl/zkctl/internal/sasl/krb5"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// Source is where logins come from.
type Source struct {
	Config *zoocfg.Config
	System map[string]string // system properties, for ${name} in JAAS files

	mu   sync.Mutex
	krb5 *krb5.Config // once read
}

// section reads a section of the JAAS file.
func (s *Source) section(name string) (*jaas.Section, error) {
	file, err := jaas.Read(s.Config.SASL.LoginFile, s.System)
	if err != nil {
		return nil, err
	}
	return file.Section(name)
}

// kerberos reads krb5.conf. A server that needs none may do without.
func (s *Source) kerberos() (*krb5.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.krb5 != nil {
		return s.krb5, nil
	}
	files := krb5.ConfigFiles()
	if f := s.Config.SASL.Krb5Conf; f != "" {
		files = []string{f}
	}
	c, err := krb5.LoadConfig(files)
	if err == nil {
		s.krb5 = c
	}
	return c, err
}

// defaultRealm returns that of krb5.conf. Without that file it is "", unless the configuration requires it.
func (s *Source) defaultRealm() (string, error) {
	c, err := s.kerberos()
	switch {
	case err == nil && c.LibDefaults.DefaultRealm != "":
		return c.LibDefaults.DefaultRealm, nil
	case s.Config.SASL.RequireKrb5Conf && err == nil:
		return "", errors.New("Can't get Kerberos configuration: krb5.conf has no default_realm, and requireKerberosConfig=true demands one")
	case s.Config.SASL.RequireKrb5Conf:
		return "", fmt.Errorf("Can't get Kerberos configuration, which requireKerberosConfig=true demands: %w", err)
	case s.Config.SASL.Krb5Conf != "" && err != nil:
		return "", err
	}
	return "", nil
}

// server is the side of a login that accepts.
type server struct {
	users   map[string]string // of DIGEST-MD5; nil for GSSAPI
	service *krb5.Service
}

// exchange is a server's part in one authentication.
type exchange interface {
	Step(token []byte) (answer []byte, done bool, err error)
	// User returns who has authenticated; AuthorizationID whom it wants to act as.
	User() string
	AuthorizationID() string
}

// newServer is the login of a section: GSSAPI if it has a Krb5LoginModule, otherwise DIGEST-MD5 (SecurityUtils).
func (s *Source) newServer(section *jaas.Section) (*server, error) {
	for _, m := range section.Modules {
		if err := m.Check(); err != nil {
			return nil, err
		}
	}
	for _, m := range section.Modules {
		if m.IsKrb5() {
			service, err := s.service(m)
			return &server{service: service}, err
		}
	}
	return &server{users: section.Users()}, nil
}

// service logs a Kerberos service in.
func (s *Source) service(m *jaas.Module) (*krb5.Service, error) {
	k, err := m.Krb5()
	if err != nil {
		return nil, err
	}
	switch {
	case !k.UseKeyTab:
		return nil, m.Fault(`Krb5LoginModule of a server needs a keytab: add useKeyTab=true keyTab="/path/to/keytab"`)
	case !k.StoreKey:
		return nil, m.Fault("Krb5LoginModule of a server needs storeKey=true; without its key it cannot read the tickets of clients")
	case k.Principal == "":
		return nil, m.Fault(`Krb5LoginModule of a server needs principal="zookeeper/host@REALM"`)
	}
	principal := k.Principal
	if !strings.Contains(principal, "@") {
		realm, err := s.defaultRealm()
		if err != nil {
			return nil, err
		}
		principal += "@" + realm
	}
	file := cmp.Or(k.KeyTab, defaultKeytab())
	service, err := krb5.NewService(principal, func() (*krb5.Keytab, error) { return krb5.ReadKeytab(file) })
	if err != nil {
		return nil, m.Fault("Krb5LoginModule: %w", err)
	}
	return service, nil
}

// defaultKeytab is where a keytab is that is not named.
func defaultKeytab() string { return cmp.Or(os.Getenv("KRB5_KTNAME"), "/etc/krb5.keytab") }

func (s *server) exchange(protocol, name string, password func(user string) (string, bool)) exchange {
	if s.service != nil {
		return s.service.Exchange()
	}
	return digestmd5.NewServer(protocol, name, password)
}

func (s *server) password(user string) (string, bool) {
	p, ok := s.users[user]
	return p, ok
}
