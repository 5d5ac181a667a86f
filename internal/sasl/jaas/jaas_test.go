package jaas

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const sample = `// of a cluster
Client {
    com.sun.security.auth.module.Krb5LoginModule required
    useKeyTab=true keyTab="/etc/\"zk\"/\x.keytab" storeKey=true
    /* a comment
       of two lines */ useTicketCache=FALSE
    principal="joe@EXAMPLE.COM"; // the end
};

Server {
   org.apache.zookeeper.server.auth.DigestLoginModule REQUIRED
   user_super="\101\12dm\51in"
   user_bob="b=ob;}{" user_bob="second"
   "user_x y"=secret$_-*.z;
   other.Module optional;
};
"Quoted.name" { };
`

func TestParse(t *testing.T) {
	for name, text := range map[string]string{"LF": sample, "CRLF": strings.ReplaceAll(sample, "\n", "\r\n"), "BOM": "\ufeff" + sample} {
		f, err := Parse("jaas.conf", []byte(text), nil)
		if err != nil {
			t.Fatal(name, err)
		}
		client, err := f.Section("Client")
		if err != nil || client.Line != 2 || len(client.Modules) != 1 {
			t.Fatal(name, client, err)
		}
		k, err := client.Modules[0].Krb5()
		if want := (Krb5{Principal: "joe@EXAMPLE.COM", UseKeyTab: true, KeyTab: `/etc/"zk"/x.keytab`, StoreKey: true}); err != nil || k != want {
			t.Errorf("%s: %+v, want %+v; %v", name, k, want, err)
		}
		server, err := f.Section("Server")
		if err != nil || len(server.Modules) != 2 || server.Modules[1].Flag != "optional" || server.Modules[1].Line != 15 {
			t.Fatal(name, server, err)
		}
		users := map[string]string{"super": "A\ndm)in", "bob": "second", "x y": "secret$_-*.z"}
		if got := server.Users(); !reflect.DeepEqual(got, users) {
			t.Errorf("%s: %q, want %q", name, got, users)
		}
		if s, err := f.Section("Quoted.name"); err != nil || len(s.Modules) != 0 {
			t.Error(name, s, err)
		}
		if _, err := f.Section("Clent"); err == nil || err.Error() != `JAAS file jaas.conf: no section "Clent"; it has Client, Server, Quoted.name; did you mean Client?` {
			t.Error(name, err)
		}
	}
}

func TestFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "it has no section",
		"  // nothing\n":                        "it has no section",
		"Client":                                `line 1: expected '{' after the section's name "Client", found the end of the file`,
		"Client {\n a.B required x=y;":          "line 2: expected the class of a login module, found the end of the file",
		"Client {\n a.B required;\n}":           `line 3: expected ';' after the section's closing brace, found the end of the file`,
		"Client { a.B must; };":                 `line 1: expected required, requisite, sufficient or optional after the class, found "must"`,
		"Client { a.B required x;\n};":          `line 1: expected '=' after option "x", found ';'`,
		"Client { a.B required\n x=\"s3cret };": "line 2: the closing double quote is missing",
		"Client { a.B required x=\"s3cret\\":    "line 1: the closing double quote is missing",
		"Client { a.B required x=\"a\" \"s3cret\" y=1; };": `line 1: expected '=' after option "s3cret", found "y"`,
		"Client { a.B required x=12345; };":                "line 1: an unquoted value that starts with a digit, which Java refuses; put it in double quotes",
		"Client { a.B required x=-5; };":                   "starts with a digit",
		"Client { a.B required x=/etc/k; };":               `line 1: an unquoted "/", at which Java ignores the rest of the line; put the value in double quotes`,
		"Client { a.B required x='s3cret'; };":             "line 1: a single quote; use double quotes",
		"Client { a.B required x=a@B; };":                  "line 1: unexpected character '@'; put the value in double quotes",
		"Client { };\nClient { };":                         `line 2: section "Client" is already defined in line 1`,
		"/* Client { };":                                   "line 1: the comment that starts here has no end",
		"Client { };\n\x00":                                "line 2: not a text file: byte 0x00",
		"\xff\xfeC\x00":                                    "line 1: the file is in UTF-16",
		"PK\x03\x04\xff":                                   "line 1: not a text file: byte 0xff",
		"Client { a.B required x=\"${none}\"; };":          `line 1: system property "none" in a value is not set`,
		"{ };": "line 1: expected the name of a section, found '{'",
	} {
		f, err := Parse("jaas.conf", []byte(text), nil)
		if err == nil || !strings.HasPrefix(err.Error(), "JAAS file jaas.conf") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", text, f, err, want)
		}
		if err != nil && strings.Contains(want, "closing") && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: the error reveals a value: %v", text, err)
		}
	}
}

func TestProperties(t *testing.T) {
	text := `Client { a.B required a="${conf}/x" b="${/}${user.home}" c="${{x}}" d="${conf" e=plain; };`
	f, err := Parse("jaas.conf", []byte(text), map[string]string{"conf": "/etc"})
	if err != nil {
		t.Fatal(err)
	}
	home, _ := os.UserHomeDir()
	want := []Option{{"a", "/etc/x"}, {"b", string(filepath.Separator) + home}, {"c", "${{x}}"}, {"d", "${conf"}, {"e", "plain"}}
	if got := f.Sections[0].Modules[0].Options; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestModules(t *testing.T) {
	module := func(text string) *Module {
		f, err := Parse("jaas.conf", []byte("Client {\n"+text+";\n};"), nil)
		if err != nil {
			t.Fatal(text, err)
		}
		return f.Sections[0].Modules[0]
	}
	if d, err := module(`org.apache.zookeeper.server.auth.DigestLoginModule required username=bob password="x y"`).Digest(); err != nil || d != (Digest{"bob", "x y"}) {
		t.Error(d, err)
	}
	for text, want := range map[string]string{
		`a.DigestLoginModule required user_bob="x"`:                     "DigestLoginModule has no username",
		`a.DigestLoginModule required username=bob`:                     "no password",
		`a.Krb5LoginModule required keyTab="x"`:                         "without useKeyTab=true",
		`a.Krb5LoginModule required ticketCache="x" useTicketCache=yes`: "without useTicketCache=true",
		`a.PlainLoginModule required`:                                   `login module "a.PlainLoginModule" is not one that ZooKeeper uses`,
	} {
		m := module(text)
		err := m.Check()
		if m.IsDigest() {
			_, err = m.Digest()
		} else if m.IsKrb5() {
			_, err = m.Krb5()
		}
		if err == nil || !strings.HasPrefix(err.Error(), "JAAS file jaas.conf, line 2: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	k, err := module(`com.ibm.security.auth.module.Krb5LoginModule required useKeytab="file:/etc/k" principal=joe`).Krb5()
	if want := (Krb5{Principal: "joe", UseKeyTab: true, KeyTab: "/etc/k"}); err != nil || k != want {
		t.Errorf("%+v, %v", k, err)
	}
}

func TestRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "jaas.conf")
	if err := os.WriteFile(file, []byte(sample), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, "file:" + file, "file://" + file, "file://localhost" + file} {
		if f, err := Read(name, nil); err != nil || len(f.Sections) != 3 || f.Name != file {
			t.Error(name, f, err)
		}
	}
	if _, err := Read(file+".none", nil); err == nil || !strings.HasPrefix(err.Error(), "JAAS file: open ") {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("\ufeffa{b.C required d=\"\\777\\0\";};"))
	f.Add([]byte("a{b required c=\"${{x}\" d=\"${user.name}\";};/**/"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Parse("f", text, nil)
		if (file == nil) == (err == nil) {
			t.Fatal(file, err)
		}
		if err != nil {
			return
		}
		for _, s := range file.Sections {
			s.Users()
			for _, m := range s.Modules {
				_ = m.Check()
				_, _ = m.Digest()
				_, _ = m.Krb5()
			}
		}
	})
}
