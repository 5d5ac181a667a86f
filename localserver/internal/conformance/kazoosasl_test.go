package conformance

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/sasl/kdctest"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver"
)

// asJava is the variable that makes this binary a server, in place of the java that kazoo's tests start.
const asJava = "ZKCTL_TEST_AS_JAVA"

// serveAsJava runs the server of a command line of java: -Dname=value … class zoo.cfg.
func serveAsJava(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	err := localserver.Serve(ctx, localserver.ServeOptions{
		Config: args[len(args)-1], System: zoocfg.ParseSystemProperties(strings.Join(args[:len(args)-1], " ")), Log: os.Stderr,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestKazooSASL runs kazoo's own tests of SASL, with DIGEST-MD5 and Kerberos, on ensembles of embedded servers.
func TestKazooSASL(t *testing.T) {
	const python = "/usr/bin/python3"
	need(t, "python3-kazoo", python, "/usr/lib/python3/dist-packages/kazoo/tests/test_sasl.py")
	need(t, "python3-pure-sasl", "/usr/lib/python3/dist-packages/puresasl/client.py")
	if found, _ := filepath.Glob("/usr/lib/python3/dist-packages/kerberos*.so"); found == nil {
		need(t, "python3-kerberos", "/usr/lib/python3/dist-packages/kerberos.so")
	}
	t.Parallel()
	kdc := kdctest.Start(t)
	kdc.Keytab(t, "server.keytab", "zookeeper/127.0.0.1")
	kdc.Keytab(t, "client.keytab", "client")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "java"), []byte("#!/bin/sh\nexec '"+self+"' \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	base, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	out := runClientWith(t, append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), asJava+"=1", fmt.Sprintf("ZOOKEEPER_PORT_OFFSET=%d", base),
		"ZOOKEEPER_VERSION=3.8.0", "ZOOKEEPER_CLASSPATH=none", "ZOOKEEPER_CLUSTER_SIZE=1",
		"KRB5_CONFIG="+kdc.Conf, "KRB5_TEST_ENV="+kdc.Dir, "KRB5CCNAME=FILE:"+filepath.Join(kdc.Dir, "kazoo.cache")),
		"", python, "testdata/kazoosasl.py", kdctest.Realm)
	if !strings.Contains(out, "ran 6\n") {
		t.Errorf("not all of kazoo's 6 tests of SASL ran:\n%s", out)
	}
}
