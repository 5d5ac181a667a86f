package ensemble

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/port/porttest"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/localserver"
	_ "github.com/zkctl/zkctl/localserver/apache"
)

// certificate makes a self-signed certificate for 127.0.0.1, as a PEM file with its key.
func certificate(t *testing.T) (file string, trusting *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "server"}, IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	file = filepath.Join(t.TempDir(), "server.pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return file, &tls.Config{RootCAs: roots}
}

// Words go through the client port's TLS, and an AdminServer that only speaks HTTPS is asked that way.
func TestSecureDoors(t *testing.T) {
	file, trusting := certificate(t)
	n, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := withJetty(t).Start(t.Context(), apache.Options{
		Secure: &apache.TLSFiles{KeyStore: file, TrustStore: file, ClientAuth: "none"},
		Properties: map[string]string{
			"4lw.commands.whitelist": "srvr,envi", "admin.enableServer": "true", "admin.serverPort": strconv.Itoa(n), "admin.forceHttps": "true",
			"ssl.quorum.keyStore.location": file, "ssl.quorum.trustStore.location": file,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(theirs.LogTail())
		}
		_ = theirs.Stop()
	})
	ours, err := localserver.Start(t.Context(), localserver.Options{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	for name, test := range map[string]struct {
		addr, admin string
		tls         *tls.Config
		doors       string
	}{
		"Apache":   {theirs.SecureAddr(), strconv.Itoa(n), trusting, "4lw+admin"},
		"embedded": {ours.TLSConnectString(), "1", ours.TLSConfig(), "4lw"},
	} {
		cfg := client.Config{Servers: test.addr, SessionTimeout: 10 * time.Second, TLS: test.tls}
		if o := runWith(t, newCommand, cfg, "status", "--admin-port", test.admin, "--timeout", "20s"); o.code != 0 || !strings.Contains(o.out, test.doors+"\n") {
			t.Errorf("%s: %+v", name, o)
		}
		if o := runWith(t, newWordCommand, cfg, "srvr", "--raw"); o.code != 0 || !strings.Contains(o.out, "Mode: standalone\n") {
			t.Errorf("%s: %+v", name, o)
		}
		if o := runWith(t, newCommand, cfg, "health", "--canary", "--admin-port", "0"); o.code != 0 {
			t.Errorf("%s: %+v", name, o)
		}
		// Without TLS the error names a TLS port; with it, a plain one.
		if o := run(t, newCommand, test.addr, "status", "--admin-port", "0", "--timeout", "20s"); o.code != exitUnknown || !strings.Contains(o.out, "TLS") {
			t.Errorf("%s: %+v", name, o)
		}
	}
	cfg := client.Config{Servers: theirs.Addr(), TLS: trusting}
	if o := runWith(t, newCommand, cfg, "status", "--admin-port", "0", "--timeout", "20s"); o.code != exitUnknown || !strings.Contains(o.out, "TLS") {
		t.Errorf("%+v", o)
	}
}

// The ports in the configuration are those without TLS: a member that was named by its port with TLS is not asked there, too.
func TestSecureEnsemble(t *testing.T) {
	for _, whitelist := range []string{"srvr", "*"} {
		e, err := localserver.Start(t.Context(), localserver.Options{Size: 3, TLS: true, Properties: map[string]string{"tickTime": "500", "forceSync": "no", "4lw.commands.whitelist": whitelist}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		cfg := client.Config{Servers: e.TLSConnectString(), SessionTimeout: 10 * time.Second, TLS: e.TLSConfig()}
		o := runWith(t, newCommand, cfg, "health", "--strict", "--min-members", "3", "--admin-port", "0", "--format", "json")
		if o.code != 0 || strings.Count(o.out, `"state":"serving"`) != 3 || strings.Count(o.out, `"state":`) != 3 {
			t.Errorf("%s: %+v", whitelist, o)
		}
		cfg.Servers, _, _ = strings.Cut(cfg.Servers, ",") // the others' ports cannot be known
		o = runWith(t, newCommand, cfg, "status", "--admin-port", "0")
		if o.code != 0 || strings.Count(o.out, "give its address with --members") < 2 || strings.Contains(o.out, "handshake") {
			t.Errorf("%s: %+v", whitelist, o)
		}
	}
}

func TestIPv6(t *testing.T) {
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skipf("this machine has no IPv6: %v", err)
	} else {
		_ = l.Close()
	}
	e, err := localserver.Start(t.Context(), localserver.Options{Size: 3, Host: "::1", Properties: map[string]string{"tickTime": "500", "forceSync": "no"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	first := fmt.Sprintf("[::1]:%d", e.Members()[0].Port())
	s, o := statusOf(t, first, "--admin-port", "0", "--timeout", "20s")
	if o.code != 0 || len(s.Members) != 3 || len(s.Problems) > 0 || s.Members[2].Address != fmt.Sprintf("[::1]:%d", e.Members()[2].Port()) {
		t.Errorf("%s%s", o.out, o.err)
	}
	if o := run(t, sessionVerb, first, "ls", "--admin-port", "0"); o.code != 0 {
		t.Errorf("%+v", o)
	}
}

// An observer does not count; members that serve reads without a quorum are reported as such.
func TestObserversAndReadOnlyMembers(t *testing.T) {
	e, err := localserver.Start(t.Context(), localserver.Options{
		Size: 3, Observers: 1, Properties: map[string]string{"tickTime": "500", "forceSync": "no", "readonlymode.enabled": "true", "4lw.commands.whitelist": "srvr"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	observer := e.Members()[3]
	s, o := statusOf(t, observer.Addr(), "--admin-port", "0", "--timeout", "20s")
	if o.code != 0 || len(s.Members) != 4 || *s.Voters != 3 || *s.Tolerates != 1 || s.Members[3].Mode == nil || *s.Members[3].Mode != "observer" {
		t.Errorf("%s%s", o.out, o.err)
	}
	if o := run(t, newCommand, observer.Addr(), "restart", "--rolling", "--dry-run", "--exec", "true", "--admin-port", "0"); o.code != 0 || !strings.Contains(strings.Split(o.out, "\n")[1], "observer") {
		t.Errorf("%+v", o)
	}
	for _, m := range e.Members()[:2] {
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	last := e.Members()[2].Addr()
	await.Within(30*time.Second, func() bool {
		s, o = statusOf(t, last, "--admin-port", "0")
		return strings.Contains(s.Verdict, "read-only")
	})
	if o.code != ui.ExitFailed || s.Verdict != "no quorum: the members that serve are read-only" || *s.Quorum {
		t.Errorf("%d: %s%s", o.code, o.out, o.err)
	}
	if o := run(t, newCommand, last, "health", "--canary", "--admin-port", "0"); o.code != ui.ExitFailed {
		t.Errorf("%+v", o)
	}
	if !await.Within(30*time.Second, func() bool {
		o = run(t, newCommand, "", "verify", "--deep", "/zookeeper", "--members", last+","+observer.Addr(), "--admin-port", "0")
		return strings.Contains(o.out, "not compared: "+last+": it is read-only") && strings.Contains(o.out, "not compared: "+observer.Addr()+": it is read-only")
	}) || o.code != exitUnknown {
		t.Errorf("%+v", o)
	}
}

// A member that is named by two addresses counts once, even if it does not tell its id.
func TestMemberAtTwoAddresses(t *testing.T) {
	for name, properties := range map[string]map[string]string{"all words": nil, "only srvr": {"4lw.commands.whitelist": "srvr"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := embedded(t, 3, properties)
			leader, err := e.Leader(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			followers := slices.DeleteFunc(slices.Clone(e.Members()), func(m *localserver.Member) bool { return m == leader })
			// What leads to a member elsewhere: a forwarded port, or a load balancer.
			forward := func(m *localserver.Member) string {
				return porttest.Serve(t, func(c net.Conn) {
					to, err := net.Dial("tcp", m.Addr())
					if err != nil {
						return
					}
					go func() { _, _ = io.Copy(to, c); to.Close() }()
					_, _ = io.Copy(c, to)
				})
			}
			toLeader, toFollower := forward(leader), forward(followers[0])
			_, portOf, _ := strings.Cut(followers[0].Addr(), ":")
			named := []string{toLeader, toFollower, toLeader + "," + toFollower, followers[0].Addr() + ",localhost:" + portOf, e.ConnectString() + "," + toLeader}
			check := func(verdict string, members int) {
				t.Helper()
				for _, servers := range named {
					var s status
					var o output
					if !await.Within(30*time.Second, func() bool {
						s, o = statusOf(t, servers, "--admin-port", "0", "--timeout", "20s")
						return o.code == 0 && strings.HasPrefix(s.Verdict, verdict) && (len(s.Members) == members || members == 0)
					}) {
						t.Errorf("%s: %s%s", servers, o.out, o.err)
					}
				}
			}
			check("quorum 3 of 3, leader ", 3)
			if err := followers[1].Kill(); err != nil {
				t.Fatal(err)
			}
			check("quorum 2 of 3, leader ", 0) // one that tells no id may be the killed one, and is shown
			a := followers[0].Addr()
			if s, o := statusOf(t, "", "--members", a+","+a, "--admin-port", "0"); len(s.Members) != 1 {
				t.Errorf("%s%s", o.out, o.err)
			}
		})
	}
}

// A member of another ensemble is recognized, even if both have a member with its id.
func TestMemberOfAnotherEnsemble(t *testing.T) {
	e, other := embedded(t, 3, nil), embedded(t, 3, nil)
	leader, err := other.Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stranger := leader.Addr()
	s, o := statusOf(t, "", "--members", e.ConnectString()+","+stranger, "--admin-port", "0", "--timeout", "20s")
	if o.code != 0 || len(s.Members) != 4 || !strings.HasPrefix(s.Verdict, "quorum 3 of 3") || len(s.Problems) != 1 || !strings.Contains(s.Problems[0], stranger+") is a member of another ensemble") {
		t.Errorf("%d: %s%s", o.code, o.out, o.err)
	}
	exactly := []string{"--members", e.ConnectString() + "," + stranger, "--admin-port", "0", "--timeout", "20s"}
	o = run(t, newCommand, "", append([]string{"doctor", "--only", "TWO_LEADERS,STRANGER,RELEASES_DIFFER"}, exactly...)...)
	if o.code != ui.ExitFailed || !strings.Contains(o.out, "critical STRANGER: "+stranger) || !strings.Contains(o.out, "\n1 finding.\n") {
		t.Errorf("%+v", o)
	}
	if o = run(t, newCommand, "", append([]string{"verify", "--deep", "/zookeeper"}, exactly...)...); !strings.Contains(o.out, "; "+stranger+" is not part of the ensemble\n") {
		t.Errorf("%+v", o)
	}
	if o = run(t, newCommand, "", append([]string{"health", "--format", "prometheus"}, exactly...)...); !strings.Contains(o.out, "\nzkctl_ensemble_leaders 1\n") {
		t.Errorf("%+v", o)
	}
	// Without --members the first that is named determines which ensemble is meant.
	s, o = statusOf(t, e.Members()[0].Addr()+","+stranger, "--admin-port", "0", "--timeout", "20s")
	if o.code != 0 || len(s.Members) != 4 || !strings.HasPrefix(s.Verdict, "quorum 3 of 3") || len(s.Problems) != 1 || !strings.Contains(s.Problems[0], stranger+") is a member of another ensemble") {
		t.Errorf("%d: %s%s", o.code, o.out, o.err)
	}
}

// engines lists what can run the members of a test.
func engines(t *testing.T, properties map[string]string, test func(t *testing.T, e *localserver.Ensemble)) {
	for _, engine := range []localserver.Engine{localserver.Embedded, localserver.Apache} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			if engine == localserver.Apache {
				withJetty(t) // skips without ZooKeeper
			}
			all := map[string]string{"tickTime": "500", "initLimit": "20", "syncLimit": "10", "forceSync": "no"}
			maps.Copy(all, properties)
			e, err := localserver.Start(t.Context(), localserver.Options{Size: 3, Engine: engine, Properties: all})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = e.Close() })
			test(t, e)
		})
	}
}

// A member started from an edited snapshot is found, by digests and znode by znode.
func TestVerifyFindsAnEditedSnapshot(t *testing.T) {
	engines(t, nil, func(t *testing.T, e *localserver.Ensemble) {
		c, err := client.Open(client.Config{Servers: e.Members()[0].Addr(), SessionTimeout: 20 * time.Second, Wait: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		write := func(n int) {
			for range n {
				if _, err := c.Set(t.Context(), "/a/counter", []byte("x"), -1); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, path := range []string{"/a", "/a/counter", "/a/edited"} {
			if _, _, err := c.Create(t.Context(), path, []byte("true"), proto.OpenACL, proto.Persistent, 0); err != nil {
				t.Fatal(err)
			}
		}
		write(150)
		victim := followerOf(t, e)
		if err := victim.Stop(); err != nil {
			t.Fatal(err)
		}
		edit(t, victim.DataDir())
		if err := victim.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		write(300)
		verify := func(args ...string) output {
			return run(t, newCommand, e.ConnectString(), append([]string{"verify", "--admin-port", "0", "--timeout", "20s"}, args...)...)
		}
		var o output
		await.Within(30*time.Second, func() bool { // a follower may be behind, or still starting and left out
			o = verify()
			return o.code == ui.ExitFailed
		})
		if o.code != ui.ExitFailed || !strings.Contains(o.out, "became different") || !strings.Contains(o.out, "the same at "+victim.Addr()+"\n") {
			t.Errorf("%+v", o)
		}
		o = verify("--deep", "/a")
		if o.code != ui.ExitFailed || !strings.Contains(o.out, "/a/edited: ") || !strings.Contains(o.out, victim.Addr()) || strings.Contains(o.out, "/a/counter") {
			t.Errorf("%+v", o)
		}
	})
}

// edit changes a znode's data in a data directory that no server uses.
func edit(t *testing.T, dir string) {
	t.Helper()
	dir = filepath.Join(dir, "version-2")
	d, err := storage.OpenDirs(dir, dir)
	if err != nil {
		t.Fatal(err)
	}
	tree, _, err := d.Load(t.Context(), storage.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	zxid := tree.LastZxid()
	stat, ok := tree.Stat("/a/edited")
	if !ok {
		t.Fatal("the znode is not there")
	}
	tree.Apply(&proto.TxnHeader{Type: proto.OpSetData, Zxid: stat.Mzxid, Time: stat.Mtime}, &proto.SetDataTxn{Path: "/a/edited", Data: []byte("false"), Version: stat.Version})
	tree.SetLastZxid(zxid)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := f.Name(); strings.HasPrefix(name, "log.") || strings.HasPrefix(name, "snapshot.") {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := storage.WriteSnapshot(filepath.Join(dir, "snapshot."+strconv.FormatInt(zxid, 16)), tree, storage.SnapshotOptions{}); err != nil {
		t.Fatal(err)
	}
}
