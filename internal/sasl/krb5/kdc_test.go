package krb5

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/sasl"
	"github.com/zkctl/zkctl/internal/sasl/kdctest"
)

func loopback() netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, 1}) }

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// client returns a client of the realm, changed by the test.
func client(k *kdctest.KDC, change func(c *Client)) *Client {
	c := &Client{Service: "zookeeper", Config: func() (*Config, error) { return LoadConfig([]string{k.Conf}) }}
	change(c)
	return c
}

// TestTickets gets tickets of a real KDC from each source, and has each refusal explained.
func TestTickets(t *testing.T) {
	t.Parallel()
	k := kdctest.Start(t)
	k.Add(t, "joe", "s3cret")
	k.Add(t, "ann/admin", "s3cret")
	services := k.Keytab(t, "server.keytab", "zookeeper/localhost", "zk/other")
	keys := k.Keytab(t, "joe2.keytab", "joe2")
	outdated := k.Keytab(t, "outdated.keytab", "joe3")
	k.Run(t, "", "kadmin.local", "-r", kdctest.Realm, "-q", "change_password -pw x joe3")
	cache := filepath.Join(k.Dir, "joe.ccache")
	k.Kinit(t, "joe", "s3cret", cache)
	dir := filepath.Join(k.Dir, "caches")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	k.Kinit(t, "ann/admin", "s3cret", "DIR:"+dir)
	old := filepath.Join(k.Dir, "old.ccache")
	k.Kinit(t, "joe", "s3cret", old, "-l", "1s")
	cut := filepath.Join(k.Dir, "cut.ccache")
	text, err := os.ReadFile(cache)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cut, text[:len(text)-100], 0o600); err != nil {
		t.Fatal(err)
	}
	password := func(p string) func() (string, error) { return func() (string, error) { return p, nil } }
	silent, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(c *Client)
		host   string
		want   string // the identity, or part of the error
		final  bool
	}{
		"a cache":                {func(c *Client) { c.UseCache, c.Cache = true, cache }, "localhost", "joe@EXAMPLE.COM", false},
		"FILE:":                  {func(c *Client) { c.UseCache, c.Cache = true, "FILE:"+cache }, "localhost", "joe@EXAMPLE.COM", false},
		"DIR:":                   {func(c *Client) { c.UseCache, c.Cache = true, "DIR:"+dir }, "LocalHost.", "ann/admin@EXAMPLE.COM", false},
		"a keytab":               {func(c *Client) { c.UseKeytab, c.Keytab = true, keys }, "localhost", "joe2@EXAMPLE.COM", false},
		"its principal":          {func(c *Client) { c.UseKeytab, c.Keytab, c.Principal = true, services, "zk/other" }, "localhost", "zk/other@EXAMPLE.COM", false},
		"a password":             {func(c *Client) { c.Principal, c.Password = "joe", password("s3cret") }, "localhost", "joe@EXAMPLE.COM", false},
		"a keytab for no ticket": {func(c *Client) { c.UseCache, c.Cache, c.UseKeytab, c.Keytab = true, old+"x", true, keys }, "localhost", "joe2@EXAMPLE.COM", false},
		"another service":        {func(c *Client) { c.UseCache, c.Cache, c.Server = true, cache, "zk/other@EXAMPLE.COM" }, "localhost", "joe@EXAMPLE.COM", false},
		"canonical":              {func(c *Client) { c.UseCache, c.Cache, c.Canonicalize = true, cache, true }, "127.0.0.1", "joe@EXAMPLE.COM", false},
		"no cache":               {func(c *Client) { c.UseCache, c.Cache = true, cache+".none" }, "localhost", "no Kerberos ticket: credential cache " + cache + ".none does not exist; run kinit", true},
		"a keyring":              {func(c *Client) { c.UseCache, c.Cache = true, "KEYRING:persistent:0" }, "localhost", "caches of type KEYRING cannot be read; run kinit -c FILE:", true},
		"another type":           {func(c *Client) { c.UseCache, c.Cache = true, "CARRIER:pigeon" }, "localhost", `unknown type "CARRIER"; use FILE: or DIR:`, true},
		"a cut cache":            {func(c *Client) { c.UseCache, c.Cache = true, cut }, "localhost", cut + ": it is cut off or damaged; run kinit", true},
		"not a cache":            {func(c *Client) { c.UseCache, c.Cache = true, k.Conf }, "localhost", "it is not a credential cache", true},
		"an old ticket": {func(c *Client) {
			c.UseCache, c.Cache, c.Now = true, old, func() time.Time { return time.Now().Add(time.Minute) }
		}, "localhost", "the Kerberos ticket of joe@EXAMPLE.COM in credential cache " + old + " expired at ", true},
		"a ticket of another":    {func(c *Client) { c.UseCache, c.Cache, c.Principal = true, cache, "ann" }, "localhost", "holds tickets of joe@EXAMPLE.COM, not of ann@EXAMPLE.COM; run kinit ann@EXAMPLE.COM", true},
		"a wrong password":       {func(c *Client) { c.Principal, c.Password = "joe", password("wr0ng") }, "localhost", "the password of joe@EXAMPLE.COM is wrong", true},
		"an unknown principal":   {func(c *Client) { c.Principal, c.Password = "none", password("x") }, "localhost", "the KDC of EXAMPLE.COM does not know the principal none@EXAMPLE.COM", true},
		"an unknown realm":       {func(c *Client) { c.Principal, c.Password = "joe@NONE", password("x") }, "localhost", "no KDC is known for the realm NONE", false},
		"a keytab without it":    {func(c *Client) { c.UseKeytab, c.Keytab, c.Principal = true, services, "joe" }, "localhost", "no key of joe@EXAMPLE.COM; it has keys of zookeeper/localhost@EXAMPLE.COM, zk/other@EXAMPLE.COM", true},
		"an old keytab":          {func(c *Client) { c.UseKeytab, c.Keytab = true, outdated }, "localhost", "the key of joe3@EXAMPLE.COM in keytab " + outdated + " is not that of the KDC", true},
		"not a keytab":           {func(c *Client) { c.UseKeytab, c.Keytab = true, k.Conf }, "localhost", "keytab " + k.Conf + ": it is not a keytab", true},
		"no keytab":              {func(c *Client) { c.UseKeytab, c.Keytab = true, "none" }, "localhost", "keytab: open none: no such file", true},
		"an unknown service":     {func(c *Client) { c.UseCache, c.Cache, c.Service = true, cache, "hbase" }, "localhost", "the KDC of EXAMPLE.COM does not know the service hbase/localhost@EXAMPLE.COM, under which this server was expected; if it has another name, set -sasl-service", false},
		"an address":             {func(c *Client) { c.UseCache, c.Cache = true, cache }, "10.0.0.1", "does not know the service zookeeper/10.0.0.1@EXAMPLE.COM, under which this server was expected; connect by the server's name, not its address", false},
		"an unknown realm of it": {func(c *Client) { c.UseCache, c.Cache, c.Realm = true, cache, "OTHER.ORG" }, "localhost", "the realm EXAMPLE.COM of joe@EXAMPLE.COM does not trust the realm OTHER.ORG", false},
		"a password of nobody":   {func(c *Client) { c.Password = password("x") }, "localhost", "needs a principal", true},
		"an unreachable KDC": {func(c *Client) {
			c.Principal, c.Password = "joe", password("s3cret")
			addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(silent))
			c.Config = func() (*Config, error) { return SimpleConfig(kdctest.Realm, addr), nil }
		}, "localhost", "no KDC of the realm EXAMPLE.COM can be reached (127.0.0.1:" + strconv.Itoa(silent) + ": connection refused)", false},
		"no configuration": {func(c *Client) {
			c.UseCache = true
			c.Config = func() (*Config, error) { return LoadConfig([]string{k.Conf + ".none"}) }
		}, "localhost", "the configuration of Kerberos is missing: open " + k.Conf + ".none", true},
	} {
		t.Run(name, func(t *testing.T) {
			c := client(k, test.change)
			x, err := c.Start(testContext(t), test.host, loopback())
			if err != nil {
				if !strings.Contains(err.Error(), test.want) || sasl.Refused(err) != test.final {
					t.Errorf("%v (final: %v), want %q", err, sasl.Refused(err), test.want)
				}
				return
			}
			if c.Identity() != test.want {
				t.Errorf("%s, want %q", c.Identity(), test.want)
			}
			if token, done, err := x.Step(nil); len(token) < 100 || done || err != nil {
				t.Errorf("%x, %v, %v", token, done, err)
			}
		})
	}
}

// TestSkew: the error says how much the KDC's clock differs.
func TestSkew(t *testing.T) {
	t.Parallel()
	k := kdctest.Start(t)
	k.Add(t, "joe", "s3cret")
	k.Keytab(t, "server.keytab", "zookeeper/localhost")
	cache := filepath.Join(k.Dir, "joe.ccache")
	k.Kinit(t, "joe", "s3cret", cache)
	k.Stop()
	k.Ahead = 20 * time.Minute
	k.Launch(t)
	for name, change := range map[string]func(c *Client){
		"login":  func(c *Client) { c.Principal, c.Password = "joe", func() (string, error) { return "s3cret", nil } },
		"ticket": func(c *Client) { c.UseCache, c.Cache = true, cache },
	} {
		_, err := client(k, change).Start(testContext(t), "localhost", loopback())
		if err == nil || !strings.Contains(err.Error(), "clock skew: the clock of the KDC of EXAMPLE.COM is ") || !strings.Contains(err.Error(), " ahead of this machine's") ||
			!(strings.Contains(err.Error(), " 20m") || strings.Contains(err.Error(), " 19m5")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRenewal: a ticket of a cache that is about to end is renewed in the background.
func TestRenewal(t *testing.T) {
	t.Parallel()
	k := kdctest.Start(t)
	k.Add(t, "joe", "s3cret")
	k.Run(t, "", "kadmin.local", "-r", kdctest.Realm, "-q", "modprinc -maxrenewlife 1d krbtgt/"+kdctest.Realm)
	k.Keytab(t, "server.keytab", "zookeeper/localhost")
	cache := filepath.Join(k.Dir, "joe.ccache")
	k.Kinit(t, "joe", "s3cret", cache, "-l", "8s", "-r", "1h")
	c := client(k, func(c *Client) { c.UseCache, c.Cache = true, cache })
	if _, err := c.Start(testContext(t), "localhost", loopback()); err != nil {
		t.Fatal(err)
	}
	first, err := readCache(cache)
	if err != nil {
		t.Fatal(err)
	}
	end := first.entries[0].end
	await.That(t, 20*time.Second, "a renewed ticket", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.tgt != nil && c.tgt.end.After(end)
	})
	c.Now = func() time.Time { return end } // the cache's own ticket is over
	if _, err := c.Start(testContext(t), "localhost", loopback()); err != nil {
		t.Error(err)
	}
}
