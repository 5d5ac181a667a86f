package localserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/tlsstore"
)

// certificate writes a self-signed certificate for name, with its key, as PEM.
func certificate(t *testing.T, name string) (file string) {
	t.Helper()
	return certificateUntil(t, name, time.Now().Add(time.Hour))
}

func certificateUntil(t *testing.T, name string, end time.Time) (file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: end, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...)
	file = filepath.Join(t.TempDir(), name+".pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTLS(t *testing.T) {
	server, user, stranger := certificate(t, "server"), certificate(t, "user"), certificate(t, "stranger")
	port, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	e := New(t, Options{Properties: map[string]string{
		"secureClientPort": fmt.Sprint(port), "secureClientPortAddress": "127.0.0.1", "client.portUnification": "true",
		"ssl.keyStore.location": server, "ssl.trustStore.location": user, "ssl.enabledProtocols": "TLSv1.2,TLSv1.3",
	}})
	config := func(key string) *tls.Config {
		cfg, err := (&client.TLSOptions{KeyStore: tlsstore.Store{File: key}, TrustStore: tlsstore.Store{File: server}}).Config()
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	for _, addr := range []string{fmt.Sprintf("127.0.0.1:%d", port), e.Member(1).Addr()} {
		c, err := client.Open(client.Config{Servers: addr, TLS: config(user)})
		if err != nil {
			t.Fatal(err)
		}
		ids, err := c.WhoAmI(t.Context())
		if err != nil || !slices.ContainsFunc(ids, func(id proto.ClientInfo) bool { return id.AuthScheme == "x509" && id.User == "CN=user" }) {
			t.Errorf("%s: whoami: %v, %v", addr, ids, err)
		}
		c.Close()
		if c, err := client.Open(client.Config{Servers: addr, TLS: config(stranger)}); err == nil {
			if _, _, err := c.Get(t.Context(), "/", false); err == nil {
				t.Errorf("%s: a stranger's certificate is accepted", addr)
			}
			c.Close()
		}
	}
	write(t, e, "/plain") // on the unified port
}

// An expired certificate, of a client or a server, is not accepted, even if the trust store
// contains that very certificate.
func TestExpiredCertificate(t *testing.T) {
	server, user := certificate(t, "server"), certificate(t, "user")
	oldServer, oldUser := certificateUntil(t, "server", time.Now().Add(-time.Hour)), certificateUntil(t, "user", time.Now().Add(-time.Hour))
	read := func(addr, key, trust string) error {
		cfg, err := (&client.TLSOptions{KeyStore: tlsstore.Store{File: key}, TrustStore: tlsstore.Store{File: trust}}).Config()
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.Open(client.Config{Servers: addr, TLS: cfg})
		if err != nil {
			return err
		}
		defer c.Close()
		_, _, err = c.Get(t.Context(), "/", false)
		return err
	}
	start := func(key, trust string) string {
		port, err := port.Free()
		if err != nil {
			t.Fatal(err)
		}
		New(t, Options{Properties: map[string]string{
			"secureClientPort": fmt.Sprint(port), "secureClientPortAddress": "127.0.0.1", "ssl.keyStore.location": key, "ssl.trustStore.location": trust,
		}})
		return fmt.Sprintf("127.0.0.1:%d", port)
	}
	if err := read(start(server, user), user, server); err != nil {
		t.Fatal(err)
	}
	if err := read(start(server, oldUser), oldUser, server); err == nil {
		t.Error("a client's expired certificate is accepted")
	}
	if err := read(start(oldServer, user), user, oldServer); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("a server's expired certificate: %v", err)
	}
	theirs := apachetest.Test(t, apache.Options{Secure: &apache.TLSFiles{KeyStore: server, TrustStore: oldUser}})
	if err := read(theirs.SecureAddr(), oldUser, server); err != nil {
		t.Errorf("Apache ZooKeeper does not accept a client's expired certificate: %v", err)
	}
}

func TestAutopurge(t *testing.T) {
	dir := t.TempDir()
	opt := Options{DataDir: dir, Properties: map[string]string{"snapCount": "4", "forceSync": "no", "autopurge.purgeInterval": "0"}}
	e := New(t, opt)
	snapshots := func() int {
		d, err := storage.ReadDir(filepath.Join(dir, "version-2"))
		if err != nil {
			t.Fatal(err)
		}
		return len(d.Snapshots)
	}
	c := open(t, e.ConnectString())
	i := 0
	err := await.Until(t.Context(), func() bool {
		i++
		if _, _, err := c.Create(t.Context(), fmt.Sprint("/", i), nil, proto.OpenACL, proto.Persistent, 0); err != nil {
			t.Fatal(err)
		}
		return snapshots() >= 6
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	opt.Properties["autopurge.purgeInterval"] = "1"
	e = New(t, opt)
	if err := await.Until(t.Context(), func() bool { return snapshots() == 3 }); err != nil {
		t.Fatal(err)
	}
	c = open(t, e.ConnectString())
	if _, _, err := c.Get(t.Context(), "/1", false); err != nil {
		t.Errorf("after the purge: %v", err)
	}
}
