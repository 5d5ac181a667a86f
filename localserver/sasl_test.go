package localserver

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sasl/digestmd5"
)

// as connects as a SASL user.
func as(t *testing.T, servers, user, password string) (*client.Conn, error) {
	t.Helper()
	c, err := client.Open(client.Config{Servers: servers, SASL: &digestmd5.Identity{User: user, Password: func() (string, error) { return password, nil }}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_, _, err = c.Get(t.Context(), "/", false)
	return c, err
}

func TestSASLUsers(t *testing.T) {
	users := map[string]string{"bob": "secret", `o"b\c ü`: `p"w\n`, "super": "x"}
	for name, opt := range map[string]Options{
		"embedded":    {},
		"in memory":   {Size: 3, Ephemeral: true, QuorumSASL: true},
		"with Apache": {Size: 3, Apache: 1, QuorumSASL: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if opt.Apache > 0 {
				apachetest.Require(t)
			}
			opt.SASLUsers, opt.Properties = users, map[string]string{"sessionRequireClientSASLAuth": "true", "superUser": "super", "tickTime": "500"}
			e := New(t, opt)
			file := e.opt.System[loginConfig]
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the JAAS file: %v, %v", info, err)
			}
			for i, m := range e.Members() {
				path := "/mine" + m.Addr()
				for user, password := range users {
					c, err := as(t, m.Addr(), user, password)
					if err != nil {
						t.Fatalf("%s at member %d: %v", user, i+1, err)
					}
					if user == "bob" {
						mine := []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "sasl", ID: "bob"}}}
						if _, _, err := c.Create(t.Context(), path, nil, mine, proto.Persistent, 0); err != nil {
							t.Fatal(err)
						}
					}
				}
				c, err := as(t, m.Addr(), `o"b\c ü`, users[`o"b\c ü`])
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := c.Get(t.Context(), path, false); !errors.Is(err, proto.ErrNoAuth) {
					t.Errorf("another user: %v", err)
				}
				if c, err = as(t, m.Addr(), "super", "x"); err != nil {
					t.Fatal(err)
				}
				if _, _, err := c.Get(t.Context(), path, false); err != nil {
					t.Errorf("the super user: %v", err)
				}
				if _, err := as(t, m.Addr(), "bob", "wrong"); err == nil {
					t.Error("a wrong password is accepted")
				}
				if err := attempt(t, m.Addr(), ""); !errors.Is(err, proto.ErrSessionClosedSASLAuth) {
					t.Errorf("without SASL: %v", err)
				}
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(file); err == nil {
				t.Error("the JAAS file is left")
			}
		})
	}
}

func TestSASLOptions(t *testing.T) {
	for say, opt := range map[string]Options{
		"SASLUsers and QuorumSASL choose java.security.auth.login.config": {SASLUsers: map[string]string{"a": "b"}, System: map[string]string{loginConfig: "x"}},
		"QuorumSASL needs an ensemble":                                    {QuorumSASL: true},
		"QuorumSASL chooses quorum.auth.enableSasl itself":                {QuorumSASL: true, Size: 2, Properties: map[string]string{"quorum.auth.enableSasl": "true"}},
		"is empty":  {SASLUsers: map[string]string{"a": ""}},
		"control":   {SASLUsers: map[string]string{"a\n": "b"}},
		"replace":   {SASLUsers: map[string]string{"a": "${b}"}},
		"JAAS file": {System: map[string]string{loginConfig: "/not/there"}},
		"enforce.auth.schemes=sasl (because of sessionRequireClientSASLAuth=true): Authentication scheme sasl is not available (available: digest ip); add authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider": {SASLUsers: nil, Properties: map[string]string{"sessionRequireClientSASLAuth": "true"}},
	} {
		e, err := Start(t.Context(), opt)
		if err == nil {
			e.Close()
		}
		if err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%q: %v", say, err)
		}
	}
}
