// Package login chooses the SASL mechanism and the identity of a client, as ZooKeeper's own client
// does: by a section of a JAAS file, or by options in its place.
package login

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/sasl"
	"github.com/zkctl/zkctl/internal/sasl/digestmd5"
	"github.com/zkctl/zkctl/internal/sasl/jaas"
	"github.com/zkctl/zkctl/internal/sasl/krb5"
)

// The modes.
const (
	Auto      = "auto"
	DigestMD5 = "digest-md5"
	GSSAPI    = "gssapi"
	Off       = "off"
)

// Modes are the values of Settings.Mode.
var Modes = []string{Auto, DigestMD5, GSSAPI, Off}

// Reporter is where messages for the user go.
type Reporter struct {
	Warn func(format string, args ...any)
	Log  func(format string, args ...any) // may be nil
	// Secret is called with the name of each file that holds a secret; it may be nil.
	Secret func(file string)
}

func (r Reporter) secret(file string) {
	if r.Secret != nil && file != "" {
		r.Secret(file)
	}
}

// Choose returns the mechanism for the settings, or nil if the client does not authenticate.
//
// Differs(sasl-login): zkCli goes on without an identity if a login fails (ClientCnxn.startConnect).
func Choose(s *sasl.Settings, r Reporter) (sasl.Mechanism, error) {
	ofKerberos := s.Principal != "" || s.Keytab != "" || s.Cache != ""
	switch {
	case s.Mode == Off:
		return nil, nil
	case s.User != "" && ofKerberos:
		return nil, errors.New("-sasl-user is for DIGEST-MD5, but -principal, -keytab and -ccache are for Kerberos; use one of the two")
	case s.Asked && (s.User != "" || ofKerberos):
		return nil, errors.New("-jaas names an identity, and so do -sasl-user, -principal, -keytab and -ccache; use one of the two")
	case s.Mode == DigestMD5 && ofKerberos:
		return nil, errors.New("-sasl digest-md5 does not go with -principal, -keytab and -ccache, which are for Kerberos")
	case s.Mode == GSSAPI && s.User != "":
		return nil, errors.New("-sasl gssapi does not go with -sasl-user; use -principal")
	case s.User != "":
		return digest(s, r)
	case ofKerberos:
		return kerberos(s, r)
	}
	section, err := findSection(s, r)
	switch {
	case err != nil:
		return nil, err
	case section != nil:
		return bySection(s, section, r)
	case s.Mode == GSSAPI:
		return kerberos(s, r)
	case s.Mode == DigestMD5:
		return nil, errors.New("-sasl digest-md5 needs an identity; use -sasl-user and -sasl-password-file, or -jaas")
	case s.PasswordFile != "":
		return nil, errors.New("-sasl-password-file has no effect without -sasl-user or -principal")
	}
	return nil, nil
}

// findSection returns the client's section of the login configuration, or nil without one.
func findSection(s *sasl.Settings, r Reporter) (*jaas.Section, error) {
	file, name := s.JAAS, s.Section
	if name == "" {
		name = "Client"
	}
	if file == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, nil
		}
		file = filepath.Join(home, ".java.login.config") // Java's default
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			if s.Section != "" {
				r.Warn("no JAAS file has the section %q that zookeeper.sasl.clientconfig names; the session is not authenticated", name)
			}
			return nil, nil
		}
	}
	f, err := jaas.Read(file, s.SystemProperties)
	if err != nil {
		return nil, err
	}
	section, err := f.Section(name)
	var missing *jaas.SectionError
	switch {
	case err == nil:
		return section, nil
	case s.Asked || !errors.As(err, &missing):
		return nil, err
	case s.JAAS != "" || s.Section != "": // a file for servers may be in JVMFLAGS, which all read
		r.Warn("%v; the session is not authenticated", err)
	}
	return nil, nil
}

// bySection uses the modules of a section: Kerberos if there is one for it, otherwise a digest, as
// SecurityUtils.createSaslClient does.
func bySection(s *sasl.Settings, section *jaas.Section, r Reporter) (sasl.Mechanism, error) {
	var user *jaas.Module
	for _, m := range section.Modules {
		if err := m.Check(); err != nil {
			return nil, err
		}
		if m.IsKrb5() && s.Mode != DigestMD5 {
			k, err := m.Krb5()
			if err != nil {
				return nil, err
			}
			return byModule(s, k, r)
		}
		if _, named := m.Get("username"); m.IsDigest() && user == nil && (named || len(section.Modules) == 1) {
			user = m
		}
	}
	if user == nil || s.Mode == GSSAPI {
		wanted := "DigestLoginModule or Krb5LoginModule"
		if s.Mode == GSSAPI {
			wanted = "Krb5LoginModule"
		}
		return nil, section.Fault("section %q has no %s to log in with", section.Name, wanted)
	}
	d, err := user.Digest()
	if err != nil {
		return nil, err
	}
	r.secret(section.File)
	return &digestmd5.Identity{User: d.User, Password: func() (string, error) { return d.Password, nil }}, nil
}

func digest(s *sasl.Settings, r Reporter) (sasl.Mechanism, error) {
	if s.PasswordFile == "" {
		return nil, errors.New("-sasl-user needs a password; use -sasl-password-file")
	}
	r.secret(s.PasswordFile)
	password := func() (string, error) { return readPassword(s.PasswordFile) }
	if _, err := password(); err != nil {
		return nil, err
	}
	return &digestmd5.Identity{User: s.User, Password: password}, nil
}

// readPassword returns the first line of a file.
func readPassword(file string) (string, error) {
	text, err := infile.Settings(file)
	if err != nil {
		return "", fmt.Errorf("-sasl-password-file: %w", err)
	}
	line, _, _ := strings.Cut(strings.TrimPrefix(string(text), "\ufeff"), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return "", fmt.Errorf("-sasl-password-file: the first line of %s is empty", escape.Line(file))
	}
	return line, nil
}

// kerberos uses the options.
func kerberos(s *sasl.Settings, r Reporter) (sasl.Mechanism, error) {
	c := client(s, r)
	c.Principal, c.Keytab, c.Cache = s.Principal, s.Keytab, s.Cache
	c.UseKeytab = s.Keytab != ""
	c.UseCache = s.Cache != "" || s.Keytab == "" && s.PasswordFile == ""
	if s.PasswordFile != "" {
		r.secret(s.PasswordFile)
		c.Password = func() (string, error) { return readPassword(s.PasswordFile) }
	}
	if c.UseKeytab {
		r.secret(strings.TrimPrefix(s.Keytab, "FILE:"))
	}
	return c, nil
}

// byModule uses a Krb5LoginModule.
func byModule(s *sasl.Settings, k jaas.Krb5, r Reporter) (sasl.Mechanism, error) {
	c := client(s, r)
	if k.ServiceName != "" && s.Service == "" {
		c.Service = k.ServiceName
	}
	c.UseCache, c.Cache = k.UseTicketCache, k.TicketCache
	c.UseKeytab, c.Keytab = k.UseKeyTab, k.KeyTab
	if c.Principal = k.Principal; c.Principal == "*" {
		c.Principal = ""
	}
	if !c.UseCache && !c.UseKeytab {
		return nil, errors.New("the JAAS section's Krb5LoginModule has neither useKeyTab=true nor useTicketCache=true, so Java would ask for a password; set one of the two")
	}
	if c.UseKeytab {
		r.secret(c.Keytab)
	}
	return c, nil
}

func client(s *sasl.Settings, r Reporter) *krb5.Client {
	c := &krb5.Client{Service: s.Service, Server: s.Server, Realm: s.Realm, Canonicalize: !s.NoCanonical, Log: r.Log}
	if c.Service == "" {
		c.Service = "zookeeper"
	}
	c.Config = func() (*krb5.Config, error) {
		switch {
		case s.Krb5Conf != "":
			return krb5.LoadConfig([]string{s.Krb5Conf})
		case s.Krb5Realm != "" && s.Krb5KDC != "": // only together do they count, in Java too
			return krb5.SimpleConfig(s.Krb5Realm, strings.Split(s.Krb5KDC, ":")...), nil
		}
		return krb5.LoadConfig(krb5.ConfigFiles())
	}
	return c
}

// SplitJAAS splits FILE[:Section]. A colon that belongs to the file's name does not count.
func SplitJAAS(text string) (file, section string) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 || strings.ContainsAny(text[i:], `/\`) || strings.EqualFold(text[:i], "file") {
		return text, ""
	}
	if _, err := os.Stat(text); err == nil {
		return text, ""
	}
	return text[:i], text[i+1:]
}
