package localserver

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"github.com/zkctl/zkctl/internal/client"
)

// A client that trusts the certificate is served over TLS, before and after a restart; another is
// not.
func TestTLSPorts(t *testing.T) {
	for _, size := range []int{1, 3} {
		dir := t.TempDir()
		for round := range 2 { // on new data, and again on the result
			e := New(t, Options{Size: size, DataDir: dir, TLS: true, Properties: quick})
			path := []string{"/a", "/b"}[round]
			create(t, open(t, e.ConnectString()), path)
			for _, m := range e.Members() {
				answer, err := FourLetterWord(t.Context(), m.TLSAddr(), "ruok", e.TLSConfig())
				if err != nil || answer != "imok" {
					t.Errorf("member %d: %q, %v", m.ID(), answer, err)
				}
				if nc, err := tls.Dial("tcp", m.TLSAddr(), &tls.Config{RootCAs: x509.NewCertPool()}); err == nil {
					nc.Close()
					t.Errorf("member %d is trusted by everybody", m.ID())
				}
			}
			pool := x509.NewCertPool()
			if !pool.AppendCertsFromPEM(e.TLSCertificate()) {
				t.Fatal("the certificate cannot be read")
			}
			c, err := client.Open(client.Config{Servers: e.TLSConnectString(), TLS: &tls.Config{RootCAs: pool}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, _, err := c.Get(t.Context(), path, false); err != nil {
				t.Error(err)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	e := New(t, Options{Ephemeral: true})
	if e.TLSConnectString() != "" || e.TLSConfig() != nil || e.TLSCertificate() != nil || e.Member(1).TLSAddr() != "" {
		t.Error("there is TLS that nobody asked for")
	}
}
