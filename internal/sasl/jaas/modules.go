package jaas

import "strings"

// Get returns the value of an option.
func (m *Module) Get(name string) (string, bool) {
	for _, o := range m.Options {
		if o.Name == name {
			return o.Value, true
		}
	}
	return "", false
}

// is reports whether a boolean option is set, as Java reads it.
func (m *Module) is(name string) bool {
	v, _ := m.Get(name)
	return strings.EqualFold(v, "true")
}

// Fault is an error at the line where the module starts.
func (m *Module) Fault(format string, args ...any) error {
	return fault(m.File, m.Line, format, args...)
}

// simple is the class's name without its package.
func (m *Module) simple() string { return m.Class[strings.LastIndexByte(m.Class, '.')+1:] }

// IsDigest reports whether the module is ZooKeeper's DigestLoginModule.
func (m *Module) IsDigest() bool { return m.simple() == "DigestLoginModule" }

// IsKrb5 reports whether the module is Krb5LoginModule, of OpenJDK or of IBM.
func (m *Module) IsKrb5() bool { return m.simple() == "Krb5LoginModule" }

// Check returns an error if ZooKeeper does not use such a module.
func (m *Module) Check() error {
	if m.IsDigest() || m.IsKrb5() {
		return nil
	}
	return m.Fault("login module %q is not one that ZooKeeper uses; expected "+
		"org.apache.zookeeper.server.auth.DigestLoginModule or com.sun.security.auth.module.Krb5LoginModule", m.Class)
}

// Digest is what a DigestLoginModule says of a client.
type Digest struct{ User, Password string }

// Digest returns the identity of a client.
func (m *Module) Digest() (Digest, error) {
	user, hasUser := m.Get("username")
	password, hasPassword := m.Get("password")
	switch {
	case !hasUser:
		return Digest{}, m.Fault(`%s has no username; a client's section needs username="…" and password="…"`, m.simple())
	case !hasPassword:
		return Digest{}, m.Fault("%s has a username but no password", m.simple())
	}
	return Digest{user, password}, nil
}

// Users returns the users of a server with their passwords: the options user_NAME of all modules
// in the section, whatever their class (SaslServerCallbackHandler).
func (s *Section) Users() map[string]string {
	users := map[string]string{}
	for _, m := range s.Modules {
		for _, o := range m.Options {
			if name, ok := strings.CutPrefix(o.Name, "user_"); ok {
				users[name] = o.Value
			}
		}
	}
	return users
}

// Krb5 is what a Krb5LoginModule says. Fields are zero if the module leaves them out.
type Krb5 struct {
	Principal      string
	UseKeyTab      bool
	KeyTab         string // may be empty even with UseKeyTab: then the system's default
	UseTicketCache bool
	TicketCache    string // may be empty even with UseTicketCache: then the user's default
	StoreKey       bool   // of a server
	ServiceName    string // of a client; not in OpenJDK's module, but read by some programs
}

// Krb5 returns what the module says.
func (m *Module) Krb5() (Krb5, error) {
	k := Krb5{UseKeyTab: m.is("useKeyTab"), UseTicketCache: m.is("useTicketCache"), StoreKey: m.is("storeKey")}
	k.Principal, _ = m.Get("principal")
	k.KeyTab, _ = m.Get("keyTab")
	k.TicketCache, _ = m.Get("ticketCache")
	k.ServiceName, _ = m.Get("serviceName")
	if strings.HasPrefix(m.Class, "com.ibm.") { // its own names for the same
		if v, ok := m.Get("useKeytab"); ok {
			k.UseKeyTab, k.KeyTab = true, v
		}
		if v, ok := m.Get("useCcache"); ok {
			k.UseTicketCache, k.TicketCache = true, v
		} else if m.is("useDefaultCcache") {
			k.UseTicketCache = true
		}
	}
	k.KeyTab, k.TicketCache = path(k.KeyTab), path(k.TicketCache)
	switch {
	case k.KeyTab != "" && !k.UseKeyTab:
		return k, m.Fault("keyTab is set, but without useKeyTab=true it has no effect")
	case k.TicketCache != "" && !k.UseTicketCache:
		return k, m.Fault("ticketCache is set, but without useTicketCache=true it has no effect")
	}
	return k, nil
}

// path removes what Java's module allows before a file name.
func path(name string) string {
	if rest, ok := strings.CutPrefix(name, "file:"); ok {
		return rest
	}
	return name
}
