package client

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
	"github.com/zkctl/zkctl/internal/sasl"
	"github.com/zkctl/zkctl/internal/sasl/digestmd5"
)

func bob(password string) *digestmd5.Identity {
	return &digestmd5.Identity{User: "bob", Password: func() (string, error) { return password, nil }}
}

// saslServer answers SASL tokens as ZooKeeper does, and logs the operations of all requests.
type saslServer struct {
	mu  sync.Mutex
	ops []string
	// answer replaces a reply to a token, numbered from 0 in each connection; false keeps it.
	answer func(p *wiretest.Peer, h proto.RequestHeader, n int) bool
}

func (s *saslServer) log(op string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops = append(s.ops, op)
}

func (s *saslServer) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ops := strings.Join(s.ops, " ")
	s.ops = nil
	return ops
}

func (s *saslServer) serve(n int, p *wiretest.Peer) {
	s.log(fmt.Sprintf("connection%d", n))
	p.Welcome(30 * time.Second)
	half := digestmd5.NewServer(digestmd5.Protocol, digestmd5.ServerName, func(user string) (string, bool) { return "secret", user == "bob" })
	tokens := 0
	for {
		h, body, ok := p.Request()
		if !ok {
			return
		}
		s.log(h.Type.String())
		switch h.Type {
		case proto.OpSASL:
			var token proto.SASLToken
			_ = jute.Unmarshal(body, &token)
			tokens++
			if s.answer != nil && s.answer(p, h, tokens-1) {
				continue
			}
			answer, _, err := half.Step(token.Token)
			if err != nil {
				p.Fail(h, proto.ErrAuthFailed)
				return
			}
			p.Reply(h, &proto.SASLToken{Token: answer})
		case proto.OpGetData:
			p.Reply(h, &proto.GetDataResponse{})
			if n == 0 && bytes.Contains(body, []byte("/break")) {
				return
			}
		default:
			p.Reply(h)
		}
	}
}

// TestSASLComesFirst: before identities, watches and requests, on each connection.
func TestSASLComesFirst(t *testing.T) {
	s := &saslServer{}
	c := open(t, Config{Servers: serve(t, s.serve), SASL: bob("secret"), Auth: []Auth{{"digest", []byte("a:b")}}})
	ctx := testContext(t)
	for _, path := range []string{"/a", "/break", "/b"} {
		if _, _, err := c.Get(ctx, path, path != "/b"); err != nil {
			t.Fatal(path, err)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if got, want := s.take(), "connection0 sasl sasl auth getData getData connection1 sasl sasl auth setWatches getData"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSASLRefused(t *testing.T) {
	ctx := testContext(t)
	for name, test := range map[string]struct {
		identity sasl.Mechanism
		answer   func(p *wiretest.Peer, h proto.RequestHeader, n int) bool
		want     string
		code     proto.Error
	}{
		"wrong password": {identity: bob("Secret"), code: proto.ErrAuthFailed,
			want: `the server refused the SASL identity "bob" (DIGEST-MD5): the server does not know the user, or the password is wrong`},
		"demanded": {answer: func(p *wiretest.Peer, h proto.RequestHeader, n int) bool {
			p.Fail(h, proto.ErrSessionClosedSASLAuth)
			return true
		}, code: proto.ErrAuthFailed, want: `the server refused the SASL identity "bob"`},
		"not proven, but served": {answer: func(p *wiretest.Peer, h proto.RequestHeader, n int) bool { // zookeeper.allowSaslFailedClients
			if n == 1 {
				p.Reply(h, &proto.SASLToken{})
			}
			return n == 1
		}, code: proto.ErrAuthFailed, want: `the server refused the SASL identity "bob"`},
		"another error": {answer: func(p *wiretest.Peer, h proto.RequestHeader, n int) bool {
			p.Fail(h, proto.ErrMarshallingError)
			return true
		}, code: proto.ErrConnectionLoss, want: "answered a SASL token with an error: KeeperErrorCode = MarshallingError"},
		"another server": {answer: func(p *wiretest.Peer, h proto.RequestHeader, n int) bool {
			if n == 1 {
				p.Reply(h, &proto.SASLToken{Token: []byte("rspauth=00")})
			}
			return n == 1
		}, code: proto.ErrConnectionLoss, want: "the server did not prove that it knows the password"},
		"no challenge": {answer: func(p *wiretest.Peer, h proto.RequestHeader, n int) bool {
			p.Reply(h, &proto.SASLToken{Token: []byte("\x1b[31m")})
			return true
		}, code: proto.ErrConnectionLoss, want: "the DIGEST-MD5 token is malformed"},
		"enormous": {answer: func(p *wiretest.Peer, h proto.RequestHeader, n int) bool {
			p.Reply(h, &proto.SASLToken{Token: make([]byte, sasl.MaxToken)})
			return true
		}, code: proto.ErrConnectionLoss, want: "limit is 131072"},
		"another xid": {answer: func(p *wiretest.Peer, h proto.RequestHeader, n int) bool {
			p.Send(&proto.ReplyHeader{Xid: h.Xid + 1}, &proto.SASLToken{})
			return true
		}, code: proto.ErrConnectionLoss, want: "a reply with xid 2 instead of 1, to a SASL token"},
		"short": {answer: func(p *wiretest.Peer, h proto.RequestHeader, n int) bool {
			p.Send(&proto.RequestHeader{Xid: h.Xid})
			return true
		}, code: proto.ErrConnectionLoss, want: "too short"},
		"no token": {answer: func(p *wiretest.Peer, h proto.RequestHeader, n int) bool {
			p.Send(&proto.ReplyHeader{Xid: h.Xid})
			return true
		}, code: proto.ErrConnectionLoss, want: "cannot be read"},
		"hung up": {answer: func(p *wiretest.Peer, h proto.RequestHeader, n int) bool {
			_ = p.Close()
			return true
		}, code: proto.ErrConnectionLoss, want: "closed the connection during the SASL authentication"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &saslServer{answer: test.answer}
			if test.identity == nil {
				test.identity = bob("secret")
			}
			c := open(t, Config{Servers: serve(t, s.serve), SASL: test.identity})
			_, _, err := c.Get(ctx, "/a", false)
			if !errors.Is(err, test.code) || !strings.Contains(err.Error(), test.want) || strings.ContainsRune(err.Error(), 0x1b) {
				t.Errorf("%v, want %q", err, test.want)
			}
			if ops := s.take(); strings.Contains(ops, "getData") {
				t.Errorf("a request was sent: %s", ops)
			}
			if ended := c.State() == AuthFailed; ended != (test.code == proto.ErrAuthFailed) {
				t.Errorf("the session is %s", c.State())
			}
		})
	}
}

// TestSASLAbsent: a session with a server without SASL goes on, and the user learns it once.
func TestSASLAbsent(t *testing.T) {
	s := &saslServer{answer: func(p *wiretest.Peer, h proto.RequestHeader, n int) bool {
		p.Reply(h, &proto.SASLToken{})
		return true
	}}
	var warnings []string
	addr := serve(t, s.serve)
	c := open(t, Config{Servers: addr, SASL: bob("secret"), Warn: func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }})
	for _, path := range []string{"/break", "/b"} {
		if _, _, err := c.Get(testContext(t), path, false); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.Close()
	if want := []string{addr + ` has no SASL, so this session is not authenticated as "bob"`}; !slices.Equal(warnings, want) {
		t.Errorf("%q, want %q", warnings, want)
	}
	if got, want := s.take(), "connection0 sasl getData connection1 sasl getData"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// digestServer is a real server that knows the user bob with the password "p a$$".
func digestServer(t *testing.T, jvm ...string) *apache.Server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "jaas.conf")
	if err := os.WriteFile(file, []byte(`Server {
	org.apache.zookeeper.server.auth.DigestLoginModule required user_bob="p a$$" user_björn="größe" user_łukasz="ż";
};`), 0o600); err != nil {
		t.Fatal(err)
	}
	return apachetest.Test(t, apache.Options{TickTime: 500 * time.Millisecond, JVM: append(jvm,
		"-Djava.security.auth.login.config="+file,
		"-Dzookeeper.authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider")})
}

// TestSASLDigestWithApache: the real server accepts the right password only, and the identity
// counts in ACLs, also after a restart of the server.
func TestSASLDigestWithApache(t *testing.T) {
	s := digestServer(t, "-Dzookeeper.sessionRequireClientSASLAuth=true")
	ctx := testContext(t)
	for user, password := range map[string]string{"bob": "p a$$", "björn": "größe", "łukasz": "ż"} {
		c := open(t, Config{Servers: s.Addr(), Wait: true, SASL: &digestmd5.Identity{User: user, Password: func() (string, error) { return password, nil }}})
		acl := []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "sasl", ID: user}}}
		if _, _, err := c.Create(ctx, "/"+user, []byte("x"), acl, proto.Persistent, 0); err != nil {
			t.Fatal(user, err)
		}
		if infos, err := c.WhoAmI(ctx); err != nil || !slices.Contains(infos, proto.ClientInfo{AuthScheme: "sasl", User: user}) {
			t.Errorf("%s: %v, %v", user, infos, err)
		}
		if user != "bob" {
			continue
		}
		if err := s.Restart(ctx); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Get(ctx, "/bob", false); err != nil {
			t.Error("after a restart:", err)
		}
	}
	other := open(t, Config{Servers: s.Addr(), SASL: bob("p a$")})
	if _, _, err := other.Get(ctx, "/bob", false); !errors.Is(err, proto.ErrAuthFailed) || !strings.Contains(err.Error(), `refused the SASL identity "bob"`) {
		t.Error(err)
	}
	nobody := open(t, Config{Servers: s.Addr()})
	if _, _, err := nobody.Get(ctx, "/bob", false); !errors.Is(err, proto.ErrSessionClosedSASLAuth) ||
		!strings.Contains(err.Error(), "Session closed because client failed to authenticate for /bob; the server demands authentication: name an identity") {
		t.Error(err)
	}
}
