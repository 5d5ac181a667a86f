// Package kdctest runs a KDC of MIT Kerberos for tests. Only tests import it.
//
// It needs Debian's packages krb5-kdc, krb5-admin-server and krb5-user (scripts/install-clients.sh).
// The realm, its files and its port on loopback are of one test; nothing of the system is touched.
package kdctest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/port"
)

// Realm is the realm of every KDC.
const Realm = "EXAMPLE.COM"

// KDC is a realm and its running KDC.
type KDC struct {
	Dir  string
	Conf string // a krb5.conf
	Addr string
	// Ahead is by how much the KDC's clock is ahead, from the next Launch on.
	Ahead time.Duration

	stop func()
}

// Start makes a realm and starts its KDC, which ends with the test.
func Start(t testing.TB) *KDC {
	t.Helper()
	Tool(t, "krb5kdc")
	k := &KDC{Dir: t.TempDir()}
	n, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	k.Addr = fmt.Sprintf("127.0.0.1:%d", n)
	k.Conf = k.file(t, "krb5.conf", fmt.Sprintf(`[libdefaults]
	default_realm = %[1]s
	udp_preference_limit = 1
	dns_lookup_kdc = false
	dns_lookup_realm = false
	rdns = false
	dns_canonicalize_hostname = false
	default_ccache_name = FILE:%[3]s/default.ccache
[realms]
	%[1]s = {
		kdc = %[2]s
	}
`, Realm, k.Addr, k.Dir))
	k.file(t, "kdc.conf", fmt.Sprintf(`[kdcdefaults]
	kdc_listen = ""
	kdc_tcp_listen = %[2]s
[realms]
	%[1]s = {
		database_name = %[3]s/principal
		key_stash_file = %[3]s/stash
		acl_file = %[3]s/kadm5.acl
		max_life = 10h
		max_renewable_life = 7d
		supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal
		default_principal_flags = +preauth
	}
[logging]
	kdc = FILE:%[3]s/kdc.log
	admin_server = FILE:%[3]s/kadmin.log
	default = FILE:%[3]s/krb5.log
`, Realm, k.Addr, k.Dir))
	k.Run(t, "", "kdb5_util", "-r", Realm, "create", "-s", "-P", "master")
	k.Launch(t)
	t.Cleanup(k.Stop)
	return k
}

// Tool returns the path of a program of MIT Kerberos; without it the test is
// skipped, or fails with CI=true.
func Tool(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if path := "/usr/sbin/" + name; exec.Command(path, "--help").Run() == nil || exists(path) {
		return path
	}
	apachetest.Missing(t, fmt.Errorf("no %s; scripts/install-clients.sh installs it", name))
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (k *KDC) file(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(k.Dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Env is the environment of the programs of MIT Kerberos.
func (k *KDC) Env() []string {
	return append(os.Environ(), "KRB5_CONFIG="+k.Conf, "KRB5_KDC_PROFILE="+filepath.Join(k.Dir, "kdc.conf"), "LC_ALL=C.UTF-8")
}

// Launch starts the KDC, which must not be running.
func (k *KDC) Launch(t testing.TB) {
	t.Helper()
	// The shell ends the KDC if this process ends, however that happens: then its standard input
	// does.
	cmd := exec.Command("/bin/sh", "-c", `"$0" -n -T "$1" & pid=$!; cat >/dev/null; kill $pid; wait $pid`,
		Tool(t, "krb5kdc"), strconv.Itoa(int(k.Ahead.Seconds())))
	cmd.Env = k.Env()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	k.stop = func() { _ = in.Close(); <-ended }
	if !await.Within(20*time.Second, func() bool {
		conn, err := net.Dial("tcp", k.Addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}) {
		k.Stop()
		t.Fatalf("the KDC does not listen on %s: %s", k.Addr, out.String())
	}
}

// Stop ends the KDC; Launch starts it again.
func (k *KDC) Stop() {
	if k.stop != nil {
		k.stop()
		k.stop = nil
	}
}

// Run runs a program of MIT Kerberos with the given input, and returns what it prints.
func (k *KDC) Run(t testing.TB, input, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(Tool(t, name), args...)
	cmd.Env = k.Env()
	if input != "" {
		cmd.Stdin = io.MultiReader(strings.NewReader(input), strings.NewReader("\n"))
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Add adds a principal with a password.
func (k *KDC) Add(t testing.TB, principal, password string) {
	t.Helper()
	k.Run(t, "", "kadmin.local", "-r", Realm, "-q", "addprinc -pw "+password+" "+principal)
}

// Keytab adds principals with random keys and returns a keytab with those.
func (k *KDC) Keytab(t testing.TB, name string, principals ...string) string {
	t.Helper()
	path := filepath.Join(k.Dir, name)
	for _, p := range principals {
		k.Run(t, "", "kadmin.local", "-r", Realm, "-q", "addprinc -randkey "+p)
		k.Run(t, "", "kadmin.local", "-r", Realm, "-q", "ktadd -k "+path+" "+p)
	}
	return path
}

// Kinit puts a ticket into a cache, with further options of kinit.
func (k *KDC) Kinit(t testing.TB, principal, password, cache string, options ...string) {
	t.Helper()
	k.Run(t, password, "kinit", append(append(options, "-c", cache), principal)...)
}
