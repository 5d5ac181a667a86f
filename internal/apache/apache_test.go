package apache_test

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/fourletter"
)

func TestMain(m *testing.M) {
	if os.Getenv("ZKCTL_TEST_ORPHAN") != "" {
		orphan()
		return
	}
	os.Exit(apachetest.Main(m))
}

func TestLifeOfAServer(t *testing.T) {
	ctx := testContext(t)
	in := apachetest.Require(t)
	s, err := in.Start(ctx, apache.Options{TickTime: time.Second, JVM: []string{"-Dzookeeper.extendedTypesEnabled=true"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if answer, err := s.FourLetter(ctx, "conf"); err != nil || !strings.Contains(answer, "tickTime=1000\n") {
		t.Errorf("conf: %q, %v", answer, err)
	}
	if want := "127.0.0.1:" + strconv.Itoa(s.Port()); s.Addr() != want {
		t.Errorf("Addr() = %s, want %s", s.Addr(), want)
	}

	out, errOut, exit, err := in.ZkCli(ctx, "-server", s.Addr(), "create", "/café", "größe")
	if err != nil || exit != 0 || errOut != "Created /café\n" || apache.WithoutChatter(out) != "" {
		t.Fatalf("create: stdout %q, stderr %q, exit %d, %v", out, errOut, exit, err)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.FourLetter(ctx, "ruok"); err == nil {
		t.Error("a killed server answers")
	}
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	out, _, exit, err = in.ZkCli(ctx, "-server", s.Addr(), "get", "/café")
	if err != nil || exit != 0 || apache.WithoutChatter(out) != "größe\n" {
		t.Fatalf("get after a restart: stdout %q, exit %d, %v", out, exit, err)
	}
	if _, _, exit, err = in.ZkCli(ctx, "-server", s.Addr(), "get", "/none"); err != nil || exit != 1 {
		t.Errorf("get of a missing znode: exit %d, %v", exit, err)
	}

	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if answer, err := s.FourLetter(short, "ruok"); err == nil {
		t.Errorf("a paused server answers %q", answer)
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	if answer, err := s.FourLetter(ctx, "ruok"); err != nil || answer != "imok" {
		t.Errorf("ruok: %q, %v", answer, err)
	}

	if log, err := os.ReadFile(s.LogFile()); err != nil || !strings.Contains(string(log), "binding to port") {
		t.Errorf("the log has no line of the server: %v, %q", err, log)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.Work()); !os.IsNotExist(err) {
		t.Errorf("Stop left %s: %v", s.Work(), err)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("second Stop: %v", err)
	}
}

func TestStartReportsTheLog(t *testing.T) {
	in := apachetest.Require(t)
	_, err := in.Start(testContext(t), apache.Options{Properties: map[string]string{"tickTime": "often"}})
	if err == nil || !strings.Contains(err.Error(), `"often"`) {
		t.Errorf("error %v does not show what the server said", err)
	}
}

func TestStartOnATakenPort(t *testing.T) {
	in := apachetest.Require(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = in.Start(testContext(t), apache.Options{Port: l.Addr().(*net.TCPAddr).Port})
	if err == nil || !strings.Contains(err.Error(), "Address already in use") {
		t.Errorf("error %v does not say that the port is taken", err)
	}
}

// The default whitelist, which is only srvr, suffices.
func TestStartWithFewWords(t *testing.T) {
	s := apachetest.Test(t, apache.Options{Properties: map[string]string{"4lw.commands.whitelist": "srvr"}})
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

func TestDirIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := apachetest.Test(t, apache.Options{Dir: dir})
	if s.Dir() != dir {
		t.Errorf("Dir() = %s", s.Dir())
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if snapshots, _ := filepath.Glob(filepath.Join(dir, "version-2", "snapshot.*")); len(snapshots) == 0 {
		t.Error("no snapshot is left in the data directory")
	}
}

// TestServerDiesWithItsOwner starts this test binary again as an owner that
// exits without a word to its server.
func TestServerDiesWithItsOwner(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a unix shell")
	}
	apachetest.Require(t)
	ctx := testContext(t)
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "ZKCTL_TEST_ORPHAN=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	addr, work, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if err := await.Until(ctx, func() bool {
		_, dialErr := fourletter.Ask(ctx, nil, addr, "ruok")
		_, statErr := os.Stat(work)
		return dialErr != nil && os.IsNotExist(statErr)
	}); err != nil {
		t.Fatalf("the server on %s or its folder %s is still there", addr, work)
	}
}

func orphan() {
	in, err := apache.Find()
	if err != nil {
		panic(err)
	}
	s, err := in.Start(context.Background(), apache.Options{})
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(s.Addr() + " " + s.Work() + "\n")
}

func TestSecureServer(t *testing.T) {
	keytool, err := exec.LookPath("keytool")
	if err != nil {
		t.Skip("needs keytool")
	}
	apachetest.Require(t)
	store := filepath.Join(t.TempDir(), "server.jks")
	out, err := exec.Command(keytool, "-genkeypair", "-keystore", store, "-storepass", "secret", "-keypass", "secret",
		"-alias", "server", "-keyalg", "EC", "-dname", "CN=localhost", "-storetype", "JKS").CombinedOutput()
	if err != nil {
		t.Fatalf("keytool: %v\n%s", err, out)
	}
	s := apachetest.Test(t, apache.Options{Secure: &apache.TLSFiles{KeyStore: store, KeyStorePassword: "secret", ClientAuth: "none"}})
	conn, err := tls.Dial("tcp", s.SecureAddr(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if name := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; name != "localhost" {
		t.Errorf("certificate of %q, want localhost", name)
	}
}

func TestJavaCommand(t *testing.T) {
	in := apachetest.Require(t)
	out, err := in.JavaCommand(testContext(t), "org.apache.zookeeper.Version").CombinedOutput()
	if err != nil || !strings.Contains(string(out), ", built on ") {
		t.Errorf("Version: %v, %q", err, out)
	}
}

func TestFindSaysWhatIsMissing(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"no java":       {map[string]string{"PATH": "", "JAVA_HOME": ""}, "no java"},
		"empty release": {map[string]string{"ZOOKEEPER_HOME": t.TempDir()}, "no zookeeper-*.jar"},
	} {
		t.Run(name, func(t *testing.T) {
			if name != "no java" {
				apachetest.Require(t)
			}
			for key, value := range test.env {
				t.Setenv(key, value)
			}
			if _, err := apache.Find(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
	if err := new(apache.Installation).FindDebian(t.TempDir()); err == nil || !strings.Contains(err.Error(), "zookeeper.jar") {
		t.Errorf("error %v does not name the jar", err)
	}
}

func TestWithoutChatter(t *testing.T) {
	const (
		connecting = "Connecting to 127.0.0.1:1\n"
		watcher    = "\nWATCHER::\n"
		connected  = "\nWatchedEvent state:SyncConnected type:None path:null\n"
		created    = "\nWatchedEvent state:SyncConnected type:NodeCreated path:/a\n"
	)
	for _, test := range []struct{ name, in, want string }{
		{"before the answer", connecting + watcher + connected + "[a, b]\n", "[a, b]\n"},
		{"behind it", connecting + "[a, b]\n" + watcher + connected, "[a, b]\n"},
		{"in the middle of a line", connecting + "[B, é, " + watcher + connected + "世, ｡]\n", "[B, é, 世, ｡]\n"},
		{"split by the answer", connecting + "[a, " + watcher + "b" + connected + ", c]\n", "[a, b, c]\n"},
		{"split by a line of it", connecting + "a\n" + watcher + "b\n" + connected + "c\n", "a\nb\nc\n"},
		{"between empty lines", connecting + "a\n\n" + watcher + "\n" + connected + "\nb\n", "a\n\n\n\nb\n"},
		{"events of znodes stay", connecting + watcher + connected + "[a]\n" + watcher + created, "[a]\n" + watcher + created},
		{"an event of a znode, split", watcher + "a" + created + watcher + connected, watcher + "a" + created},
		{"two events and the answer between", watcher + "a" + connected + "b" + watcher + "c" + connected + "d", "abcd"},
		{"cut off at the end", connecting + "[a]\n" + watcher, "[a]\n"},
		{"cut off, and split", connecting + "[a" + watcher + "]\n", "[a]\n"},
		{"3.9", watcher + "\nWatchedEvent state:SyncConnected type:None path:null zxid: -1\nx\n", "x\n"},
		{"Windows", "Connecting to h:1\r\n\nWATCHER::\r\n\nWatchedEvent state:SyncConnected type:None path:null\r\nx\r\n", "x\r\n"},
		{"no WATCHER::", "a\n" + connected, "a\n" + connected},
		{"a path that begins with null", watcher + "\nWatchedEvent state:SyncConnected type:None path:nullify\n",
			watcher + "\nWatchedEvent state:SyncConnected type:None path:nullify\n"},
		{"data that says so", connecting + "Connecting to x\n", "Connecting to x\n"},
		{"nothing", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := apache.WithoutChatter(test.in); got != test.want {
				t.Errorf("of %q:\n got %q\nwant %q", test.in, got, test.want)
			}
		})
	}
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
