package localserver

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver/internal/replica"
)

func digestOf(t *testing.T, userPassword string) string {
	t.Helper()
	digest, err := replica.Digest("", userPassword)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// onBoth runs a test on Apache's server and on the embedded one, with the same lines in zoo.cfg.
func onBoth(t *testing.T, properties map[string]string, test func(t *testing.T, addr string)) {
	t.Run("apache", func(t *testing.T) { test(t, apachetest.Test(t, apache.Options{Properties: properties}).Addr()) })
	t.Run("embedded", func(t *testing.T) { test(t, New(t, Options{Properties: properties}).ConnectString()) })
}

// attempt reads the root as a client with these credentials. It returns AuthFailed if they are
// refused.
func attempt(t *testing.T, addr, userPassword string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c := open(t, addr)
	if userPassword != "" {
		if err := c.AddAuth(ctx, "digest", []byte(userPassword)); err != nil {
			return err
		}
	}
	_, _, err := c.Get(ctx, "/", false)
	return err
}

// Unauthenticated clients can do nothing where authentication is enforced.
func TestEnforceAuth(t *testing.T) {
	onBoth(t, map[string]string{"enforce.auth.enabled": "true", "enforce.auth.schemes": "digest"}, func(t *testing.T, addr string) {
		if err := attempt(t, addr, "user:secret"); err != nil {
			t.Errorf("with credentials: %v", err)
		}
		if err := attempt(t, addr, ""); !errors.Is(err, proto.ErrSessionClosedSASLAuth) {
			t.Errorf("without credentials: %v", err)
		}
	})
	onBoth(t, map[string]string{"enforce.auth.enabled": "true", "enforce.auth.schemes": "ip,x509", "authProvider.x": "org.apache.zookeeper.server.auth.X509AuthenticationProvider"},
		func(t *testing.T, addr string) {
			if err := attempt(t, addr, ""); err != nil {
				t.Errorf("by its address: %v", err)
			}
		})
}

// An enforced scheme that is not available would lock everyone out: the server does not start.
func TestEnforceAuthNeedsAScheme(t *testing.T) {
	for schemes, say := range map[string]string{
		"":               "enforce.auth.schemes must be configured",
		"x509":           "Authentication scheme x509 is not available",
		"digest, wizard": "Authentication scheme wizard is not available",
	} {
		p := map[string]string{"enforce.auth.enabled": "true"}
		if schemes != "" {
			p["enforce.auth.schemes"] = schemes
		}
		e, err := Start(t.Context(), Options{Properties: p, Ephemeral: true})
		if err == nil {
			e.Close()
		}
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), say) {
			t.Errorf("%q: %v, without %q", schemes, err, say)
		}
	}
}

// The scheme digest can be switched off, and its digest chosen.
func TestDigestSettings(t *testing.T) {
	const enabled, alg = "DigestAuthenticationProvider.enabled", "DigestAuthenticationProvider.digestAlg"
	acl := func(alg string) []proto.ACL {
		digest, err := replica.Digest(alg, "user:secret")
		if err != nil {
			t.Fatal(err)
		}
		return []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "digest", ID: digest}}}
	}
	t.Run("disabled", func(t *testing.T) {
		onBoth(t, map[string]string{enabled: "false"}, func(t *testing.T, addr string) {
			if err := attempt(t, addr, "user:secret"); !errors.Is(err, proto.ErrAuthFailed) {
				t.Errorf("credentials: %v", err)
			}
			if _, _, err := open(t, addr).Create(t.Context(), "/a", nil, acl(""), proto.Persistent, 0); !errors.Is(err, proto.ErrInvalidACL) {
				t.Errorf("an ACL of the scheme: %v", err)
			}
		})
	})
	t.Run("disabled, but asked for", func(t *testing.T) {
		onBoth(t, map[string]string{enabled: "false", "authProvider.d": "org.apache.zookeeper.server.auth.DigestAuthenticationProvider"}, func(t *testing.T, addr string) {
			if err := attempt(t, addr, "user:secret"); err != nil {
				t.Error(err)
			}
		})
	})
	for _, name := range []string{"SHA-256", "SHA-512/224", "SHA3-384", "md5"} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, map[string]string{alg: name}, func(t *testing.T, addr string) {
				c := open(t, addr)
				for path, list := range map[string][]proto.ACL{"/mine": acl(name), "/other": acl("")} {
					if _, _, err := c.Create(t.Context(), path, nil, list, proto.Persistent, 0); err != nil {
						t.Fatal(err)
					}
				}
				if err := c.AddAuth(t.Context(), "digest", []byte("user:secret")); err != nil {
					t.Fatal(err)
				}
				if _, _, err := c.Get(t.Context(), "/mine", false); err != nil {
					t.Error(err)
				}
				if _, _, err := c.Get(t.Context(), "/other", false); !errors.Is(err, proto.ErrNoAuth) {
					t.Errorf("a digest of SHA1: %v", err)
				}
			})
		})
	}
	if e, err := Start(t.Context(), Options{Properties: map[string]string{alg: "RipeMD160"}, Ephemeral: true}); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "RipeMD160") {
		if err == nil {
			e.Close()
		}
		t.Errorf("an algorithm that is not there: %v", err)
	}
}

// An ensemble can reconfigure itself whatever digests its members support and enforce.
func TestOwnSuper(t *testing.T) {
	for name, p := range map[string]map[string]string{
		"no digest":       {"DigestAuthenticationProvider.enabled": "false"},
		"other algorithm": {"DigestAuthenticationProvider.digestAlg": "SHA-256"},
		"other scheme":    {"enforce.auth.enabled": "true", "enforce.auth.schemes": "x509", "authProvider.x": "org.apache.zookeeper.server.auth.X509AuthenticationProvider"},
	} {
		t.Run(name, func(t *testing.T) {
			p["standaloneEnabled"] = "false"
			e := New(t, Options{Properties: p, Ephemeral: true})
			if _, err := e.Add(t.Context(), AddOptions{Observer: true}); err != nil {
				t.Error(err)
			}
			err := attempt(t, e.ConnectString(), "")
			if enforced := name == "other scheme"; enforced != (err != nil) {
				t.Errorf("a client without credentials: %v", err)
			}
		})
	}
}

// A configuration that excludes clients whom the embedded server would admit prevents the start;
// Apache's own server is not affected.
func TestUnsupportedSecurity(t *testing.T) {
	opt := Options{Properties: map[string]string{"authProvider.1": "org.apache.zookeeper.server.auth.KeyAuthenticationProvider"}}
	e, err := Start(t.Context(), opt)
	if err == nil {
		e.Close()
	}
	if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "KeyAuthenticationProvider: this authentication provider is not supported here") {
		t.Errorf("embedded: %v", err)
	}
	apachetest.Require(t)
	opt.Engine = Apache
	New(t, opt)
}
