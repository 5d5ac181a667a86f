package client

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
	"github.com/zkctl/zkctl/internal/sasl"
)

// stores creates an authority, a server's and a client's certificate in every format, with the
// tools that users have.
type stores struct{ dir string }

func newStores(t *testing.T) stores {
	t.Helper()
	for _, tool := range []string{"openssl", "keytool"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("needs " + tool)
		}
	}
	s := stores{t.TempDir()}
	s.run(t, `
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 30
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key -out other.pem -subj /CN=stranger -days 30
issue() { # name, extensions
	openssl req -newkey rsa:2048 -nodes -keyout $1.key -out $1.csr -subj "/CN=$2"
	printf '%s\n' "$3" >$1.ext
	openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $1.crt -days 30 -extfile $1.ext
	cat $1.key $1.crt ca.pem >$1.pem
	openssl pkcs12 -export -in $1.pem -out $1.p12 -passout pass:secret
}
issue server server "subjectAltName=DNS:localhost,IP:127.0.0.1"
issue elsewhere elsewhere "subjectAltName=DNS:elsewhere.example.com"
issue named 127.0.0.1 "basicConstraints=CA:FALSE"
issue client client "basicConstraints=CA:FALSE"
openssl pkcs12 -export -nokeys -in ca.pem -out castore-openssl.p12 -passout pass:secret
keytool -importcert -noprompt -alias ca -file ca.pem -keystore castore.jks -storetype JKS -storepass secret
keytool -importcert -noprompt -alias ca -file ca.pem -keystore castore.p12 -storetype PKCS12 -storepass secret
keytool -importcert -noprompt -alias ca -file ca.pem -keystore castore-named.jks -storetype PKCS12 -storepass secret
keytool -importkeystore -srckeystore client.p12 -srcstoretype PKCS12 -srcstorepass secret -destkeystore client.jks -deststoretype JKS -deststorepass secret
openssl pkcs12 -export -legacy -nokeys -in ca.pem -out castore-openssl1.p12 -passout pass:secret
openssl pkcs12 -export -legacy -in client.pem -out client-openssl1.p12 -passout pass:secret
openssl pkcs8 -topk8 -in client.key -out encrypted.key -passout pass:secret
cat encrypted.key client.crt >encrypted.pem
openssl pkcs8 -topk8 -v2 des3 -v2prf hmacWithSHA1 -in client.key -out des3.key -passout pass:secret
cat client.crt des3.key >des3.pem
openssl rsa -traditional -aes128 -in client.key -out traditional.key -passout pass:secret
cat traditional.key client.crt >traditional.pem
openssl pkcs8 -topk8 -v1 PBE-MD5-DES -provider legacy -provider default -in client.key -out old.key -passout pass:secret
cat old.key client.crt >old.pem
(printf '\357\273\277'; sed 's/$/\r/' client.pem) >windows.pem
head -c 3000 client.pem >truncated.pem
head -c 900 client.p12 >truncated.p12
iconv -f UTF-8 -t UTF-16 client.pem >utf16.pem
openssl x509 -in ca.pem -outform DER -out ca.der
: >empty.pem
printf 'secret\n' >password
printf 'neither\n' >garbage
`)
	return s
}

func (s stores) run(t *testing.T, script string) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-ec", script)
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func (s stores) file(name string) string { return filepath.Join(s.dir, name) }

func TestTLS(t *testing.T) {
	stores := newStores(t)
	store := func(name string) Store { return Store{File: stores.file(name), Password: "secret"} }
	start := func(name string) *apache.Server {
		return apachetest.Test(t, apache.Options{Secure: &apache.TLSFiles{
			KeyStore: stores.file(name + ".p12"), KeyStorePassword: "secret",
			TrustStore: stores.file("castore.jks"), TrustStorePassword: "secret"}})
	}
	server := start("server")
	try := func(t *testing.T, addr string, o TLSOptions) error {
		cfg, err := o.Config()
		if err != nil {
			t.Fatal(err)
		}
		c := open(t, Config{Servers: addr, TLS: cfg, SessionTimeout: 10 * time.Second})
		if err := c.WaitConnected(testContext(t)); err != nil {
			return err
		}
		_, _, err = c.Get(testContext(t), "/", false)
		return err
	}
	for key, trusts := range map[string][]string{
		"client.pem": {"ca.pem", "castore.p12", "castore.jks", "castore-named.jks", "castore-openssl.p12", "castore-openssl1.p12"},
		"client.p12": {"ca.pem"}, "client-openssl1.p12": {"ca.pem"}, "client.jks": {"ca.pem"}, "encrypted.pem": {"ca.pem"},
		"des3.pem": {"ca.pem"}, "traditional.pem": {"ca.pem"}, "windows.pem": {"ca.pem"},
	} {
		for _, trust := range trusts {
			if err := try(t, server.SecureAddr(), TLSOptions{KeyStore: store(key), TrustStore: store(trust)}); err != nil {
				t.Errorf("%s, %s: %v", key, trust, err)
			}
		}
	}
	good := TLSOptions{KeyStore: store("client.p12"), TrustStore: store("ca.pem")}

	t.Run("key in another file", func(t *testing.T) {
		o := good
		o.KeyStore = Store{File: stores.file("client.crt"), KeyFile: stores.file("encrypted.key"), Password: "secret"}
		if err := try(t, server.SecureAddr(), o); err != nil {
			t.Error(err)
		}
	})
	t.Run("password file", func(t *testing.T) {
		o := good
		o.KeyStore = Store{File: stores.file("client.p12"), PasswordFile: stores.file("password")}
		if err := try(t, server.SecureAddr(), o); err != nil {
			t.Error(err)
		}
	})
	t.Run("old protocol", func(t *testing.T) {
		o := good
		o.Protocols, o.Ciphers = []string{"TLSv1.2"}, []string{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"}
		if err := try(t, server.SecureAddr(), o); err != nil {
			t.Error(err)
		}
	})
	fails := func(name, addr string, o TLSOptions, want ...string) {
		t.Run(name, func(t *testing.T) {
			err := try(t, addr, o)
			for _, w := range want {
				if err == nil || !strings.Contains(err.Error(), w) {
					t.Errorf("error %v does not say %q", err, w)
				}
			}
		})
	}
	fails("plain port", server.Addr(), good, "closed the connection during the TLS handshake", "not speak TLS on this port")
	fails("unknown authority", server.SecureAddr(), TLSOptions{KeyStore: good.KeyStore, TrustStore: Store{File: stores.file("other.pem")}},
		"the server's certificate was rejected", "unknown authority")
	fails("no client certificate", server.SecureAddr(), TLSOptions{TrustStore: good.TrustStore}, "certificate")

	t.Run("plain client", func(t *testing.T) {
		c := open(t, Config{Servers: server.SecureAddr(), SessionTimeout: 5 * time.Second})
		if err := c.WaitConnected(testContext(t)); err == nil || !strings.Contains(err.Error(), "TLS") {
			t.Errorf("error %v", err)
		}
	})

	elsewhere := start("elsewhere")
	fails("host name", elsewhere.SecureAddr(), good, "the certificate is for elsewhere.example.com, not for 127.0.0.1")
	skip := good
	skip.SkipHostname = true
	if err := try(t, elsewhere.SecureAddr(), skip); err != nil {
		t.Errorf("host name not verified: %v", err)
	}
	skip.TrustStore = Store{File: stores.file("other.pem")}
	fails("unknown authority, host name not verified", elsewhere.SecureAddr(), skip, "unknown authority")

	named := start("named")
	if err := try(t, named.SecureAddr(), good); err != nil {
		t.Errorf("common name: %v", err)
	}
}

func TestBadStores(t *testing.T) {
	stores := newStores(t)
	file := func(name, password string) Store { return Store{File: stores.file(name), Password: password} }
	for _, test := range []struct {
		name string
		o    TLSOptions
		want string
	}{
		{"missing", TLSOptions{KeyStore: file("none.p12", "")}, "none.p12: no such file"},
		{"wrong password, PKCS12", TLSOptions{KeyStore: file("client.p12", "x")}, "client.p12: the password is wrong"},
		{"wrong password, PKCS12 trust", TLSOptions{TrustStore: file("castore.p12", "x")}, "castore.p12: the password is wrong"},
		{"wrong password, JKS", TLSOptions{KeyStore: file("client.jks", "xxxxxx")}, "check the password"},
		{"wrong password, JKS trust", TLSOptions{TrustStore: file("castore.jks", "xxxxxx")}, "check the password"},
		{"encrypted PEM without its password", TLSOptions{KeyStore: file("encrypted.pem", "")}, "encrypted.pem: the private key is encrypted; give its password"},
		{"wrong password, PEM", TLSOptions{KeyStore: file("encrypted.pem", "x")}, "encrypted.pem: the password is wrong"},
		{"wrong password, traditional PEM", TLSOptions{KeyStore: file("traditional.pem", "x")}, "traditional.pem: the password is wrong"},
		{"outdated encryption", TLSOptions{KeyStore: file("old.pem", "secret")}, "write it anew (openssl pkcs8 -topk8 -v2 aes-256-cbc)"},
		{"another's key", TLSOptions{KeyStore: Store{File: stores.file("client.crt"), KeyFile: stores.file("server.key")}}, "private key does not match public key"},
		{"truncated PEM", TLSOptions{KeyStore: file("truncated.pem", "")}, "truncated.pem: the file is damaged: 1 of its"},
		{"truncated PKCS12", TLSOptions{KeyStore: file("truncated.p12", "secret")}, "truncated.p12: the file is damaged; it may be truncated"},
		{"UTF-16", TLSOptions{KeyStore: file("utf16.pem", "")}, "utf16.pem: the file is a text in UTF-16"},
		{"DER", TLSOptions{TrustStore: file("ca.der", "")}, "ca.der: the file is a certificate in DER, not a store"},
		{"empty", TLSOptions{TrustStore: file("empty.pem", "")}, "empty.pem: the file is empty"},
		{"folder", TLSOptions{TrustStore: file("", "")}, "is a directory"},
		{"no key", TLSOptions{KeyStore: file("ca.pem", "")}, "no private key"},
		{"no certificate", TLSOptions{KeyStore: file("client.key", "")}, "no certificate"},
		{"empty trust", TLSOptions{TrustStore: file("client.key", "")}, "no certificate"},
		{"wrong password, PKCS12 of openssl as trust", TLSOptions{TrustStore: file("castore-openssl.p12", "x")}, "the password is wrong"},
		{"JKS without a key", TLSOptions{KeyStore: file("castore.jks", "secret")}, "no private key"},
		{"garbage", TLSOptions{KeyStore: file("garbage", "")}, "not PEM, PKCS12 or JKS"},
		{"wrong type", TLSOptions{KeyStore: Store{File: stores.file("client.p12"), Type: "pem"}}, "the file should be PEM but is PKCS12"},
		{"unsupported type", TLSOptions{KeyStore: Store{File: stores.file("client.p12"), Type: "BCFKS"}}, "BCFKS, Bouncy Castle's format for FIPS, is not supported; convert the store"},
		{"no password file", TLSOptions{KeyStore: Store{File: stores.file("client.p12"), PasswordFile: stores.file("none")}}, "password of "},
		{"protocol", TLSOptions{Protocols: []string{"SSLv3"}}, `unknown TLS protocol "SSLv3"`},
		{"cipher", TLSOptions{Ciphers: []string{"ROT13"}}, `unknown cipher suite "ROT13"`},
		{"only ciphers that are not supported", TLSOptions{Ciphers: []string{"TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"}}, `unsupported cipher suite "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"`},
		{"supplier", TLSOptions{Supplier: "com.example.Own"}, "zookeeper.ssl.context.supplier.class=com.example.Own: a Java class cannot"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := test.o.Config(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v does not say %q", err, test.want)
			}
		})
	}
}

func TestProperties(t *testing.T) {
	stores := newStores(t)
	file := stores.file("client.properties")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`# comment
zookeeper.client.secure=true
zookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty
zookeeper.ssl.keyStore.location=` + stores.file("client.p12") + `
zookeeper.ssl.keyStore.password=secret
zookeeper.ssl.trustStore.location=` + stores.file("ca.pem") + `
zookeeper.ssl.trustStore.type=PEM
zookeeper.ssl.hostnameVerification = false
zookeeper.ssl.protocol=TLSv1.3
zookeeper.request.timeout=1500
zookeeper.disableAutoWatchReset=true
zookeeper.sasl.client=true
zookeeper.sasl.clientconfig=Other
zookeeper.sasl.client.username=zk
zookeeper.sasl.client.canonicalize.hostname=false
zookeeper.server.principal=zk/host@REALM
zookeeper.sasl.unknown=1
jute.maxbuffer=0x200000
`)
	p := &Properties{}
	err := p.LoadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Servers: "localhost"}
	if err := p.Apply(&cfg); err != nil {
		t.Fatal(err)
	}
	if cfg.TLS == nil || cfg.TLS.RootCAs == nil || !p.TLS.SkipHostname || cfg.MaxPacket != 2<<20 || cfg.RequestTimeout != 1500*time.Millisecond || !cfg.NoWatchReset {
		t.Errorf("%+v gave %+v", p, cfg)
	}
	if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "zookeeper.sasl.unknown has no effect here") {
		t.Errorf("warnings %q", p.Warnings)
	}
	if want := (sasl.Settings{Mode: "auto", Section: "Other", Service: "zk", NoCanonical: true, Server: "zk/host@REALM"}); !reflect.DeepEqual(p.SASL, want) {
		t.Errorf("%+v, want %+v", p.SASL, want)
	}
	if err := p.LoadSystem("JVMFLAGS", map[string]string{"zookeeper.sasl.client": "false", "java.security.auth.login.config": "=j", "java.security.krb5.conf": "k"}); err != nil ||
		p.SASL.Mode != "off" || p.SASL.JAAS != "j" || p.SASL.Krb5Conf != "k" {
		t.Errorf("%+v, %v", p.SASL, err)
	}

	for text, want := range map[string]string{
		"jute.maxbuffer=lots":             "jute.maxbuffer=lots: expected a number of bytes",
		"zookeeper.request.timeout=never": "zookeeper.request.timeout=never: expected a number of milliseconds",
		"zookeeper.client.secure=true\nzookeeper.ssl.keyStore.location=/none.p12": "key store /none.p12: no such file",
		"a=\\u12": "client configuration " + file,
	} {
		write(text)
		p := &Properties{}
		err := p.LoadFile(file)
		if err == nil {
			err = p.Apply(&Config{})
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%q: error %v does not say %q", text, err, want)
		}
	}
	if err := new(Properties).LoadFile(stores.file("none")); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("missing file: %v", err)
	}
}

// The property file overrides the flags of zkCli's JVM; without ZooKeeper's own trust store, Java's
// is used. Other flags do not matter.
func TestSystemProperties(t *testing.T) {
	file := filepath.Join(t.TempDir(), "client.properties")
	if err := os.WriteFile(file, []byte("zookeeper.ssl.trustStore.location=/theirs.pem\nzookeeper.ssl.trustStore.type=PEM\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var p Properties
	err := p.LoadSystem("CLIENT_JVMFLAGS", map[string]string{
		"zookeeper.client.secure": "true", "zookeeper.clientCnxnSocket": "org.apache.zookeeper.ClientCnxnSocketNetty",
		"zookeeper.ssl.keyStore.location": "/mine.jks", "zookeeper.ssl.keyStore.password": "secret",
		"javax.net.ssl.trustStore": "/java.p12", "javax.net.ssl.trustStoreType": "PKCS12", "javax.net.ssl.trustStorePassword": "changeit",
		"zookeeper.log.dir": "/logs", "zookeeper.root.logger": "INFO,CONSOLE", "java.io.tmpdir": "/tmp", "jute.maxbuffer": "0x400000",
		"zookeeper.sasl.client": "false",
	})
	if err != nil || len(p.Warnings) > 0 {
		t.Fatal(err, p.Warnings)
	}
	if want := (Store{File: "/java.p12", Type: "PKCS12", Password: "changeit"}); !p.Secure || p.TLS.TrustStore != want ||
		p.TLS.KeyStore != (Store{File: "/mine.jks", Password: "secret"}) || p.MaxPacket != 4<<20 {
		t.Errorf("%+v", p)
	}
	if err := p.LoadFile(file); err != nil || p.TLS.TrustStore.File != "/theirs.pem" || p.TLS.KeyStore.File != "/mine.jks" || !p.Secure {
		t.Errorf("the file over it: %+v, %v", p, err)
	}
	if err := new(Properties).LoadSystem("CLIENT_JVMFLAGS", map[string]string{"jute.maxbuffer": "x"}); err == nil ||
		!strings.HasPrefix(err.Error(), "CLIENT_JVMFLAGS: jute.maxbuffer=x: expected a number of bytes") {
		t.Error(err)
	}
	if err := p.Apply(&Config{}); err == nil || !strings.HasPrefix(err.Error(), "CLIENT_JVMFLAGS: ") {
		t.Errorf("a store that is not there: %v", err)
	}
}

func TestRequestTimeout(t *testing.T) {
	addr := serve(t, func(_ int, p *wiretest.Peer) { p.Welcome(30 * time.Second); p.Request(); p.Hold() })
	c := open(t, Config{Servers: addr, RequestTimeout: 100 * time.Millisecond})
	err := c.Delete(testContext(t), "/x", -1)
	if err == nil || !strings.Contains(err.Error(), "no reply to delete within 100ms") {
		t.Errorf("error %v", err)
	}
}
