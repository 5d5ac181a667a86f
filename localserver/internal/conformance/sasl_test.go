package conformance

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sasl/digestmd5"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver/internal/authn"
)

const saslProvider = "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"

// saslUsers is a JAAS file.
const saslUsers = `Server {
	org.apache.zookeeper.server.auth.DigestLoginModule required
	user_bob="secret" user_eve="s\"e,c=r\\et" user_super="adminsecret" "user_a/b"="slash" "user_a@b@c"="at" user_größe="üñ€";
};
`

// bothWithSASL starts both servers with the same settings, JAAS file and system properties.
func bothWithSASL(t *testing.T, jaasText string, settings, system map[string]string) (theirs, ours string) {
	t.Helper()
	apachetest.Require(t)
	jaas := filepath.Join(t.TempDir(), "jaas.conf")
	if err := os.WriteFile(jaas, []byte(jaasText), 0o600); err != nil {
		t.Fatal(err)
	}
	if system == nil {
		system = map[string]string{}
	}
	system["java.security.auth.login.config"] = jaas
	o := apacheOptions("")
	o.JVM = append(o.JVM, "-Dfile.encoding=UTF-8")
	for name, value := range system {
		o.JVM = append(o.JVM, "-D"+name+"="+value)
	}
	text := "dataDir=/nowhere\nclientPort=1\n"
	for key, value := range settings {
		o.Properties[key] = value
		text += key + "=" + value + "\n"
	}
	cfg, _, err := zoocfg.Parse("zoo.cfg", []byte(text), system)
	if err != nil {
		t.Fatal(err)
	}
	opt := embeddedOptions(t.TempDir())
	if opt.SASL, err = (&authn.Source{Config: cfg, System: system}).Clients(opt.Log); err != nil {
		t.Fatal(err)
	}
	opt.EnforceAuth, opt.AuthSchemes = cfg.EnforceAuth, cfg.AuthSchemes
	server, err := startEmbedded(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.close)
	return apachetest.Test(t, o).Addr(), server.addr
}

// TestSASL plays DIGEST-MD5 against both servers, well and badly.
func TestSASL(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]string
		script   func(p *player)
		options  []func(*player)
	}{
		"open": {map[string]string{"authProvider.1": saslProvider, "superUser": "super", "superUser.2": "a/b", "letAnySaslUserDoX": "anyone"}, func(p *player) {
			saslIdentities(p)
			saslTokens(p)
		}, nil},
		"required": {map[string]string{"authProvider.1": saslProvider, "sessionRequireClientSASLAuth": "true"}, func(p *player) {
			saslRequired(p)
			saslTokens(p)
		}, []func(*player){quietly}},
		"failures allowed": {map[string]string{"allowSaslFailedClients": "true"}, func(p *player) {
			saslTokens(p)
			saslIdentities(p)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			theirs, ours := bothWithSASL(t, saslUsers, c.settings, nil)
			comparePair(t, theirs, ours, c.script, c.options...)
		})
	}
}

// saslIdentities is about what an authenticated client may do.
func saslIdentities(p *player) {
	only := func(id string) []proto.ACL { return acls(acl(31, "sasl", id)) }
	p.open("A")
	p.login("A", "bob", "secret")
	p.send("A", proto.OpWhoAmI)
	p.send("A", proto.OpCreate, "/sasl", []byte("x"), open, 0)
	p.send("A", proto.OpCreate, "/sasl/bob", []byte("x"), only("bob"), 0)
	p.send("A", proto.OpCreate, "/sasl/auth", []byte("x"), acls(acl(31, "auth", "")), 0)
	p.send("A", proto.OpCreate, "/sasl/any", []byte("x"), only("anyone"), 0)
	for i, id := range []string{"eve", "a@b@c", "a/b@c", "a/b/c@d", "@", "", "a@"} {
		p.send("A", proto.OpCreate, fmt.Sprintf("/sasl/id%d", i), []byte("x"), only(id), 0)
	}
	p.send("A", proto.OpGetACL, "/sasl/auth")
	for _, who := range [][2]string{{"", ""}, {"eve", `s"e,c=r\et`}, {"super", "adminsecret"}, {"a/b", "slash"}, {"größe", "üñ€"}} {
		p.open("B")
		if who[0] != "" {
			p.login("B", who[0], who[1])
		}
		p.send("B", proto.OpWhoAmI)
		for _, path := range []string{"/sasl/bob", "/sasl/auth", "/sasl/any", "/sasl/id0"} {
			p.send("B", proto.OpGetData, path, false)
		}
		p.send("B", proto.OpGetACL, "/sasl/bob")
		p.send("B", proto.OpAuth, 0, "sasl", []byte("x"))
		p.end("B")
	}
	// The identity belongs to the connection, not to the session.
	p.drop("A")
	p.resume("A")
	p.send("A", proto.OpGetData, "/sasl/bob", false)
	p.login("A", "bob", "secret")
	p.send("A", proto.OpGetData, "/sasl/bob", false)
	p.send("A", proto.OpAuth, 0, "digest", []byte("d:d"))
	p.send("A", proto.OpWhoAmI)
}

// saslRequired is about what a client may do before it is authenticated.
func saslRequired(p *player) {
	for _, first := range []call{
		{proto.OpPing, nil}, {proto.OpGetData, raw("/", false)}, {proto.OpCreate, raw("/no", []byte{}, open, 0)}, {proto.OpWhoAmI, nil}, {proto.OpCloseSession, nil},
		{proto.OpSetWatches, raw(int64(0), 0, 0, 0)}, {99, nil}, {proto.OpSync, raw("/")},
	} {
		p.open("A")
		p.pipeline("A", first)
		p.end("A")
	}
	p.open("A")
	p.unfenced("A", proto.OpAuth, raw(0, "digest", []byte("a:b")))
	p.end("A")
	p.open("A")
	p.login("A", "bob", "secret")
	p.send("A", proto.OpGetData, "/", false)
	p.send("A", proto.OpAuth, 0, "digest", []byte("a:b"))
	p.drop("A")
	p.resume("A")
}

// saslTokens is about tokens that are wrong.
func saslTokens(p *player) {
	again := func() {
		p.end("T")
		p.open("T")
	}
	with := func(what string, user, password string, change func(response string) string) {
		again()
		c := digestmd5.NewClient(user, password, digestmd5.Protocol, digestmd5.ServerName)
		first, _, _ := c.Step(nil)
		response, _, _ := c.Step(p.token("T", "first", first))
		p.token("T", what, []byte(change(string(response))))
	}
	same := func(s string) string { return s }
	replace := func(from, to string) func(string) string {
		return func(s string) string { return regexp.MustCompile(from).ReplaceAllString(s, to) }
	}
	with("wrong password", "bob", "wrong", same)
	with("no such user", "nobody", "none", same) // Apache 3.8 would accept the password of the last known user: see docs/server.md
	with("a name that cannot be one", "a@b@c", "at", same)
	with("another authzid", "bob", "secret", replace(`authzid="bob"`, `authzid="eve"`))
	with("no authzid", "bob", "secret", replace(`,authzid="bob"`, ``))
	for _, change := range [][2]string{
		{`nc=00000001`, `nc=00000002`}, {`nc=00000001,`, ``}, {`nonce="[^"]*"`, `nonce="x"`}, {`,nonce="[^"]*"`, ``}, {`cnonce="[^"]*",`, ``},
		{`qop=auth`, `qop=auth-int`}, {`,qop=auth`, ``}, {`realm="[^"]*"`, `realm="other"`}, {`,realm="[^"]*"`, ``}, {`digest-uri="[^"]*"`, `digest-uri="zookeeper/other"`},
		{`digest-uri="[^"]*"`, `digest-uri="ZooKeeper/zk-sasl-md5"`}, {`,digest-uri="[^"]*"`, ``}, {`response=\w*`, `response=0`}, {`,response=\w*`, ``}, {`charset=utf-8,`, ``},
		{`charset=utf-8`, `charset=latin1`}, {`maxbuf=65536`, `maxbuf=1`}, {`maxbuf=65536,`, ``}, {`$`, `,`}, {`$`, `,username="bob"`}, {`$`, `,other=1`}, {`$`, `,=`}, {`$`, `,x="`},
		{`^`, `,`}, {`,`, `, `}, {`=`, ` = `}, {`username="bob"`, `username=bob`}, {`$`, "\x00"}, {`$`, "\xff\xfe"}, {`"`, ``}, {`,`, `,,`}, {`username`, `USERNAME`},
	} {
		with(change[0]+" to "+change[1], "bob", "secret", replace(change[0], change[1]))
	}
	for _, garbage := range []string{"", "x", "=", `"`, ",", "username", "username=", strings.Repeat("x", 4096), strings.Repeat("x", 4097), strings.Repeat("a=b,", 900), strings.Repeat("x", 200_000)} {
		again()
		p.token("T", "first", []byte{})
		p.token("T", brief([]byte(garbage)), []byte(garbage))
		again()
		p.token("T", brief([]byte(garbage)), []byte(garbage))
	}
	// Out of order.
	again()
	p.login("T", "bob", "secret")
	p.token("T", "once more", []byte{})
	again()
	p.send("T", proto.OpSASL)
	again()
	p.send("T", proto.OpSASL, null{})
	again()
	p.send("T", proto.OpSASL, -2)
	again()
	p.send("T", proto.OpSASL, 100, verbatim("short"))
	again()
	p.pipeline("T", call{proto.OpSASL, raw([]byte{})}, call{proto.OpSASL, raw([]byte{})}, call{proto.OpSASL, raw([]byte{})})
	p.end("T")
}

// login authenticates a session with DIGEST-MD5.
func (p *player) login(name, user, password string) {
	c := digestmd5.NewClient(user, password, digestmd5.Protocol, digestmd5.ServerName)
	token, _, _ := c.Step(nil)
	for range 2 {
		var done bool
		var err error
		if token, done, err = c.Step(p.token(name, fmt.Sprintf("%s, %d bytes", user, min(1, len(token))), token)); err != nil {
			p.say("  %s: the client gives up: %v", name, err)
			return
		} else if done {
			p.say("  %s: authenticated", name)
		}
	}
}

// token sends a SASL token, and returns the server's answer.
func (p *player) token(name, what string, token []byte) []byte {
	p.answer = nil
	before := len(p.lines)
	if p.unfenced(name, proto.OpSASL, raw(token)); len(p.lines) > before {
		p.lines[before] = fmt.Sprintf("> %s sasl %s", name, what)
	}
	return p.answer
}

// unfenced makes one request of those that are allowed before authentication, and waits for the answer to it only: a
// ping would end the session.
func (p *player) unfenced(name string, op proto.Op, body []byte) {
	s := p.sessions[name]
	if p.err != nil || s == nil || s.w == nil {
		return
	}
	s.xid++
	p.say("> %s #%d %v %s", name, s.xid, op, describe(op, body))
	s.asked[s.xid] = op
	if err := s.w.write(request(s.xid, op, body)); err != nil {
		p.say("  %s: %s", name, ending(err))
		s.w = nil
		return
	}
	p.listenOnce(s)
}

var (
	nonceIn  = regexp.MustCompile(`nonce="[^"]*"`)
	secretIn = regexp.MustCompile(`rspauth=[0-9a-f]{32}`)
)

// describeToken shows a server's token without what is random.
func describeToken(token []byte) string {
	switch {
	case token == nil:
		return "null"
	case len(token) > 16 && token[0] == 0x60:
		return "a token of Kerberos"
	case len(token) > 16 && token[0] == 5:
		return fmt.Sprintf("a wrap token of %d bytes, flags %d, %q", len(token), token[2], token[16:20])
	}
	token = nonceIn.ReplaceAll(token, []byte(`nonce="…"`))
	return fmt.Sprintf("%q", bytes.TrimSpace(secretIn.ReplaceAll(token, []byte("rspauth=…"))))
}
