package cmd

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/ui"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.file, a.cert, a.key = a.issue("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// issue writes a certificate and its key as PEM.
func (a *authority) issue(name string, template *x509.Certificate) (string, *x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	check := func(err error) {
		if err != nil {
			a.t.Helper()
			a.t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	check(err)
	cert, err := x509.ParseCertificate(der)
	check(err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	check(err)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if !template.IsCA {
		text = append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), text...)
	}
	file := filepath.Join(a.dir, name+".pem")
	check(os.WriteFile(file, text, 0o600))
	return file, cert, key
}

// TestTLS connects to a server that requires a certificate, with options, environment, profile and
// ZooKeeper's property file.
func TestTLS(t *testing.T) {
	apachetest.Require(t)
	ca := newAuthority(t)
	usage := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	server, _, _ := ca.issue("server", &x509.Certificate{ExtKeyUsage: usage, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	mine, _, _ := ca.issue("mine", &x509.Certificate{ExtKeyUsage: usage})
	other := newAuthority(t)
	s := apachetest.Test(t, apache.Options{Secure: &apache.TLSFiles{KeyStore: server, TrustStore: ca.file}})

	empty := writeFile(t, "empty.yaml", "", 0o600)
	profile := writeFile(t, "config.yaml", "default-profile: pr\nprofiles:\n  pr:\n    server: "+s.SecureAddr()+
		"\n    tls-truststore: "+ca.file+"\n    tls-keystore: "+mine+"\n", 0o600)
	properties := writeFile(t, "client.properties", "zookeeper.client.secure=true\nzookeeper.ssl.trustStore.location="+
		ca.file+"\nzookeeper.ssl.keyStore.location="+mine+"\n", 0o600)

	flags := "-Xmx64m -Dzookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty -Dzookeeper.client.secure=true" +
		" -Dzookeeper.ssl.trustStore.location=" + ca.file + " -Dzookeeper.ssl.keyStore.location=" + mine
	jvm := map[string]string{"CLIENT_JVMFLAGS": flags}

	for name, tc := range map[string]struct {
		args string
		env  map[string]string
		want string // on stderr; "" for success
	}{
		"options":               {"-config EMPTY -server SECURE -tls -tls-truststore CA -tls-keystore MINE", nil, ""},
		"a store implies -tls":  {"-config EMPTY -server SECURE -tls-truststore CA -tls-keystore MINE", nil, ""},
		"environment":           {"-config EMPTY -server SECURE", map[string]string{"ZKCTL_TLS_TRUSTSTORE": ca.file, "ZKCTL_TLS_KEYSTORE": mine}, ""},
		"profile":               {"-config PROFILE", nil, ""},
		"property file":         {"-config EMPTY -server SECURE -client-configuration PROPERTIES", nil, ""},
		"options over the file": {"-config EMPTY -server SECURE -client-configuration PROPERTIES -tls-truststore OTHER", nil, "certificate"},
		"plain over the file":   {"-config EMPTY -server PLAIN -client-configuration PROPERTIES -tls=false", nil, ""},
		"CLIENT_JVMFLAGS":       {"-config EMPTY -server SECURE", jvm, ""},
		"JVMFLAGS":              {"-config EMPTY -server SECURE", map[string]string{"JVMFLAGS": flags}, ""},
		"options over flags":    {"-config EMPTY -server SECURE -tls-truststore OTHER", jvm, "certificate"},
		"the file over flags":   {"-config EMPTY -server SECURE -client-configuration PROPERTIES", map[string]string{"CLIENT_JVMFLAGS": "-Dzookeeper.ssl.trustStore.location=" + other.file}, ""},
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
				if v, ok := map[string]string{"EMPTY": empty, "SECURE": s.SecureAddr(), "PLAIN": s.Addr(), "CA": ca.file,
					"MINE": mine, "PROFILE": profile, "PROPERTIES": properties, "OTHER": other.file}[a]; ok {
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
