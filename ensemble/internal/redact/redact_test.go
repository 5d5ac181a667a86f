package redact

import (
	"bytes"
	"strings"
	"testing"
)

func TestSecrets(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"property":        {"a=b\nssl.keyStore.password=geheim x\nc=d", "a=b\nssl.keyStore.password=[removed]\nc=d"},
		"with a colon":    {"ssl.trustStore.password : geheim", "ssl.trustStore.password : [removed]"},
		"with a space":    {"  ssl.keyStore.password geheim", "  ssl.keyStore.password [removed]"},
		"continued":       {"x.password=ge\\\nheim\nc=d", "x.password=[removed]\nc=d"},
		"escaped":         {`x.password=ge\\geheim`, "x.password=[removed]"},
		"in JSON":         {`{"zookeeper.ssl.keyStore.password" : "ge\"heim", "x" : 1}`, `{"zookeeper.ssl.keyStore.password" : "[removed]", "x" : 1}`},
		"a file in JSON":  {`{"initial_configuration" : "a=b\nx.password=ge\\heim geheim\nc=d", "error" : null}`, `{"initial_configuration" : "a=b\nx.password=[removed]\nc=d", "error" : null}`},
		"of a JVM":        {"java -Xmx1g -Dzookeeper.ssl.keyStore.password=geheim org.apache.Main", "java -Xmx1g -Dzookeeper.ssl.keyStore.password=[removed]"},
		"of JAAS":         {`username="bob" password="geheim";`, `username="bob" password="[removed]";`},
		"users of JAAS":   {`  user_bob="geheim"`, `  user_bob="[removed]"`},
		"super user":      {"DigestAuthenticationProvider.superDigest=super:geheim", "DigestAuthenticationProvider.superDigest=[removed]"},
		"ACL":             {"digest:bob:Gd6BnlbNRbpfL6U6xMIYBIhwOUs=:cdrwa", "digest:bob:[removed]:cdrwa"},
		"ACL as printed":  {"'digest,'bob:Gd6BnlbNRbpfL6U6xMIYBIhwOUs=", "'digest,'bob:[removed]"},
		"digest":          {"x bob:Gd6BnlbNRbpfL6U6xMIYBIhwOUs= y", "x bob:[removed] y"},
		"addauth":         {"addauth digest bob:geheim", "addauth digest [removed]"},
		"URL":             {"http://bob:geheim@zk1/x", "http://bob:[removed]@zk1/x"},
		"key":             {"a\n-----BEGIN RSA PRIVATE KEY-----\ngeheim\n-----END RSA PRIVATE KEY-----\nb", "a\n[removed]\nb"},
		"half a key":      {"-----BEGIN PRIVATE KEY-----\ngeheim", "[removed]"},
		"token":           {"api_token=geheim", "api_token=[removed]"},
		"not a secret":    {"zk_avg_connection_token_deficit\t0.0\nzk_ensemble_auth_skip\t0\n4lw.commands.whitelist=*", "zk_avg_connection_token_deficit\t0.0\nzk_ensemble_auth_skip\t0\n4lw.commands.whitelist=*"},
		"digests of hash": {"100000080: 1371985504\n", "100000080: 1371985504\n"},
	} {
		if got := string(Secrets([]byte(test.text))); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestPseudonyms(t *testing.T) {
	var p Pseudonyms
	p.Host("zk1")
	p.Host("zk1.prod.acme.com")
	p.Host("127.0.0.1")
	p.User("alice")
	text := "server.1=ZK1:2888:3888;zk1.prod.acme.com:2181\n" +
		" /10.1.2.3:5555[1](queued=0,sid=0x1)\n /127.0.0.1:5[0]\n /0:0:0:0:0:0:0:1:5[0]\n /fe80:0:0:0:1:2:3:4%2:77[0]\n" +
		"zk10 zk1-old x.zk1\ndataDir=/srv/alice/zk/version-2\nLatency min/avg/max: 0/0.4/131\n/zookeeper/config\n" +
		"at 2026-11-29 10:58:22,077 db.other.internal and 10.1.2.3 once more in /srv/alice/zk/version-2.\nuser.name=alice\njava.io.tmpdir=/tmp user.home ch.qos.logback org.apache.zookeeper.server.dev nodes.eu.acme.com.\nhttp://zk1:8080/commands/stat\n"
	want := "server.1=host-1:2888:3888;host-2:2181\n" +
		" /ip-1:5555[1](queued=0,sid=0x1)\n /127.0.0.1:5[0]\n /::1:5[0]\n /ip-2:77[0]\n" +
		"zk10 zk1-old x.host-1\ndataDir=/path-1\nLatency min/avg/max: 0/0.4/131\n/zookeeper/config\n" +
		"at 2026-11-29 10:58:22,077 host-3 and ip-1 once more in /path-1\nuser.name=user-1\njava.io.tmpdir=/path-2 user.home ch.qos.logback org.apache.zookeeper.server.dev host-4.\nhttp://host-1:8080/commands/stat\n"
	if got := string(p.Replace([]byte(text))); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A secret goes whatever stands around it.
func FuzzRedact(f *testing.F) {
	f.Add("a\n", "\nb")
	f.Add("{\"x\" : \"", "\"}")
	f.Add("-----BEGIN PRIVATE KEY-----", "\xff")
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "geheim4711"
		if strings.Contains(before+after, secret) {
			return
		}
		text := before + "\nssl.keyStore.password=" + secret + "\n" + after
		got := Secrets([]byte(text))
		if bytes.Contains(got, []byte(secret)) {
			t.Errorf("%q became %q", text, got)
		}
		var p Pseudonyms
		p.Host("geheim-host")
		p.Replace(got)
	})
}
