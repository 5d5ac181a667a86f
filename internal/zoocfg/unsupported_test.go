package zoocfg

import (
	"strings"
	"testing"
)

// An unsupported setting that restricts access prevents the start, if it would change anything.
func TestUnsupportedSettings(t *testing.T) {
	const alone, member = "dataDir=DIR\nclientPort=2181\n", "dataDir=DIR\ninitLimit=10\nsyncLimit=5\n" + three + "\n"
	for _, c := range []struct {
		cfg    string
		system Properties
		say    string // "" for a server that starts
	}{
		{cfg: alone},
		{cfg: alone + "sessionRequireClientSASLAuth=true\n"},
		{cfg: alone + "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n"},
		{cfg: alone + "authProvider.1=org.apache.zookeeper.server.auth.KeyAuthenticationProvider\n", say: "this authentication provider is not supported here"},
		{cfg: alone + "requireClientAuthScheme=sasl\n"},
		{cfg: alone + "audit.enable=true\n", say: "audit.enable=true: there is no audit log here"},
		{cfg: alone + "audit.enable=false\n"},
		{cfg: alone + "authProvider.x=com.example.Own\n", say: "zoo.cfg:3: authProvider.x=com.example.Own: this authentication provider"},
		{cfg: alone + "authProvider.x509=org.apache.zookeeper.server.auth.X509AuthenticationProvider\n"},
		{cfg: member + "sslQuorum=true\nssl.quorum.context.supplier.class=com.example.Own\n", say: "ssl.quorum.context.supplier.class=com.example.Own: only the stores"},
		{cfg: member + "sslQuorum=true\n"},
		{cfg: member + "sslQuorum=false\n"},
		{cfg: alone + "sslQuorum=true\n"},
		{cfg: member + "quorum.auth.enableSasl=true\nquorum.auth.learnerRequireSasl=true\nquorum.auth.serverRequireSasl=true\n"},
		{cfg: alone + "ssl.crl=true\n"},
		{cfg: alone + "secureClientPort=2281\nssl.crl=true\n"},
		{cfg: alone + "client.portUnification=true\nssl.ocsp=true\n"},
		{cfg: alone + "client.portUnification=true\nssl.authProvider=own\n", say: "ssl.authProvider=own: only x509"},
		{cfg: alone + "secureClientPort=2281\nssl.clientHostnameVerification=true\n"},
		{cfg: alone + "secureClientPort=2281\nssl.context.supplier.class=com.example.Own\n", say: "ssl.context.supplier.class=com.example.Own: only the stores"},
		{cfg: alone + "secureClientPort=2281\nclient.certReload=true\n"},
		{cfg: alone + "admin.needClientAuth=true\n"},
		{cfg: alone + "admin.enableServer=true\nadmin.needClientAuth=true\n", say: "admin.needClientAuth=true: the AdminServer has no TLS here"},
		{cfg: alone + "admin.enableServer=true\nadmin.forceHttps=true\n", say: "admin.forceHttps=true: the AdminServer"},
		{cfg: alone + "admin.enableServer=true\nIPAuthenticationProvider.usexforwardedfor=true\n", say: "X-Forwarded-For is not read here"},
		{cfg: alone + "metricsProvider.httpsPort=7443\n"},
		{cfg: alone + "metricsProvider.className=" + PrometheusProvider + "\nmetricsProvider.httpsPort=7443\n", say: "metricsProvider.httpsPort=7443: metrics have no TLS here"},
		{cfg: alone + "authProvider.1=Own\naudit.enable=true\n", say: "authProvider.1=Own: this"},
		{cfg: alone + "authProvider.1=Own\naudit.enable=true\n", say: "audit.enable=true: there"},
		{cfg: alone + "observerMasterPort=2191\noraclePath=/o\nemulate353TTLNodes=true\n"},
		{cfg: member + "observerMasterPort=2191\n", say: "zoo.cfg:7: observerMasterPort=2191: observers follow only the leader here, so Apache's observers that follow a participant could not connect; remove it"},
		{cfg: member + "observerMasterPort=0\n"},
		{cfg: strings.Replace(member, ":participant", ":observer", 1) + "observerMasterPort=2191\n"},
		{cfg: member + "oraclePath=/o\n", say: "oraclePath=/o: an oracle in place of a quorum is not supported here"},
		{cfg: alone + "extendedTypesEnabled=true\nemulate353TTLNodes=true\n", say: "emulate353TTLNodes=true: ZooKeeper 3.5.3's TTL format"},
		{cfg: "dataDir=DIR\n", say: "neither clientPort nor secureClientPort is set, so nobody could connect"},
		{cfg: "dataDir=DIR\nclientPort=0\n", say: "neither clientPort nor secureClientPort is set"},
		{cfg: "dataDir=DIR\nsecureClientPort=2281\n"},
		{cfg: "dataDir=DIR\ninitLimit=10\nsyncLimit=5\nserver.1=a:1:2\nserver.2=a:3:4\n"}, // it votes
	} {
		path := write(t, map[string]string{"zoo.cfg": c.cfg, "myid": "1\n"})
		cfg, warnings, err := Load(path, c.system)
		if err != nil {
			t.Errorf("%s: %v", c.cfg, err)
			continue
		}
		switch err := cfg.CheckServable(); {
		case c.say == "" && err != nil:
			t.Errorf("%s: %v", c.cfg, err)
		case c.say != "" && (err == nil || !strings.Contains(err.Error(), c.say)):
			t.Errorf("%s: %v, without %q", c.cfg, err, c.say)
		}
		for _, w := range warnings { // what prevents the start has an effect
			if strings.Contains(c.say, w.Key+"=") {
				t.Errorf("%s: %v", c.cfg, w)
			}
		}
	}
}

// Every setting that can prevent a start is otherwise reported as having no effect, never as
// unknown.
func TestUnsupportedSettingsAreKnown(t *testing.T) {
	for _, u := range unsupportedSettings {
		if fileSettings[u.key] != nil || propertySettings[u.key] != nil || fileWithoutEffect(u.key) != "" || u.key == "authProvider." {
			continue
		}
		if reason := propertyWithoutEffect(u.key, true); strings.Contains(reason, "is not known") {
			t.Errorf("%s: %s", u.key, reason)
		}
	}
}
