package cmd

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/authority"
	"github.com/zkctl/zkctl/internal/ui"
)

// newAuthority makes an authority that signs certificates for a test.
func newAuthority(t *testing.T, subjects ...authority.Subject) *authority.Folder {
	t.Helper()
	f, err := authority.Open(t.TempDir(), "ca", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range subjects {
		s.Until = f.Cert.NotAfter
		if _, err := f.Add(s.Name, s); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// TestTLS connects to a server that requires a certificate, with options, environment, profile and
// ZooKeeper's property file.
func TestTLS(t *testing.T) {
	apachetest.Require(t)
	folder := newAuthority(t, authority.Subject{Name: "server", Hosts: []string{"127.0.0.1"}}, authority.Subject{Name: "mine", Client: true})
	ca, server, mine := folder.Path(authority.CertFile), folder.Path("server.pem"), folder.Path("mine.pem")
	other := newAuthority(t).Path(authority.CertFile)
	s := apachetest.Test(t, apache.Options{Secure: &apache.TLSFiles{KeyStore: server, TrustStore: ca}})

	empty := writeFile(t, "empty.yaml", "", 0o600)
	profile := writeFile(t, "config.yaml", "default-profile: pr\nprofiles:\n  pr:\n    server: "+s.SecureAddr()+
		"\n    tls-truststore: "+ca+"\n    tls-keystore: "+mine+"\n", 0o600)
	properties := writeFile(t, "client.properties", "zookeeper.client.secure=true\nzookeeper.ssl.trustStore.location="+
		ca+"\nzookeeper.ssl.keyStore.location="+mine+"\n", 0o600)

	flags := "-Xmx64m -Dzookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty -Dzookeeper.client.secure=true" +
		" -Dzookeeper.ssl.trustStore.location=" + ca + " -Dzookeeper.ssl.keyStore.location=" + mine
	jvm := map[string]string{"CLIENT_JVMFLAGS": flags}

	for name, tc := range map[string]struct {
		args string
		env  map[string]string
		want string // on stderr; "" for success
	}{
		"options":               {"-config EMPTY -server SECURE -tls -tls-truststore CA -tls-keystore MINE", nil, ""},
		"a store implies -tls":  {"-config EMPTY -server SECURE -tls-truststore CA -tls-keystore MINE", nil, ""},
		"environment":           {"-config EMPTY -server SECURE", map[string]string{"ZKCTL_TLS_TRUSTSTORE": ca, "ZKCTL_TLS_KEYSTORE": mine}, ""},
		"profile":               {"-config PROFILE", nil, ""},
		"property file":         {"-config EMPTY -server SECURE -client-configuration PROPERTIES", nil, ""},
		"options over the file": {"-config EMPTY -server SECURE -client-configuration PROPERTIES -tls-truststore OTHER", nil, "certificate"},
		"plain over the file":   {"-config EMPTY -server PLAIN -client-configuration PROPERTIES -tls=false", nil, ""},
		"CLIENT_JVMFLAGS":       {"-config EMPTY -server SECURE", jvm, ""},
		"JVMFLAGS":              {"-config EMPTY -server SECURE", map[string]string{"JVMFLAGS": flags}, ""},
		"options over flags":    {"-config EMPTY -server SECURE -tls-truststore OTHER", jvm, "certificate"},
		"the file over flags":   {"-config EMPTY -server SECURE -client-configuration PROPERTIES", map[string]string{"CLIENT_JVMFLAGS": "-Dzookeeper.ssl.trustStore.location=" + other}, ""},
		"plain over flags":      {"-config EMPTY -server PLAIN -tls=false", jvm, ""},
		"flags to a plain port": {"-config EMPTY -server PLAIN -timeout 2000", jvm, "ConnectionLoss"},
		"a store of flags":      {"-config EMPTY -server SECURE", map[string]string{"CLIENT_JVMFLAGS": "-Dzookeeper.client.secure=true -Dzookeeper.ssl.trustStore.location=none.pem"}, "TLS: trust store none.pem"},
		"unknown authority":     {"-config EMPTY -server SECURE -tls -tls-truststore OTHER -tls-keystore MINE", nil, "certificate"},
		"no certificate":        {"-config EMPTY -server SECURE -tls -tls-truststore CA", nil, "ConnectionLoss"},
		"plain to a TLS port":   {"-config EMPTY -server SECURE -timeout 2000", nil, "ConnectionLoss"},
		"TLS to a plain port":   {"-config EMPTY -server PLAIN -timeout 2000 -tls-truststore CA", nil, "ConnectionLoss"},
		"no such store":         {"-config EMPTY -server SECURE -tls-truststore none.pem", nil, "TLS: trust store none.pem"},
		"no property file":      {"-config EMPTY -server SECURE -client-configuration none", nil, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range tc.env {
				t.Setenv(k, v)
			}
			args := strings.Fields(tc.args + " ls /")
			for i, a := range args {
				if v, ok := map[string]string{"EMPTY": empty, "SECURE": s.SecureAddr(), "PLAIN": s.Addr(), "CA": ca,
					"MINE": mine, "PROFILE": profile, "PROPERTIES": properties, "OTHER": other}[a]; ok {
					args[i] = v
				}
			}
			var stdout, stderr bytes.Buffer
			exit := Execute(t.Context(), args, &ui.Streams{In: strings.NewReader(""), Out: &stdout, Err: &stderr})
			switch {
			case tc.want == "" && (exit != 0 || stdout.String() != "[zookeeper]\n" || stderr.Len() > 0):
				t.Errorf("exit code %d, stdout %q, stderr %q", exit, stdout.String(), stderr.String())
			case tc.want != "" && (exit != 1 || !strings.Contains(stderr.String(), tc.want) || strings.Count(stderr.String(), "\n") > 1):
				t.Errorf("exit code %d, stderr %q, want %q in it", exit, stderr.String(), tc.want)
			}
		})
	}
}
