package login

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/sasl"
	"github.com/zkctl/zkctl/internal/sasl/digestmd5"
	"github.com/zkctl/zkctl/internal/sasl/krb5"
)

func TestSplitJAAS(t *testing.T) {
	dir := t.TempDir()
	odd := filepath.Join(dir, "a:b")
	if err := os.WriteFile(odd, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][2]string{
		"jaas.conf": {"jaas.conf", ""}, "jaas.conf:Admin": {"jaas.conf", "Admin"}, "/a:b/jaas": {"/a:b/jaas", ""},
		`C:\jaas.conf`: {`C:\jaas.conf`, ""}, `C:\jaas.conf:Admin`: {`C:\jaas.conf`, "Admin"}, "file:jaas": {"file:jaas", ""},
		"file:/etc/jaas:Admin": {"file:/etc/jaas", "Admin"}, odd: {odd, ""}, odd + ":Admin": {odd, "Admin"},
	} {
		if file, section := SplitJAAS(text); [2]string{file, section} != want {
			t.Errorf("%s: %q, %q; want %q", text, file, section, want)
		}
	}
}

// TestModules: Kerberos if there is a module for it, as in Java, with what the module says.
func TestModules(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	file := filepath.Join(t.TempDir(), "jaas.conf")
	digest := `a.DigestLoginModule required username="bob" password="x";`
	for module, test := range map[string]struct {
		change func(s *sasl.Settings)
		want   string
	}{
		digest: {nil, "digest bob"},
		`a.Krb5LoginModule required useTicketCache=true ticketCache="/c";` + digest:             {nil, `krb5 "" cache /c, zookeeper`},
		digest + `a.Krb5LoginModule required useKeyTab=true keyTab="/k" principal="joe@R";`:     {nil, `krb5 "joe@R" keytab /k, zookeeper`},
		`a.Krb5LoginModule required useKeyTab=true keyTab="/k" serviceName="zk" principal="*";`: {nil, `krb5 "" keytab /k, zk`},
		`a.Krb5LoginModule required useKeyTab=true serviceName="zk" principal="joe";`:           {func(s *sasl.Settings) { s.Service = "hbase" }, `krb5 "joe" keytab , hbase`},
		`a.Krb5LoginModule required useTicketCache=true ticketCache="file:/c"; ` + digest:       {func(s *sasl.Settings) { s.Mode = DigestMD5 }, "digest bob"},
		`a.Krb5LoginModule required principal="joe";`:                                           {nil, "neither useKeyTab=true nor useTicketCache=true"},
		`a.Krb5LoginModule optional; b.PlainLoginModule required;`:                              {nil, "neither useKeyTab"},
		`b.PlainLoginModule required;`:                                                          {nil, "is not one that ZooKeeper uses"},
		digest + ` `:                                                                            {func(s *sasl.Settings) { s.Mode = GSSAPI }, `section "Client" has no Krb5LoginModule to log in with`},
		``:                                                                                      {nil, `section "Client" has no DigestLoginModule or Krb5LoginModule to log in with`},
		digest + `  `:                                                                           {func(s *sasl.Settings) { s.Mode = Off }, "nothing"},
		digest + `   `:                                                                          {func(s *sasl.Settings) { s.Section = "Other" }, "warning"},
	} {
		if err := os.WriteFile(file, []byte("Client {\n"+module+"\n};"), 0o600); err != nil {
			t.Fatal(err)
		}
		s := &sasl.Settings{JAAS: file}
		if test.change != nil {
			test.change(s)
		}
		got := "nothing"
		chosen, err := Choose(s, Reporter{Warn: func(format string, args ...any) { got = "warning" }})
		switch m := chosen.(type) {
		case *digestmd5.Identity:
			got = "digest " + m.User
		case *krb5.Client:
			source := "cache " + m.Cache
			if m.UseKeytab {
				source = "keytab " + m.Keytab
			}
			got = fmt.Sprintf("krb5 %q %s, %s", m.Principal, source, m.Service)
		}
		if err != nil {
			got = err.Error()
		}
		if got != test.want && (err == nil || !strings.Contains(got, test.want)) {
			t.Errorf("%s: %s, want %s", module, got, test.want)
		}
	}
}
