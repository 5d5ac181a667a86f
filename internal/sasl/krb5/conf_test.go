package krb5

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
)

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestConfig reads a file as Red Hat's systems have it: it includes a folder, blocks nest, and most
// settings do not matter here.
func TestConfig(t *testing.T) {
	dir := t.TempDir()
	text := `# a comment
includedir ` + dir + `/krb5.conf.d
[logging]
 default = FILE:/var/log/krb5libs.log
[libdefaults]
    dns_lookup_realm = false
    dns_lookup_kdc = no
    ticket_lifetime = 1d 2h
    renew_lifetime = 7d
    forwardable = true
    clockskew = 120
    default_realm = EXAMPLE.COM
    default_realm = LATER.COM
    default_ccache_name = KEYRING:persistent:%{uid}
    default_tkt_enctypes = camellia256-cts aes128-cts rc4-hmac
    spake_preauth_groups = edwards25519
[realms]
 EXAMPLE.COM = {
     kdc = kdc1.example.com
     kdc = kdc2.example.com:8888
     admin_server = kdc1.example.com
     auth_to_local_names = {
        a = b
     }
     auth_to_local = RULE:[1:$1@$0](.*@B\.COM)s/@.*//
 }
 OTHER.ORG =
 {
     kdc = "[::1]:88"
 }
[domain_realm]
 .Example.com = EXAMPLE.COM
 example.com = EXAMPLE.COM
`
	write(t, dir, "krb5.conf.d/crypto-policies", "[libdefaults]\npermitted_enctypes = aes256-cts-hmac-sha1-96\n")
	write(t, dir, "krb5.conf.d/third.conf", "[realms]\nTHIRD.NET = {\n kdc = tcp/k3\n}\n")
	write(t, dir, "krb5.conf.d/skipped.rpmsave", "not even a configuration")
	write(t, dir, "krb5.conf.d/.hidden.conf", "nor this")
	for name, text := range map[string]string{"LF": text, "CRLF": strings.ReplaceAll(text, "\n", "\r\n"), "BOM": "\ufeff" + text} {
		file := write(t, dir, "krb5.conf", text)
		c, err := LoadConfig([]string{file})
		if err != nil {
			t.Fatal(name, err)
		}
		d := c.LibDefaults
		if d.DefaultRealm != "EXAMPLE.COM" || !d.Forwardable || d.TicketLifetime != 26*time.Hour || d.RenewLifetime != 7*24*time.Hour || d.Clockskew != 2*time.Minute ||
			c.cacheName != "KEYRING:persistent:%{uid}" || c.dns {
			t.Errorf("%s: %+v, %+v", name, d, c)
		}
		if want := []int32{etypeID.AES128_CTS_HMAC_SHA1_96, etypeID.RC4_HMAC}; !reflect.DeepEqual(d.DefaultTktEnctypeIDs, want) {
			t.Errorf("%s: encryption types %v, want %v", name, d.DefaultTktEnctypeIDs, want)
		}
		for realm, want := range map[string][]string{
			"EXAMPLE.COM": {"kdc1.example.com:88", "kdc2.example.com:8888"}, "OTHER.ORG": {"[::1]:88"}, "THIRD.NET": {"k3:88"},
		} {
			if got, err := c.kdcs(t.Context(), realm); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s: %v, %v; want %v", name, realm, got, err, want)
			}
		}
		if got := c.ResolveRealm("zk1.example.com"); got != "EXAMPLE.COM" {
			t.Errorf("%s: %s", name, got)
		}
		if _, err := c.kdcs(t.Context(), "NONE"); err == nil || err.Error() != "no KDC is known for the realm NONE: it has no kdc in "+file+", and the DNS has none; is the realm right?" {
			t.Error(name, err)
		}
		if got := expandTokens(c.resolveCache("")); os.Getenv("KRB5CCNAME") == "" && !strings.HasPrefix(got, "KEYRING:persistent:") || strings.Contains(got, "%{") {
			t.Errorf("%s: cache %s", name, got)
		}
	}
	first := write(t, dir, "first.conf", "[libdefaults]\ndefault_realm = FIRST\n")
	if c, err := LoadConfig([]string{first + ".none", first, filepath.Join(dir, "krb5.conf")}); err != nil || c.LibDefaults.DefaultRealm != "FIRST" || len(c.Realms) != 3 {
		t.Error(c, err)
	}
}

func TestConfigFaults(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "krb5.conf")
	for text, want := range map[string]string{
		"default_realm = X":                        "line 1: a setting before the first section",
		"[libdefaults\n":                           "line 1: the bracket that closes the section's name is missing",
		"[realms]\nA = {\n[libdefaults]":           "line 3: a section starts inside { }",
		"[realms]\nA = {\nkdc = x":                 `line 3: the closing brace of "A" is missing`,
		"[realms]\n}":                              "line 2: a closing brace without an opening one",
		"[libdefaults]\nforwardable":               "line 2: expected key = value",
		"[libdefaults]\n\nforwardable = maybe":     "line 3: forwardable = maybe: expected true or false",
		"[libdefaults]\nticket_lifetime = long":    "line 2: ticket_lifetime = long: expected a duration",
		"[libdefaults]\nclockskew = 5m3":           "line 2: clockskew = 5m3: expected a duration",
		"\xff\xfe[\x00":                            "line 1: not a text file",
		"[a]\nb = \x00":                            "line 2: not a text file",
		"include " + dir + "/none\n":               "line 1: include: open " + dir + "/none",
		"\nincludedir " + dir + "/none\n":          "line 2: includedir: open " + dir + "/none",
		"include " + file + "\n":                   "files include each other more than 10 deep",
		"[libdefaults]\ninclude " + dir + "/bad\n": "line 2: include: " + dir + "/bad, line 1: a setting before the first section",
	} {
		write(t, dir, "bad", "x = y")
		write(t, dir, "krb5.conf", text)
		if c, err := LoadConfig([]string{file}); err == nil || !strings.HasPrefix(err.Error(), file+", line ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", text, c, err, want)
		}
	}
}

func TestPrincipals(t *testing.T) {
	for text, want := range map[string][]string{
		"joe": {"joe"}, "joe@R": {"joe", "@R"}, "zookeeper/host.x@R.S": {"zookeeper", "host.x", "@R.S"}, `a\/b\@c@R`: {"a/b@c", "@R"},
		"": nil, "@R": nil, "joe@": nil, "a//b": nil, "a@b@c": nil, "a\nb": nil,
	} {
		p, err := ParsePrincipal(text)
		got := p.Name.NameString
		if p.Realm != "" {
			got = append(got, "@"+p.Realm)
		}
		if (err != nil) != (want == nil) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("[libdefaults]\nclockskew = 1:2:3\nticket_lifetime=1d\n[realms]\nA = {\n kdc = a b\n}\nB=\n{\n}\n[domain_realm]\n.x = \"A\\n\"")
	f.Add("include include\nmodule x:y\n[a]*\nb* = c")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "include") {
			return // other files
		}
		c, err := LoadConfig([]string{write(t, t.TempDir(), "krb5.conf", text)})
		if (c == nil) == (err == nil) {
			t.Error(c, err)
		}
	})
}
