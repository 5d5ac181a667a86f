package zoocfg

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestSASLSettings(t *testing.T) {
	const provider = "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"
	path := write(t, map[string]string{"zoo.cfg": "dataDir=DIR\nclientPort=2181\nauthProvider.1=" + provider + "\nsasl.serverconfig=Zk\nsessionRequireClientSASLAuth=true\nenforce.auth.schemes=digest\n" +
		"superUser=root\nsuperUser.2=admin\nkerberos.removeHostFromPrincipal=true\nkerberos.removeRealmFromPrincipal=TRUE\nsecurity.auth_to_local=RULE:[1:$1] DEFAULT\n" +
		"requireClientAuthScheme=sasl\nsasl.client.username=zk\n"})
	c, warnings, err := Load(path, Properties{
		"java.security.auth.login.config": "/jaas.conf", "java.security.krb5.conf": "/krb5.conf", "zookeeper.superUser": "hidden", "zookeeper.letAnySaslUserDoX": "x",
		"zookeeper.SASLAuthenticationProvider.superPassword": "secret", "zookeeper.server.principal": "zookeeper/h", "zookeeper.sasl.client": "true", "zookeeper.server.realm": "R",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := SASL{Provider: true, LoginFile: "/jaas.conf", Krb5Conf: "/krb5.conf", Section: "Zk", Required: true, SuperUsers: []string{"root", "admin"}, SuperPassword: "secret",
		AnyUser: "x", RemoveHost: true, AuthToLocal: "RULE:[1:$1] DEFAULT"}
	if !reflect.DeepEqual(c.SASL, want) || !c.EnforceAuth || !slices.Equal(c.AuthSchemes, []string{"sasl"}) || c.QuorumSASL.Realm != "R" {
		t.Errorf("%+v %v %q %q", c.SASL, c.EnforceAuth, c.AuthSchemes, c.QuorumSASL.Realm)
	}
	var texts []string
	for _, w := range warnings {
		texts = append(texts, w.Key+": "+w.Text)
		if w.Unknown() {
			t.Errorf("%v is taken for unknown", w)
		}
	}
	if text := strings.Join(texts, "\n"); len(texts) != 3 || !strings.Contains(text, `kerberos.removeRealmFromPrincipal: "TRUE": expected true or false`) || !strings.Contains(text, "requireClientAuthScheme: protects nothing: no ZooKeeper reads it") || !strings.Contains(text, "sasl.client.username: has no effect: it only concerns clients") {
		t.Error(text)
	}
}

// Settings that open a server, or that name nobody, are not silent.
func TestSecurityWarnings(t *testing.T) {
	const superDigest = "DigestAuthenticationProvider.superDigest="
	for line, say := range map[string]string{
		"skipACL=yes":   "every client may read and change every znode",
		"skipACL=true":  "anything but yes counts as no",
		"skipACL=no":    "",
		"superUser=bob": "superUser: has no effect without SASL: add authProvider.1=",
		"superUser.2=bob\nauthProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider": "",
		"kerberos.removeHostFromPrincipal=ja":              `"ja": expected true or false`,
		"kerberos.removeHostFromPrincipal=false":           "",
		superDigest + "super:s3cret":                       "expected user:hash",
		superDigest + "super":                              "expected user:hash",
		superDigest + ":D/InIHSb7yEEbrWz8b9l71RjZJU=":      "expected user:hash",
		superDigest + "super:D/InIHSb7yEEbrWz8b9l71RjZJU=": "",
	} {
		_, warnings, err := Load(write(t, map[string]string{"zoo.cfg": "dataDir=DIR\nclientPort=2181\n" + line + "\n"}), nil)
		if err != nil || say == "" && len(warnings) > 0 || say != "" && (len(warnings) != 1 || !strings.Contains(warnings[0].String(), say)) {
			t.Errorf("%s: %v, %v, without %q", line, warnings, err, say)
		}
		for _, w := range warnings {
			if strings.Contains(w.String(), "s3cret") {
				t.Error("a warning reveals a secret")
			}
		}
	}
}

func TestQuorumSASLSettings(t *testing.T) {
	const member = "dataDir=DIR\ninitLimit=10\nsyncLimit=5\n" + three + "\n"
	load := func(lines ...string) (*Config, error) {
		text := member
		for _, line := range lines {
			text += "quorum.auth." + line + "\n"
		}
		c, _, err := Load(write(t, map[string]string{"zoo.cfg": text, "myid": "1\n"}), nil)
		return c, err
	}
	c, err := load()
	if want := (QuorumSASL{ServerSection: "QuorumServer", LearnerSection: "QuorumLearner", Principal: "zkquorum/localhost"}); err != nil || c.QuorumSASL != want {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = load("enableSasl=true", "learnerRequireSasl=true", "serverRequireSasl=true", "kerberos.servicePrincipal=zk/_HOST", "learner.saslLoginContext=L", "server.saslLoginContext=S")
	if want := (QuorumSASL{Enabled: true, ServerRequires: true, LearnerRequires: true, ServerSection: "S", LearnerSection: "L", Principal: "zk/_HOST"}); err != nil || c.QuorumSASL != want {
		t.Errorf("%+v, %v", c, err)
	}
	for lines, say := range map[string]string{
		"serverRequireSasl=true":                              "quorum.auth.enableSasl is disabled, so cannot enable quorum.auth.serverRequireSasl",
		"learnerRequireSasl=true":                             "quorum.auth.enableSasl is disabled, so cannot enable quorum.auth.learnerRequireSasl",
		"enableSasl=true quorum.auth.x=y":                     "Invalid option true quorum.auth.x=y",
		"enableSasl=true\nquorum.auth.serverRequireSasl=true": "quorum.auth.learnerRequireSasl is disabled, so cannot enable quorum.auth.serverRequireSasl",
	} {
		if _, err := load(lines); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v", lines, err)
		}
	}
}
