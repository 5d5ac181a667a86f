package ensembles

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/authority"
	"github.com/zkctl/zkctl/localserver"
)

// Members of both kinds that use TLS between them elect, replicate, and survive the loss of each.
func TestMixedTLS(t *testing.T) {
	t.Parallel()
	for _, java := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d of 3 are Apache", java), func(t *testing.T) {
			t.Parallel()
			s := begin(t, localserver.Options{Size: 3, Apache: java, TLS: true, QuorumTLS: true}, "preAllocSize=64")
			s.awaitAll()
			file := filepath.Join(filepath.Dir(s.TLSFiles().KeyPEM), "member.pem")
			member, err := tls.LoadX509KeyPair(file, file)
			if err != nil {
				t.Fatal(err)
			}
			good := s.TLSConfig()
			stranger := good.Certificates
			good.Certificates = []tls.Certificate{member}
			for _, addr := range s.memberPorts() {
				s.onlyMembers(addr, good, stranger)
			}
			for _, m := range s.Members() {
				if answer, err := localserver.FourLetterWord(t.Context(), m.TLSAddr(), "ruok", s.TLSConfig()); err != nil || answer != "imok" {
					t.Errorf("the TLS port of member %d, %s: %q, %v", m.ID(), m.Engine(), answer, err)
				}
			}
			l := s.write(2)
			l.progress(20)
			for _, m := range s.Members() {
				s.kill(m)
				l.progress(20)
				s.start(m)
				t.Logf("member %d leads after the loss of %d", s.awaitAll().ID(), m.ID())
				l.progress(20)
			}
			l.end()
			l.check(s.compareTrees())
			if text := matching(s.log, "igest mismatch"); text != "" {
				t.Error(text)
			}
		})
	}
}

var serverLine = regexp.MustCompile(`server\.(\d+)=([^:]+):(\d+):(\d+):`)

// memberPorts returns the addresses of the election ports, and of the leader's quorum port.
func (s *subject) memberPorts() (addrs []string) {
	s.t.Helper()
	c := s.open(s.ConnectString())
	defer c.Close()
	text, _, err := c.Get(s.t.Context(), "/zookeeper/config", false)
	if err != nil {
		s.t.Fatal(err)
	}
	leader, err := s.Leader(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, at := range serverLine.FindAllStringSubmatch(string(text), -1) {
		addrs = append(addrs, net.JoinHostPort(at[2], at[4]))
		if at[1] == fmt.Sprint(leader.ID()) {
			addrs = append(addrs, net.JoinHostPort(at[2], at[3]))
		}
	}
	if len(addrs) != len(s.Members())+1 {
		s.t.Fatalf("no addresses in %s", text)
	}
	return addrs
}

// onlyMembers checks that a port accepts who has a member's certificate, and nobody else: the ensemble's
// authority vouches for clients, too, but their certificates are for no address.
func (s *subject) onlyMembers(addr string, good *tls.Config, client []tls.Certificate) {
	s.t.Helper()
	without, other := good.Clone(), good.Clone()
	without.Certificates, other.Certificates = nil, client
	for _, try := range []struct {
		with string
		cfg  *tls.Config
		want bool
	}{{"a certificate", good, true}, {"no certificate", without, false}, {"a client's certificate", other, false}, {"no TLS", nil, false}} {
		nc, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			s.t.Fatal(err)
		}
		conn := nc
		if try.cfg != nil {
			cfg := try.cfg.Clone()
			cfg.ServerName = "127.0.0.1"
			conn = tls.Client(nc, cfg)
		}
		// An id, as servers before 3.5 sent it: the election port of a member with a smaller one would wait for
		// votes; a packet's length for a leader.
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, err = conn.Write([]byte{0, 0, 0, 0, 0, 0, 3, 0xe7})
		if err == nil {
			if try.want {
				_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
			}
			_, err = io.ReadAll(conn)
		}
		open := err != nil && errors.Is(err, os.ErrDeadlineExceeded)
		_ = nc.Close()
		if try.want != open {
			s.t.Errorf("port %s with %s: it stays open: %t (%v)", addr, try.with, open, err)
		}
	}
}

// An ensemble changes from plain connections to TLS, member by member and under a writer, as
// ZooKeeper's documentation describes it, then exchanges certificates without a restart.
func TestRollingTLS(t *testing.T) {
	t.Parallel()
	s := begin(t, localserver.Options{Size: 3})
	until := time.Now().Add(time.Hour)
	folder, err := authority.Open(t.TempDir(), "test", until)
	if err != nil {
		t.Fatal(err)
	}
	subject := authority.Subject{Name: "member", Hosts: []string{"127.0.0.1"}, Client: true, Until: until}
	if _, err := folder.Add("member", subject); err != nil {
		t.Fatal(err)
	}
	s.awaitAll()
	l := s.write(2)
	l.progress(20)
	stores := "ssl.quorum.keyStore.location=" + filepath.ToSlash(folder.Path("member.pem")) +
		"\nssl.quorum.trustStore.location=" + filepath.ToSlash(folder.Path(authority.CertFile)) + "\nsslQuorumReloadCertFiles=true\n"
	for _, step := range []string{
		"portUnification=true\n" + stores,
		"portUnification=true\nsslQuorum=true\n" + stores,
		"sslQuorum=true\n" + stores,
	} {
		for _, m := range s.Members() {
			if err := m.Stop(); err != nil {
				t.Fatal(err)
			}
			s.configure(m, step)
			s.start(m)
			s.awaitAll()
			l.progress(5)
		}
	}
	client, err := tls.LoadX509KeyPair(folder.Path("member.pem"), folder.Path("member.pem"))
	if err != nil {
		t.Fatal(err)
	}
	var serial string
	good := &tls.Config{Certificates: []tls.Certificate{client}, InsecureSkipVerify: true, VerifyConnection: func(cs tls.ConnectionState) error {
		serial = cs.PeerCertificates[0].SerialNumber.String()
		return nil
	}}
	user, err := folder.Issue(authority.Subject{Name: "user", Client: true, Until: until})
	if err != nil {
		t.Fatal(err)
	}
	ports := s.memberPorts()
	for _, addr := range ports {
		s.onlyMembers(addr, good, []tls.Certificate{{Certificate: [][]byte{user.Cert.Raw}, PrivateKey: user.Key}})
	}
	fresh, err := folder.Add("member", subject)
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range ports {
		nc, err := tls.Dial("tcp", addr, good)
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
		if serial != fresh.Cert.SerialNumber.String() {
			t.Errorf("port %s presents a former certificate", addr)
		}
	}
	for _, m := range s.Members() { // with new connections
		s.kill(m)
		l.progress(5)
		s.start(m)
		s.awaitAll()
	}
	l.progress(20)
	l.end()
	l.check(s.compareTrees())
	for _, w := range l.writers {
		w.conn.Close()
	}
	s.compareDisks()
}

// configure replaces a stopped member's lines about TLS.
func (s *subject) configure(m *localserver.Member, lines string) {
	s.t.Helper()
	file := filepath.Join(s.dir, fmt.Sprint(m.ID()), "zoo.cfg")
	text, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	var kept strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "ssl") && !strings.HasPrefix(line, "portUnification") {
			kept.WriteString(line)
		}
	}
	if err := os.WriteFile(file, []byte(kept.String()+lines), 0o600); err != nil {
		s.t.Fatal(err)
	}
}
