package conformance

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sasl"
	"github.com/zkctl/zkctl/internal/sasl/kdctest"
	"github.com/zkctl/zkctl/internal/sasl/krb5"
)

// TestKerberos plays GSSAPI against both servers, well and badly.
func TestKerberos(t *testing.T) {
	kdc := kdctest.Start(t)
	keytab := kdc.Keytab(t, "server.keytab", "zookeeper/127.0.0.1")
	kdc.Keytab(t, "client.keytab", "joe", "app/a.com", "admin", "other/127.0.0.1")
	jaas := fmt.Sprintf(`Server { com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true useTicketCache=false
		keyTab=%q principal="zookeeper/127.0.0.1@%s"; };`, keytab, kdctest.Realm)
	for name, settings := range map[string]map[string]string{
		"short names": {"kerberos.removeHostFromPrincipal": "true", "kerberos.removeRealmFromPrincipal": "true", "superUser": "admin",
			"security.auth_to_local": "RULE:[2:$1@$0](app@.*)s/.*/application/ DEFAULT"},
		"required": {"sessionRequireClientSASLAuth": "true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings["authProvider.1"] = saslProvider
			theirs, ours := bothWithSASL(t, jaas, settings, map[string]string{"java.security.krb5.conf": kdc.Conf})
			var options []func(*player)
			if name == "required" {
				options = append(options, quietly)
			}
			comparePair(t, theirs, ours, kerberosScript(t, kdc), options...)
		})
	}
}

func kerberosScript(t *testing.T, kdc *kdctest.KDC) func(p *player) {
	conf, err := krb5.LoadConfig([]string{kdc.Conf})
	if err != nil {
		t.Fatal(err)
	}
	// begin starts an exchange of a principal with a service.
	begin := func(who, service string) sasl.Exchange {
		c := &krb5.Client{Principal: who, UseKeytab: true, Keytab: kdc.Dir + "/client.keytab", Service: service, Config: func() (*krb5.Config, error) { return conf, nil }}
		x, err := c.Start(t.Context(), "127.0.0.1", netip.Addr{})
		if err != nil {
			t.Error(err)
		}
		return x
	}
	first := func(who, service string) []byte {
		token, _, _ := begin(who, service).Step(nil)
		return token
	}
	return func(p *player) {
		// login authenticates; at one step, the token is changed.
		login := func(name, who string, at int, change func([]byte) []byte) {
			x := begin(who, "zookeeper")
			var answer []byte
			for step := 1; ; step++ {
				token, done, err := x.Step(answer)
				if err != nil || done {
					p.say("  %s: the client is done: %v", name, err == nil)
					return
				}
				if step == at {
					token = change(token)
				}
				if answer = p.token(name, fmt.Sprintf("%s, token %d", who, step), token); p.sessions[name].w == nil {
					return
				}
			}
		}
		for _, who := range []string{"joe", "app/a.com", "admin"} {
			p.open("A")
			login("A", who, 0, nil)
			p.send("A", proto.OpWhoAmI)
			p.end("A")
		}
		for _, c := range []struct {
			at     int
			change func([]byte) []byte
		}{
			{1, func([]byte) []byte { return []byte{} }},
			{1, func([]byte) []byte { return []byte("garbage") }},
			{1, func(b []byte) []byte { return b[:len(b)-1] }},
			{1, func(b []byte) []byte { b[len(b)-1] ^= 1; return b }},
			{1, func([]byte) []byte { return bytes.Repeat([]byte{0x60}, 100_000) }},
			{1, func([]byte) []byte { return first("joe", "other") }},
			{2, func([]byte) []byte { return []byte("more") }},
			{2, func([]byte) []byte { return first("joe", "zookeeper") }},
			{3, func([]byte) []byte { return []byte{} }},
			{3, func([]byte) []byte { return []byte("garbage") }},
			{3, func(b []byte) []byte { b[len(b)-1] ^= 1; return b }},
			{3, func(b []byte) []byte { b[16] = 2; return b }},
			{3, func(b []byte) []byte { return b[:20] }},
			{3, func(b []byte) []byte { b[2] = 1; return b }},
		} {
			p.open("B")
			login("B", "joe", c.at, c.change)
			p.end("B")
		}
		// Again, after the end.
		p.open("C")
		login("C", "joe", 0, nil)
		p.token("C", "once more", []byte{})
		p.end("C")
		// The same ticket again, as somebody who has listened would send it.
		token := first("joe", "zookeeper")
		for range 2 {
			p.open("D")
			p.token("D", "a token of joe", token)
			p.end("D")
		}
	}
}
