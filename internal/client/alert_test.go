package client

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/authority"
	"github.com/zkctl/zkctl/internal/fourletter"
)

// A server of TLS 1.3 judges the client's certificate only after the client's handshake has ended.
func TestRefusalsOfTLS13(t *testing.T) {
	folder := func() *authority.Folder {
		f, err := authority.Open(t.TempDir(), "ca", time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []authority.Subject{{Name: "server", Hosts: []string{"127.0.0.1"}}, {Name: "mine", Client: true}} {
			s.Until = f.Cert.NotAfter
			if _, err := f.Add(s.Name, s); err != nil {
				t.Fatal(err)
			}
		}
		return f
	}
	ours, others := folder(), folder()
	own, err := (&Store{File: ours.Path("server.pem")}).Key()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ours.Cert)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{*own}, ClientCAs: roots,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func(conn net.Conn) {
				defer conn.Close()
				for b := make([]byte, 100); ; {
					if _, err := conn.Read(b); err != nil {
						return
					}
				}
			}(conn)
		}
	}()
	store := func(f *authority.Folder, name string) Store { return Store{File: f.Path(name)} }
	for name, test := range map[string]struct {
		o    TLSOptions
		want string
	}{
		"no certificate":      {TLSOptions{TrustStore: store(ours, "ca.pem")}, "the server requires a client certificate; name one with -tls-keystore"},
		"another authority's": {TLSOptions{TrustStore: store(ours, "ca.pem"), KeyStore: store(others, "mine.pem")}, "the server does not trust the authority that signed the client certificate; name another with -tls-keystore"},
		"no trust store":      {TLSOptions{KeyStore: store(ours, "mine.pem")}, "an unknown authority signed it; name a trust store with that authority with -tls-truststore"},
		"another trust store": {TLSOptions{TrustStore: store(others, "ca.pem")}, "an unknown authority signed it; name a trust store with that authority with -tls-truststore"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := test.o.Config()
			if err != nil {
				t.Fatal(err)
			}
			c := open(t, Config{Servers: ln.Addr().String(), TLS: cfg, SessionTimeout: 2 * time.Second})
			if err := c.WaitConnected(testContext(t)); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "possibly") {
				t.Errorf("error %v does not say %q", err, test.want)
			}
			_, err = fourletter.Ask(testContext(t), Config{TLS: cfg}.Dialer(), ln.Addr().String(), "ruok")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error of a word, %v, does not say %q", err, test.want)
			}
		})
	}
}
