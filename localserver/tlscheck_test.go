package localserver

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/zkctl/zkctl/internal/authority"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/tlsstore"
)

// tlsFolder is a folder of certificates for a test.
type tlsFolder struct {
	*authority.Folder
	t *testing.T
}

func newTLSFolder(t *testing.T) tlsFolder {
	t.Helper()
	f, err := authority.Open(t.TempDir(), "test", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return tlsFolder{f, t}
}

// add signs a certificate; its file is name.pem.
func (f tlsFolder) add(name string, s authority.Subject) *authority.Identity {
	f.t.Helper()
	s.Name, s.Until = name, time.Now().Add(time.Hour)
	i, err := f.Add(name, s)
	if err != nil {
		f.t.Fatal(err)
	}
	return i
}

// options are those of a client with a certificate.
func (f tlsFolder) options(name string) *client.TLSOptions {
	return &client.TLSOptions{KeyStore: tlsstore.Store{File: f.Path(name + ".pem")}, TrustStore: tlsstore.Store{File: f.Path(authority.CertFile)}}
}

// server starts a server with a TLS port.
func (f tlsFolder) server(properties ...string) (addr string) {
	f.t.Helper()
	addr, _ = f.ensemble(properties...)
	return addr
}

func (f tlsFolder) ensemble(properties ...string) (addr string, e *Ensemble) {
	f.t.Helper()
	f.add("server", authority.Subject{Hosts: []string{"127.0.0.1"}})
	p, err := port.Free()
	if err != nil {
		f.t.Fatal(err)
	}
	cfg := map[string]string{"secureClientPort": fmt.Sprint(p), "secureClientPortAddress": "127.0.0.1",
		"ssl.keyStore.location": f.Path("server.pem"), "ssl.trustStore.location": f.Path(authority.CertFile)}
	for _, line := range properties {
		key, value, _ := strings.Cut(line, "=")
		cfg[key] = value
	}
	return fmt.Sprintf("127.0.0.1:%d", p), New(f.t, Options{Ephemeral: true, Properties: cfg})
}

// visit opens a session and reads.
func (f tlsFolder) visit(addr string, o *client.TLSOptions) (ids []proto.ClientInfo, err error) {
	f.t.Helper()
	cfg, stores, err := o.Open()
	if err != nil {
		f.t.Fatal(err)
	}
	c, err := client.Open(client.Config{Servers: addr, TLS: cfg, TLSStores: stores})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.WhoAmI(f.t.Context())
}

func TestClientHostnames(t *testing.T) {
	f := newTLSFolder(t)
	f.add("here", authority.Subject{Hosts: []string{"127.0.0.1"}, Client: true})
	f.add("named", authority.Subject{Hosts: []string{"elsewhere.example.com"}, Client: true})
	for properties, refused := range map[string]bool{
		"":                                    false,
		"ssl.clientHostnameVerification=true": true,
		"ssl.clientHostnameVerification=true ssl.hostnameVerification=false": false,
	} {
		addr := f.server(strings.Fields(properties)...)
		if _, err := f.visit(addr, f.options("here")); err != nil {
			t.Errorf("%s: a client whose certificate names its address: %v", properties, err)
		}
		if _, err := f.visit(addr, f.options("named")); (err != nil) != refused {
			t.Errorf("%s: a client whose certificate names another host: %v", properties, err)
		}
	}
}

// With want, a client may have no certificate; with none, nobody is asked, so nobody has an x509 id.
func TestClientAuth(t *testing.T) {
	f := newTLSFolder(t)
	f.add("user", authority.Subject{Client: true})
	other := newTLSFolder(t)
	other.add("stranger", authority.Subject{Client: true})
	without, stranger := f.options("user"), f.options("user")
	without.KeyStore = tlsstore.Store{}
	stranger.KeyStore = other.options("stranger").KeyStore
	known := func(ids []proto.ClientInfo) bool {
		return slices.ContainsFunc(ids, func(id proto.ClientInfo) bool { return id.AuthScheme == "x509" && id.User == "CN=user" })
	}
	for auth, want := range map[string]struct{ id, without, stranger bool }{
		"need": {true, false, false}, "want": {true, true, false}, "none": {false, true, true},
	} {
		addr := f.server("ssl.clientAuth=" + auth)
		if ids, err := f.visit(addr, f.options("user")); err != nil || known(ids) != want.id {
			t.Errorf("%s: %v, %v", auth, ids, err)
		}
		if _, err := f.visit(addr, without); (err == nil) != want.without {
			t.Errorf("%s: without a certificate: %v", auth, err)
		}
		if _, err := f.visit(addr, stranger); (err == nil) != want.stranger {
			t.Errorf("%s: with a stranger's certificate: %v", auth, err)
		}
	}
}

// Stores that change are used at once: by the server with client.certReload, and by a client for each
// connection. Stores that cannot be read change nothing.
func TestCertReload(t *testing.T) {
	f := newTLSFolder(t)
	f.add("user", authority.Subject{Client: true})
	still := f.server()
	addr, e := f.ensemble("client.certReload=true")
	if _, err := f.visit(addr, f.options("user")); err != nil {
		t.Fatal(err)
	}
	cfg, stores, err := f.options("user").Open()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Open(client.Config{Servers: addr, TLS: cfg, TLSStores: stores, Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	next := newTLSFolder(t)
	next.add("user", authority.Subject{Client: true})
	next.add("server", authority.Subject{Hosts: []string{"127.0.0.1"}})
	if err := os.WriteFile(f.Path("server.pem"), []byte("half of"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.visit(addr, f.options("user")); err != nil {
		t.Errorf("with a store that cannot be read: %v", err)
	}
	for _, file := range []string{"server.pem", "user.pem", authority.CertFile} {
		text, err := os.ReadFile(next.Path(file))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Save(file, text); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.visit(addr, f.options("user")); err != nil {
		t.Errorf("with the new certificates: %v", err)
	}
	if _, err := f.visit(still, f.options("user")); err == nil {
		t.Error("a server without client.certReload has read the stores again")
	}
	id := c.SessionID()
	e.DropConnections()
	if err := await.Until(t.Context(), func() bool { _, err := c.WhoAmI(t.Context()); return err == nil }); err != nil || c.SessionID() != id {
		t.Errorf("a client that reconnects: %v, session 0x%x, then 0x%x", err, id, c.SessionID())
	}
}

// revoker publishes which certificates are revoked, as a list and as answers to OCSP.
type revoker struct {
	tlsFolder
	*httptest.Server
	revoked atomic.Pointer[x509.Certificate]
	list    atomic.Bool // whether there is a list
	signer  atomic.Pointer[authority.Identity]
}

func newRevoker(t *testing.T) *revoker {
	r := &revoker{tlsFolder: newTLSFolder(t)}
	r.list.Store(true)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		switch request.URL.Path {
		case "/crl":
			if !r.list.Load() {
				http.NotFound(w, request)
				return
			}
			var revoked []*x509.Certificate
			if c := r.revoked.Load(); c != nil {
				revoked = append(revoked, c)
			}
			der, err := r.RevocationList(1, time.Now().Add(time.Hour), revoked...)
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write(der)
		case "/ocsp":
			body, _ := io.ReadAll(request.Body)
			question, err := ocsp.ParseRequest(body)
			if err != nil {
				t.Error(err)
				return
			}
			answer := ocsp.Response{Status: ocsp.Good, SerialNumber: question.SerialNumber, ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour), IssuerHash: crypto.SHA1}
			if c := r.revoked.Load(); c != nil && c.SerialNumber.Cmp(question.SerialNumber) == 0 {
				answer.Status, answer.RevokedAt = ocsp.Revoked, time.Now()
			}
			responder, key := r.Cert, r.Key
			if s := r.signer.Load(); s != nil {
				responder, key, answer.Certificate = s.Cert, s.Key, s.Cert
			}
			der, err := ocsp.CreateResponse(r.Cert, responder, answer, key)
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write(der)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// A revoked certificate, of a client or a server, is refused, and so is one of which nobody knows
// whether it is revoked.
func TestRevocation(t *testing.T) {
	for _, way := range []string{"crl", "ocsp"} {
		r := newRevoker(t)
		subject := authority.Subject{Client: true}
		place := &subject.CRL
		if way == "ocsp" {
			place = &subject.OCSP
		}
		*place = r.URL + "/" + way
		user, friend := r.add("user", subject), r.add("friend", subject)
		r.add("unknown", authority.Subject{Client: true})
		addr := r.tlsFolder.server("ssl." + way + "=true")
		if _, err := r.visit(addr, r.options("user")); err != nil {
			t.Errorf("%s: a good certificate: %v", way, err)
		}
		if _, err := r.visit(addr, r.options("unknown")); err == nil {
			t.Errorf("%s: a certificate that names no place to ask is accepted", way)
		}
		r.revoked.Store(user.Cert)
		fresh := r.tlsFolder.server("ssl." + way + "=true") // knows no list yet
		if _, err := r.visit(fresh, r.options("user")); err == nil {
			t.Errorf("%s: a revoked certificate is accepted", way)
		}
		if _, err := r.visit(fresh, r.options("friend")); err != nil {
			t.Errorf("%s: a good certificate beside a revoked one: %v", way, err)
		}
		if way == "ocsp" {
			r.signer.Store(friend) // the authority has signed it, but not for this
			if _, err := r.visit(fresh, r.options("friend")); err == nil {
				t.Error("an answer that a client has signed is accepted")
			}
			continue
		}
		r.list.Store(false)
		if _, err := r.visit(r.tlsFolder.server("ssl.crl=true"), r.options("friend")); err == nil {
			t.Error("a certificate is accepted without the list of revoked ones")
		}
	}
	// A client checks the server.
	r := newRevoker(t)
	r.add("user", authority.Subject{Client: true})
	addr := r.tlsFolder.server("client.certReload=true")
	server := r.add("server", authority.Subject{Hosts: []string{"127.0.0.1"}, CRL: r.URL + "/crl"})
	o := r.options("user")
	o.CRL = true
	if _, err := r.visit(addr, o); err != nil {
		t.Error(err)
	}
	r.revoked.Store(server.Cert)
	if _, err := r.visit(addr, o); err == nil || !strings.Contains(err.Error(), "the certificate is revoked") {
		t.Errorf("a server's revoked certificate: %v", err)
	}
}

// TestTLSRefusals starts servers with settings that are wrong or not supported. Each must fail with
// an error that names the setting or the file.
func TestTLSRefusals(t *testing.T) {
	f := newTLSFolder(t)
	f.add("server", authority.Subject{Hosts: []string{"127.0.0.1"}})
	good := map[string]string{"secureClientPort": "1", "ssl.keyStore.location": f.Path("server.pem"), "ssl.trustStore.location": f.Path(authority.CertFile)}
	for line, want := range map[string]string{
		"ssl.keyStore.location=":                            "ssl.keyStore.location is not set",
		"ssl.trustStore.location=":                          "ssl.trustStore.location is not set; with ssl.clientAuth=NEED",
		"ssl.keyStore.location=/none.pem":                   "key store /none.pem: no such file",
		"ssl.ciphersuites=TLS_DHE_RSA_WITH_AES_128_CBC_SHA": `unsupported cipher suite "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"`,
		"ssl.ciphersuites=ROT13":                            `unknown cipher suite "ROT13"`,
		"ssl.enabledProtocols=SSLv3":                        `unknown TLS protocol "SSLv3"`,
		"ssl.context.supplier.class=com.example.Own":        "only the stores of ssl.keyStore and ssl.trustStore are supported here",
		"ssl.keyStore.type=BCFKS":                           "BCFKS, Bouncy Castle's format for FIPS, is not supported",
	} {
		properties := map[string]string{}
		for key, value := range good {
			properties[key] = value
		}
		key, value, _ := strings.Cut(line, "=")
		properties[key] = value
		e, err := Start(t.Context(), Options{Ephemeral: true, Properties: properties})
		if err == nil {
			e.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%s: error %v does not say %q", line, err, want)
		}
	}
	_, err := Start(t.Context(), Options{Size: 3, Ephemeral: true, Properties: map[string]string{"sslQuorum": "true"}})
	if err == nil || !strings.Contains(err.Error(), "TLS between members: ssl.quorum.keyStore.location is not set") {
		t.Errorf("sslQuorum without a store: %v", err)
	}
}
