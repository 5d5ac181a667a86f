package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/authority"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/tlsstore"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver"
)

// run runs the verb; cfg is what the options before it say.
func run(t *testing.T, cfg client.Config, args ...string) (stdout string, err error) {
	t.Helper()
	var out bytes.Buffer
	c := newCommand(&ui.Streams{Out: &out, Err: io.Discard}, func() (client.Config, error) {
		cfg.Servers = "x"
		return cfg, nil
	})
	c.SetArgs(args)
	c.SetOut(&out)
	c.SilenceErrors, c.SilenceUsage = true, true
	err = c.ExecuteContext(t.Context())
	return out.String(), err
}

func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := run(t, client.Config{}, args...)
	if err != nil {
		t.Fatal(args, err, out)
	}
	return out
}

// A server that has the lines of its member serves the client, and knows who it is.
func TestNew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	out := must(t, "new", dir, "--hosts", "127.0.0.1/zk1.example.com,zk2", "--client", "alice,bob", "--days", "10")
	for _, want := range []string{"member-2.pem, .p12 (until ", "ssl.keyStore.location=", "tls-truststore: "} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not print %q:\n%s", want, out)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); runtime.GOOS != "windows" && (err != nil || info.Mode().Perm() != 0o700) {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
	for _, e := range entries {
		if info, err := e.Info(); runtime.GOOS != "windows" && (err != nil || info.Mode().Perm() != 0o600) {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
	cfg, warnings, err := zoocfg.Parse("zoo.cfg", append([]byte("dataDir=/x\nclientPort=1\n"), read(t, dir, "member-1.cfg")...), nil)
	if err != nil || !cfg.QuorumUsesTLS || cfg.QuorumTLS.KeyStore.Location == "" {
		t.Errorf("%+v, %v", cfg, err)
	}
	for _, w := range warnings {
		if w.Unknown() {
			t.Error(w)
		}
	}
	server := localserver.New(t, localserver.Options{Ephemeral: true, Properties: map[string]string{
		"client.portUnification": "true", "ssl.keyStore.location": cfg.TLS.KeyStore.Location, "ssl.trustStore.location": cfg.TLS.TrustStore.Location}})
	for _, store := range []tlsstore.Store{{File: filepath.Join(dir, "client-alice.pem")},
		{File: filepath.Join(dir, "client-alice.p12"), PasswordFile: filepath.Join(dir, "password")}} {
		own, err := (&client.TLSOptions{KeyStore: store, TrustStore: tlsstore.Store{File: filepath.Join(dir, "ca.pem")}}).Config()
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.Open(client.Config{Servers: server.ConnectString(), TLS: own})
		if err != nil {
			t.Fatal(err)
		}
		ids, err := c.WhoAmI(t.Context())
		if text, _ := json.Marshal(ids); err != nil || !bytes.Contains(text, []byte("CN=alice")) {
			t.Errorf("%s: %s, %v", store.File, text, err)
		}
		c.Close()
	}
	if keytool, err := exec.LookPath("keytool"); err == nil {
		for _, file := range []string{"truststore.p12", "member-1.p12"} {
			out, err := exec.Command(keytool, "-list", "-keystore", filepath.Join(dir, file), "-storepass:file", filepath.Join(dir, "password")).CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("contains 1 entry")) {
				t.Errorf("keytool reads %s: %v, %s", file, err, out)
			}
		}
	}

	before, ca := read(t, dir, "member-1.pem"), read(t, dir, "ca.pem")
	if out := must(t, "new", dir, "--hosts", "127.0.0.1", "--client", "carol"); !strings.Contains(out, "member-1.pem is kept") {
		t.Errorf("again: %s", out)
	}
	if !bytes.Equal(before, read(t, dir, "member-1.pem")) {
		t.Error("a certificate was replaced without --replace")
	}
	var done made
	if err := json.Unmarshal([]byte(must(t, "new", dir, "--hosts", "127.0.0.1", "--replace", "-o", "json")), &done); err != nil || done.Authority || len(done.Members) != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	if bytes.Equal(before, read(t, dir, "member-1.pem")) || !bytes.Equal(ca, read(t, dir, "ca.pem")) {
		t.Error("--replace must replace the certificate, not the authority")
	}
	for _, args := range [][]string{{"new", dir, "--client", "../x"}, {"new", dir, "--days", "0"}, {"new", dir, "--hosts", "a b"}, {"new"}} {
		if _, err := run(t, client.Config{}, args...); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

func TestNewAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	must(t, "new", dir, "--hosts", "zk1/10.0.0.1,zk2", "--client", "alice")
	if !bytes.Contains(read(t, dir, "member-1.cfg"), []byte("secureClientPortAddress=10.0.0.1\n")) ||
		!bytes.Contains(read(t, dir, "member-2.cfg"), []byte("secureClientPortAddress=0.0.0.0\n")) {
		t.Errorf("%s\n%s", read(t, dir, "member-1.cfg"), read(t, dir, "member-2.cfg"))
	}
	out := must(t, "new", dir, "--client", "bob", "-o", "json")
	if !strings.Contains(out, `"members":[]`) {
		t.Error(out)
	}
	profile := string(read(t, dir, profileFile))
	for _, want := range []string{`"alice":`, `"bob":`, "client-alice.pem", "client-bob.pem"} {
		if !strings.Contains(profile, want) {
			t.Errorf("the profile has no %s:\n%s", want, profile)
		}
	}
	if strings.Count(profile, `server: "zk1:2281,zk2:2281"`) != 2 {
		t.Errorf("other servers:\n%s", profile)
	}
	if _, err := run(t, client.Config{}, "new", dir, "--members", "0"); err == nil || !strings.Contains(err.Error(), "--members: 0") {
		t.Errorf("--members 0: %v", err)
	}
}

// Renewed certificates keep their names, whatever this machine is called, and secrets are for their owner alone, whoever
// could read the old ones.
func TestRenew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	must(t, "new", dir, "--hosts", "zk1/10.0.0.1,zk2", "--client", "alice")
	secrets := []string{"member-1.pem", "member-1.p12", "client-alice.pem", "client-alice.p12"}
	before := map[string][]byte{}
	for _, name := range append(secrets, "member-2.pem", "member-1.cfg", profileFile) {
		before[name] = read(t, dir, name)
		if err := os.Chmod(filepath.Join(dir, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	changed := func(name string) bool { return !bytes.Equal(before[name], read(t, dir, name)) }
	must(t, "new", dir, "--client", "alice", "--replace")
	if !changed("client-alice.pem") || changed("member-1.pem") || changed("member-2.pem") {
		t.Error("--client names whose certificate is issued anew")
	}
	if out := must(t, "new", dir, "--replace"); strings.Contains(out, "kept") {
		t.Error(out)
	}
	for _, name := range secrets {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 || !changed(name) {
			t.Errorf("%s: %v, %v, changed: %v", name, info.Mode(), err, changed(name))
		}
	}
	if changed("member-1.cfg") || changed(profileFile) || !changed("member-2.pem") {
		t.Errorf("%s\n%s", read(t, dir, "member-1.cfg"), read(t, dir, profileFile))
	}
	for file, names := range map[string]string{"member-1.pem": "zk1 10.0.0.1", "member-2.pem": "zk2"} {
		chain, _, err := (&tlsstore.Store{File: filepath.Join(dir, file)}).Inspect()
		if err != nil || strings.Join(tlsstore.Names(chain[0]), " ") != names {
			t.Errorf("%s is for %v, %v, want %s", file, tlsstore.Names(chain[0]), err, names)
		}
	}
}

// An existing folder may hold other things for other users.
func TestNewKeepsTheModeOfAFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs modes")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	must(t, "new", dir)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Join(dir, "ca.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info.Mode(), err)
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// listen answers connections until the test ends.
func listen(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { nc.Close() })
			go answer(nc)
		}
	}()
	return ln.Addr().String()
}

func TestCheck(t *testing.T) {
	f, err := authority.Open(t.TempDir(), "test", time.Now().Add(1000*day))
	if err != nil {
		t.Fatal(err)
	}
	serve := func(name, host string, days int, auth tls.ClientAuthType) string {
		i, err := f.Add(name, authority.Subject{Name: name, Hosts: []string{host}, Client: true, Until: time.Now().Add(time.Duration(days)*day + time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		cfg := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{i.Cert.Raw, f.Cert.Raw}, PrivateKey: i.Key}}, ClientAuth: auth}
		return listen(t, func(nc net.Conn) {
			defer nc.Close()
			conn := tls.Server(nc, cfg)
			_, _ = io.Copy(io.Discard, conn)
		})
	}
	trust, err := (&client.TLSOptions{TrustStore: tlsstore.Store{File: f.Path("ca.pem")}}).Config()
	if err != nil {
		t.Fatal(err)
	}
	trusting := client.Config{TLS: trust}
	other, err := authority.Open(t.TempDir(), "other", time.Now().Add(day))
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := (&client.TLSOptions{TrustStore: tlsstore.Store{File: other.Path("ca.pem")}}).Config()
	if err != nil {
		t.Fatal(err)
	}
	good := serve("good", "127.0.0.1", 100, tls.NoClientCert)
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, tc := range map[string]struct {
		cfg  client.Config
		args []string
		say  []string
		bad  bool
	}{
		"good":         {trusting, []string{good}, []string{"ok", "TLS 1.3, TLS_", "client certificate: none", "CN=good for 127.0.0.1", "100 days left", "vouches for it"}, false},
		"soon":         {trusting, []string{good, "--days", "101"}, []string{"failed", "CN=good expires on", "within 101 days"}, true},
		"expired":      {trusting, []string{serve("old", "127.0.0.1", -2, tls.NoClientCert)}, []string{"CN=old has expired on", "(expired)"}, true},
		"no trust":     {client.Config{}, []string{good}, []string{"ok", "whether it can be trusted is not known"}, false},
		"other trust":  {client.Config{TLS: stranger}, []string{good}, []string{"do not vouch for it", "unknown authority"}, true},
		"host":         {trusting, []string{serve("there", "elsewhere", 100, tls.NoClientCert)}, []string{"the certificate is for elsewhere, not for 127.0.0.1"}, true},
		"client cert":  {trusting, []string{serve("strict", "127.0.0.1", 100, tls.RequireAnyClientCert)}, []string{"ok", "client certificate: required"}, false},
		"asks":         {trusting, []string{serve("lax", "127.0.0.1", 100, tls.RequestClientCert)}, []string{"ok", "client certificate: asked for"}, false},
		"closes":       {trusting, []string{listen(t, func(nc net.Conn) { _, _ = nc.Read(make([]byte, 4096)); nc.Close() })}, []string{"closed the connection during the TLS handshake; the port may not speak TLS"}, true},
		"plain":        {trusting, []string{listen(t, func(nc net.Conn) { _, _ = io.WriteString(nc, "220 mail.example.com ESMTP\r\n") })}, []string{"the port does not speak TLS"}, true},
		"silent":       {trusting, []string{listen(t, func(net.Conn) {}), "--timeout", "200ms"}, []string{"did not answer the TLS handshake within 200ms"}, true},
		"nobody":       {trusting, []string{"127.0.0.1:1"}, []string{"cannot connect: connection refused"}, true},
		"key store":    {client.Config{}, []string{f.Path("good.pem")}, []string{"ok", "with the private key of the first"}, false},
		"PKCS12":       {client.Config{}, []string{f.Path("good.p12"), "--password-file", f.Path("password")}, []string{"ok", "CN=good", "with the private key"}, false},
		"no password":  {client.Config{}, []string{f.Path("good.p12")}, []string{"good.p12: the password is wrong"}, true},
		"trust store":  {client.Config{}, []string{f.Path("truststore.p12"), "--password-file", f.Path("password")}, []string{"ok", "CN=test: signed by itself"}, false},
		"expired file": {client.Config{}, []string{f.Path("old.pem")}, []string{"CN=old has expired on"}, true},
		"no store":     {client.Config{}, []string{file("x.pem", "\x1b[2Jnothing")}, []string{"the file is not PEM"}, true},
		"several":      {trusting, []string{good, f.Path("old.pem"), good}, []string{"ok", "failed"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := run(t, tc.cfg, append([]string{"check"}, tc.args...)...)
			for _, want := range tc.say {
				if !strings.Contains(out, want) {
					t.Errorf("it does not print %q:\n%s", want, out)
				}
			}
			var exit *ui.ExitError
			if tc.bad != (errors.As(err, &exit) && exit.Code == 1) || !tc.bad && err != nil {
				t.Errorf("error %v", err)
			}
		})
	}
	out, _ := run(t, trusting, "check", good, f.Path("old.pem"), "-o", "json")
	var first, second finding
	d := json.NewDecoder(strings.NewReader(out))
	if err := errors.Join(d.Decode(&first), d.Decode(&second)); err != nil || first.Target != good || len(first.Certificates) != 2 || !*first.Trusted ||
		first.Certificates[0].DaysLeft != 100 || second.Kind != "file" || len(second.Faults) != 1 || !*second.PrivateKey {
		t.Errorf("%v: %s", err, out)
	}
	for _, args := range [][]string{{"check"}, {"check", "nothing"}, {"check", good, "--days", "0"}, {"check", good, "--timeout", "0"}} {
		if _, err := run(t, trusting, args...); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

func TestClientNamesFitIntoFileNames(t *testing.T) {
	for name, want := range map[string]bool{
		"alice": true, "Äpfel-7": true, "bob@EXAMPLE.COM": true, "٣": true, strings.Repeat("ä", 100): true,
		"": false, ".alice": false, "-x": false, "a b": false, "a/b": false, "a\xff": false, strings.Repeat("a", 101): false,
	} {
		if got := isClientName(name); got != want {
			t.Errorf("isClientName(%q) = %v, want %v", name, got, want)
		}
	}
}
