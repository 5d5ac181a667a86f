package authn

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/sasl/digestmd5"
	"github.com/zkctl/zkctl/internal/sasl/krbname"
	"github.com/zkctl/zkctl/internal/zklog"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver/internal/replica"
)

// source is a configuration with a JAAS file and a krb5.conf whose default realm is R.
func source(t *testing.T, jaas string) *Source {
	t.Helper()
	cfg := zoocfg.Default()
	cfg.SASL.LoginFile, cfg.SASL.Krb5Conf = filepath.Join(t.TempDir(), "jaas.conf"), filepath.Join(t.TempDir(), "krb5.conf")
	for file, text := range map[string]string{cfg.SASL.LoginFile: jaas, cfg.SASL.Krb5Conf: "[libdefaults]\n default_realm = R\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &Source{Config: cfg}
}

const digestUsers = `Server { org.apache.zookeeper.server.auth.DigestLoginModule required
	user_bob="secret" user_super="file" "user_zk/h@R"="r" "user_zk/h@X"="x" "user_a@b@c"="at"; };`

// login authenticates with DIGEST-MD5.
func login(opt *replica.SASLOptions, user, password string) (id string, err error) {
	server, client := opt.Exchange(), digestmd5.NewClient(user, password, digestmd5.Protocol, digestmd5.ServerName)
	var token []byte
	for {
		if token, _, err = client.Step(token); err != nil {
			return "", err
		}
		var done bool
		if token, done, err = server.Step(token); err != nil {
			return "", err
		}
		if done {
			return server.ID(), nil
		}
	}
}

func TestClientIDs(t *testing.T) {
	for _, c := range []struct {
		change         func(*zoocfg.SASL)
		user, password string
		want           string // "" for a refusal
	}{
		{user: "bob", password: "secret", want: "bob"},
		{user: "bob", password: "wrong"},
		{user: "eve", password: "secret"},
		{user: "super", password: "file", want: "super"},
		{func(c *zoocfg.SASL) { c.SuperPassword = "system" }, "super", "system", "super"},
		{func(c *zoocfg.SASL) { c.SuperPassword = "system" }, "super", "file", ""},
		{func(c *zoocfg.SASL) { c.SuperPassword = "system" }, "bob", "secret", "bob"},
		{user: "zk/h@R", password: "r", want: "zk/h@R"},
		{func(c *zoocfg.SASL) { c.RemoveHost = true }, "zk/h@R", "r", "zk@R"},
		{func(c *zoocfg.SASL) { c.RemoveRealm = true }, "zk/h@R", "r", "zk/h"},
		{func(c *zoocfg.SASL) { c.RemoveHost, c.RemoveRealm = true, true }, "zk/h@R", "r", "zk"},
		{func(c *zoocfg.SASL) {
			c.AuthToLocal, c.RemoveHost, c.RemoveRealm = "RULE:[2:$1@$0](zk@X)s/.*/admin/ DEFAULT", true, true
		}, "zk/h@X", "x", "admin"},
		{func(c *zoocfg.SASL) { c.RemoveHost, c.RemoveRealm = true, true }, "zk/h@X", "x", "zk/h@X"}, // no rule applies
		{user: "a@b@c", password: "at"},
	} {
		s := source(t, digestUsers)
		if c.change != nil {
			c.change(&s.Config.SASL)
		}
		opt, err := s.Clients(nil)
		if err != nil {
			t.Fatal(err)
		}
		if id, err := login(&opt, c.user, c.password); id != c.want || (err == nil) != (c.want != "") || errors.Is(err, replica.ErrSASLName) != (c.user == "a@b@c") {
			t.Errorf("%s with %s: %q, %v; want %q", c.user, c.password, id, err, c.want)
		}
	}
}

// proved is the end of an exchange in which a client asked to act as somebody else.
type proved struct{ user, authzid string }

func (p proved) Step([]byte) ([]byte, bool, error) { return nil, true, nil }
func (p proved) User() string                      { return p.user }
func (p proved) AuthorizationID() string           { return p.authzid }

// A client is who it has proved to be, whatever it asks for, and even if no rule applies to it.
func TestSASLActsAs(t *testing.T) {
	rules, err := krbname.ParseRules("", "R")
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"bob", "zk/h@R", "zk/h@X"} {
		c := &client{exchange: proved{user, "admin"}, names: &naming{rules: rules}}
		if _, done, err := c.Step(nil); !done || err != nil || c.ID() != user {
			t.Errorf("%s is %q, %v", user, c.ID(), err)
		}
	}
}

// A client without an account does not get in with the password of somebody else.
func TestSASLUnknownUser(t *testing.T) {
	opt, err := source(t, digestUsers).Clients(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := login(&opt, "bob", "secret"); err != nil {
		t.Fatal(err)
	}
	if id, err := login(&opt, "nobody", "secret"); err == nil {
		t.Errorf("nobody is %q", id)
	}
}

const noUsers = `Server { org.apache.zookeeper.server.auth.DigestLoginModule required; };`

// demandSASL is sessionRequireClientSASLAuth=true with the provider that it needs.
func demandSASL(c *zoocfg.Config) {
	c.SASL.Provider, c.SASL.Required, c.EnforceAuth, c.AuthSchemes = true, true, true, []string{"sasl"}
}

// TestSharedLoginFile: others may not read the passwords.
func TestSharedLoginFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	s := source(t, digestUsers)
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true} {
		if err := os.Chmod(s.Config.SASL.LoginFile, mode); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if _, err := s.Clients(zklog.New(&out, "", zklog.Info)); err != nil || strings.Contains(out.String(), "others can read it") != want {
			t.Errorf("%o: %v, %s", mode, err, out.String())
		}
	}
}

func TestClientLogins(t *testing.T) {
	const krb5 = `Server { com.sun.security.auth.module.Krb5LoginModule required `
	for _, c := range []struct {
		jaas   string
		change func(*zoocfg.Config)
		say    string // of the error; "" for a server that starts
		log    string
		open   bool // clients can authenticate
	}{
		{jaas: digestUsers, open: true},
		{jaas: digestUsers, change: func(c *zoocfg.Config) { c.SASL.LoginFile = "" }},
		{jaas: digestUsers, change: func(c *zoocfg.Config) { c.SASL.LoginFile += ".not" }, say: "JAAS file"},
		{jaas: digestUsers, change: func(c *zoocfg.Config) { c.SASL.Section = "Zk" }, log: `no section "Zk"; it has Server; clients cannot authenticate with SASL`},
		{jaas: "", log: "it has no section; clients cannot authenticate with SASL"},
		{jaas: digestUsers, change: func(c *zoocfg.Config) { c.SASL.LoginFile, c.SASL.Provider = "", true }, log: "no JAAS file is given; clients cannot authenticate with SASL; set java.security.auth.login.config"},
		{jaas: digestUsers, change: func(c *zoocfg.Config) { demandSASL(c); c.SASL.LoginFile = "" }, say: "sessionRequireClientSASLAuth=true demands SASL of every client, but none could authenticate: no JAAS file is given; set java.security.auth.login.config"},
		{jaas: "", change: demandSASL, say: "but none could authenticate: JAAS file"},
		{jaas: noUsers, log: `line 1: section "Server" has neither users nor a Krb5LoginModule; clients cannot`, open: true},
		{jaas: noUsers, change: demandSASL, say: `section "Server" has neither users nor a Krb5LoginModule; set java.security`},
		{jaas: noUsers, change: func(c *zoocfg.Config) { demandSASL(c); c.AuthSchemes = []string{"sasl", "digest"} }, log: "clients cannot", open: true},
		{jaas: digestUsers, change: demandSASL, open: true},
		{jaas: `Server { a.DigestLoginModule required user_bob=""; };`, log: `the password user_bob is empty, so anybody can authenticate as "bob"`, open: true},
		{jaas: "Server {", say: "line 1"},
		{jaas: `Server { com.example.Own required; };`, say: `login module "com.example.Own" is not one that ZooKeeper uses`},
		{jaas: krb5 + `; };`, say: `line 1: Krb5LoginModule of a server needs a keytab: add useKeyTab=true keyTab="/path/to/keytab"`},
		{jaas: krb5 + `useKeyTab=true keyTab="/not/there" principal="zookeeper/h@R"; };`, say: "needs storeKey=true"},
		{jaas: krb5 + `useKeyTab=true keyTab="/not/there" storeKey=true; };`, say: `needs principal="zookeeper/host@REALM"`},
		{jaas: krb5 + `useKeyTab=true keyTab="/not/there" storeKey=true principal="zookeeper/h@R"; };`, say: "/not/there"},
		{jaas: krb5 + `useKeyTab=true keyTab="/not/there" storeKey=true principal="zookeeper"; };`, say: `"zookeeper@R" is not the principal of a service`},
		{jaas: digestUsers, change: func(c *zoocfg.Config) { c.SASL.AuthToLocal = "RULE:[1" }, say: "security.auth_to_local: Invalid rule"},
		{jaas: digestUsers, change: func(c *zoocfg.Config) { c.SASL.RequireKrb5Conf = true }, open: true},
		{jaas: digestUsers, change: func(c *zoocfg.Config) { c.SASL.RequireKrb5Conf = true; c.SASL.Krb5Conf += ".not" }, say: "requireKerberosConfig=true demands"},
	} {
		s := source(t, c.jaas)
		if c.change != nil {
			c.change(s.Config)
		}
		var out bytes.Buffer
		opt, err := s.Clients(zklog.New(&out, "", zklog.Info))
		if c.say == "" && err != nil || c.say != "" && (err == nil || !strings.Contains(err.Error(), c.say)) {
			t.Errorf("%s: %v, without %q", c.jaas, err, c.say)
		}
		if err == nil && (opt.Exchange != nil) != c.open || !strings.Contains(out.String(), c.log) {
			t.Errorf("%s: open %v, log %s", c.jaas, opt.Exchange != nil, out.String())
		}
	}
}
