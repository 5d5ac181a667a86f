package zab

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sasl"
	"github.com/zkctl/zkctl/internal/sasl/digestmd5"
)

// digestAuth is how members with a password authenticate to those with another.
func digestAuth(own, theirs string) *Auth {
	return &Auth{
		Required: true,
		Accept: func(hosts []string) AuthExchange {
			return digestmd5.NewServer(digestmd5.QuorumProtocol, digestmd5.QuorumServer, func(string) (string, bool) { return theirs, len(hosts) > 0 })
		},
		Connect: func(context.Context, string) (AuthExchange, error) {
			return digestmd5.NewClient("member", own, digestmd5.QuorumProtocol, digestmd5.QuorumServer), nil
		},
		hosts: func() []string { return []string{"a"} },
	}
}

// hello is what members say to each other afterwards.
const hello = "as long as a vote or more"

// authenticate runs both ends of a connection. Afterwards each must receive what the other sends.
func authenticate(t *testing.T, accept, connect *Auth) (acceptErr, connectErr error) {
	t.Helper()
	one, other := net.Pipe()
	for _, c := range []net.Conn{one, other} {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	}
	accepted := make(chan error, 1)
	go func() {
		r := bufio.NewReader(one)
		err := accept.accept(one, r, quiet{})
		if err == nil {
			b := make([]byte, len(hello))
			if _, err := io.ReadFull(r, b); err == nil {
				_, _ = one.Write(b)
			}
		}
		one.Close()
		accepted <- err
	}()
	r := bufio.NewReader(other)
	connectErr = connect.connect(t.Context(), other, r, "a:1")
	if connectErr == nil {
		b := make([]byte, len(hello))
		if _, err := other.Write([]byte(hello)); err == nil {
			if _, err := io.ReadFull(r, b); err == nil && string(b) != hello {
				t.Errorf("%q came back", b)
			}
		}
	}
	other.Close()
	return <-accepted, connectErr
}

func TestMembersAuthenticate(t *testing.T) {
	optional := func(a *Auth) *Auth { a.Required = false; return a }
	silent := func(a *Auth) *Auth { a.Connect = nil; return a }
	for name, c := range map[string]struct {
		accept, connect  *Auth
		refused, unsafed bool // by who accepts, by who connects
	}{
		"both":                        {digestAuth("x", "x"), digestAuth("x", "x"), false, false},
		"a wrong password":            {digestAuth("x", "x"), digestAuth("y", "y"), true, true},
		"nobody":                      {nil, silent(digestAuth("x", "x")), false, false},
		"a stranger":                  {digestAuth("x", "x"), nil, true, false},
		"a stranger who may":          {optional(digestAuth("x", "x")), nil, false, false},
		"somebody, but need not":      {optional(digestAuth("x", "x")), digestAuth("x", "x"), false, false},
		"the wrong one, but need not": {optional(digestAuth("x", "x")), digestAuth("y", "y"), false, true},
		"one that does not yet":       {digestAuth("x", "x"), silent(digestAuth("x", "x")), true, false},
	} {
		accepted, connected := authenticate(t, c.accept, c.connect)
		if (accepted != nil) != c.refused || (connected != nil) != c.unsafed {
			t.Errorf("%s: %v, %v", name, accepted, connected)
		}
	}
}

// What a stranger can send to a member that demands authentication.
func TestHostileTokens(t *testing.T) {
	packet := func(token []byte) []byte {
		return jute.Marshal(&proto.QuorumAuth{Magic: proto.QuorumAuthMagic, Token: token})
	}
	announce := func(n int32) []byte {
		return binary.BigEndian.AppendUint32(packet(nil)[:proto.QuorumAuthHead-4], uint32(n))
	}
	for name, sent := range map[string][]byte{
		"nothing": nil, "a byte": {0}, "a vote": bytes.Repeat([]byte{0, 0, 0, 56}, 14), "a packet": frame(proto.PacketFollowerInfo, 0, make([]byte, 20)),
		"no token": packet(nil), "an empty token": packet([]byte{}), "garbage": append(packet([]byte{}), packet([]byte("garbage"))...),
		"another packet": append(packet([]byte{}), frame(proto.PacketFollowerInfo, 0, make([]byte, 20))...), "the magic": packet(nil)[:8], "half": packet([]byte("garbage"))[:20],
		"an enormous token": announce(sasl.MaxToken + 1), "an announced token": announce(sasl.MaxToken), "a negative token": announce(-5), "the longest": announce(1<<31 - 1),
		"many": bytes.Repeat(packet([]byte{}), 20),
	} {
		one, other := net.Pipe()
		go func() {
			go func() { // what it answers
				b := make([]byte, 4096)
				for {
					if _, err := other.Read(b); err != nil {
						return
					}
				}
			}()
			_, _ = other.Write(sent)
			other.Close()
		}()
		_ = one.SetDeadline(time.Now().Add(10 * time.Second))
		if err := digestAuth("x", "x").accept(one, bufio.NewReader(one), quiet{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
		one.Close()
	}
}

// liar is the exchange of a member that is never done.
type liar struct{}

func (liar) Step([]byte) ([]byte, bool, error) { return []byte("more"), false, nil }

// What a member that accepts can answer to one that must authenticate it too.
func TestLyingMember(t *testing.T) {
	answers := func(list ...proto.QuorumAuth) (all []byte) {
		for _, p := range list {
			p.Magic = proto.QuorumAuthMagic
			all = append(all, jute.Marshal(&p)...)
		}
		return all
	}
	for name, c := range map[string]struct {
		answer []byte
		say    string
	}{
		"success at once":        {answers(proto.QuorumAuth{Status: 1}), "malformed"},
		"success without proof":  {answers(proto.QuorumAuth{}, proto.QuorumAuth{Status: 1}), ""},
		"a refusal":              {answers(proto.QuorumAuth{Status: -1}), "it refused the identity of this member: the server does not know the user, or the password is wrong"},
		"an unknown status":      {answers(proto.QuorumAuth{Status: 7}), "it refused"},
		"a packet":               {frame(proto.PacketLeaderInfo, 0, nil), ""},
		"an end":                 {nil, "the connection ended"},
		"tokens without end":     {answers(make([]proto.QuorumAuth, 20)...), ""},
		"a challenge of garbage": {answers(proto.QuorumAuth{Token: []byte("garbage")}), "malformed"},
	} {
		one, other := net.Pipe()
		go func() {
			go func() {
				b := make([]byte, 4096)
				for {
					if _, err := other.Read(b); err != nil {
						return
					}
				}
			}()
			_, _ = other.Write(c.answer)
			other.Close()
		}()
		_ = one.SetDeadline(time.Now().Add(10 * time.Second))
		err := digestAuth("x", "x").connect(t.Context(), one, bufio.NewReader(one), "a:1")
		if err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v, without %q", name, err, c.say)
		}
		one.Close()
	}
	one, other := net.Pipe()
	_ = one.SetDeadline(time.Now().Add(10 * time.Second))
	go func() {
		go func() { _, _ = bufio.NewReader(other).WriteTo(discard{}) }()
		_, _ = other.Write(answers(make([]proto.QuorumAuth, 20)...))
	}()
	a := &Auth{Connect: func(context.Context, string) (AuthExchange, error) { return liar{}, nil }}
	if err := a.connect(t.Context(), one, bufio.NewReader(one), "a:1"); err == nil || !strings.Contains(err.Error(), "no success after") {
		t.Errorf("without end: %v", err)
	}
	one.Close()
	other.Close()
	failed := errors.New("no ticket")
	a = &Auth{Connect: func(context.Context, string) (AuthExchange, error) { return nil, failed }}
	if err := a.connect(t.Context(), one, nil, "a:1"); !errors.Is(err, failed) {
		t.Errorf("without a ticket: %v", err)
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func FuzzAuth(f *testing.F) {
	f.Add(jute.Marshal(&proto.QuorumAuth{Magic: proto.QuorumAuthMagic, Token: []byte("x")}))
	f.Add(bytes.Repeat(jute.Marshal(&proto.QuorumAuth{Magic: proto.QuorumAuthMagic, Token: []byte{}}), 2))
	f.Fuzz(func(t *testing.T, sent []byte) {
		one, other := net.Pipe()
		go func() { _, _ = bufio.NewReader(other).WriteTo(discard{}) }()
		go func() {
			_, _ = other.Write(sent)
			other.Close()
		}()
		if err := digestAuth("x", "x").accept(one, bufio.NewReader(one), quiet{}); err == nil {
			t.Error("a stranger is let in")
		}
		one.Close()
	})
}
