package replica

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
)

// withJetty adds to Debian's ZooKeeper what its AdminServer needs and the package does not depend
// on (libjetty9-java, libjackson2-databind-java). An unpacked release has it.
func withJetty(t *testing.T) *apache.Installation {
	t.Helper()
	in := *apachetest.Require(t)
	if os.Getenv("ZOOKEEPER_HOME") != "" {
		return &in
	}
	in.ServerClassPath = slices.Clone(in.ServerClassPath)
	for _, name := range []string{"jetty9-server", "jetty9-servlet", "jetty9-http", "jetty9-io", "jetty9-util", "jetty9-util-ajax",
		"jetty9-security", "servlet-api", "jackson-core", "jackson-databind", "jackson-annotations"} {
		jar := filepath.Join(apache.DebianJars, name+".jar")
		if _, err := os.Stat(jar); err != nil {
			t.Skipf("Apache's AdminServer cannot run: %v (Debian: apt-get install libjetty9-java libjackson2-databind-java)", err)
		}
		in.ServerClassPath = append(in.ServerClassPath, jar)
	}
	return &in
}

// freeAddr returns an address that nothing listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// serveAdmin adds an AdminServer to a server.
func serveAdmin(t testing.TB, s *Replica, opt AdminOptions) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ServeAdmin(ln, opt); err != nil {
		t.Fatal(err)
	}
	return "http://" + ln.Addr().String()
}

// fetch makes an HTTP request; header is a list of names and values.
func fetch(t testing.TB, method, url string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

// kinds replaces the values of a JSON document with their types, and numeric keys with N: what
// remains are names and structure. The lists under such keys are merged: Apache's server leaves
// empty ones when sessions move to another bucket (ExpiryQueue).
func kinds(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, one := range v {
			if _, err := strconv.ParseInt(name, 10, 64); err == nil {
				name = "N"
			}
			kind := kinds(one)
			before, many := out[name].([]string)
			if more, list := kind.([]string); many && list {
				all := append(before, more...)
				slices.Sort(all)
				kind = slices.Compact(all)
			}
			out[name] = kind
		}
		return out
	case []any:
		var out []string
		for _, one := range v {
			text, _ := json.Marshal(kinds(one))
			out = append(out, string(text))
		}
		slices.Sort(out)
		return slices.Compact(out)
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "float"
		}
		return "int"
	default:
		return fmt.Sprintf("%T", v)
	}
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

var emulateField = regexp.MustCompile(`,\s*"zkctl_emulate" : "[^"]*"`)

// TestAdminIsApaches compares every command of the AdminServer, by every name, with a real one:
// status, content type, field names, types and the document's layout.
func TestAdminIsApaches(t *testing.T) {
	adminAddr := freeAddr(t)
	_, port, _ := net.SplitHostPort(adminAddr)
	theirs, err := withJetty(t).Start(context.Background(), apache.Options{TickTime: 2 * time.Second, Properties: map[string]string{
		"admin.enableServer": "true", "admin.serverAddress": "127.0.0.1", "admin.serverPort": port}})
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Stop()
	ours := serveAlone(t, Options{Release: likeApache, DataDir: t.TempDir(), Tick: 2 * time.Second, MaxClientCnxns: -1, Words: []string{"*"}})
	urls := []string{"http://" + adminAddr, serveAdmin(t, ours.Replica, AdminOptions{InitialConfig: "dataDir=/x\n"})}
	for _, addr := range []string{theirs.Addr(), ours.addr} {
		furnish(t, addr)
	}
	var commands []string
	for _, c := range adminCommands {
		commands = append(commands, c.names...)
	}
	commands = append(commands, "", "nope", "ruok/x", "stmk?traceMask=x", "set_trace_mask?traceMask=306", "gtmk")
	for _, command := range commands {
		res, want := fetch(t, "GET", urls[0]+"/commands/"+command, nil)
		got, text := fetch(t, "GET", urls[1]+"/commands/"+command, nil)
		if got.StatusCode != res.StatusCode {
			t.Errorf("%s: status %d, Apache's %d", command, got.StatusCode, res.StatusCode)
		}
		if command == "" {
			for link := range strings.Lines(want) {
				if !strings.Contains(text, link) {
					t.Errorf("the list lacks %s", link)
				}
			}
			continue
		}
		if g, w := got.Header.Get("Content-Type"), res.Header.Get("Content-Type"); g != w {
			t.Errorf("%s: content type %q, Apache's %q", command, g, w)
		}
		a, b := parse(t, want), parse(t, text)
		switch command {
		case "monitor", "mntr":
			for name := range a {
				if _, ok := b[name]; !ok && !notMeasured.MatchString("zk_"+name) {
					t.Errorf("%s lacks %s", command, name)
				} else if ok && kinds(a[name]) != kinds(b[name]) {
					t.Errorf("%s: %s is %v, Apache's %v", command, name, b[name], a[name])
				}
			}
			continue
		case "system_properties", "sysp": // those of a JVM
			if b["user.dir"] == nil || b["os.name"] == nil {
				t.Errorf("%s: %s", command, text)
			}
			continue
		}
		compareForm(t, command, want, text)
	}
	for _, command := range []string{"nope", "set_trace_mask", "gtmk", "ruok", "voting_view", "watch_summary", "leader", "zabstate", "obsr"} {
		_, want := fetch(t, "GET", urls[0]+"/commands/"+command, nil)
		if _, got := fetch(t, "GET", urls[1]+"/commands/"+command, nil); got != want {
			t.Errorf("%s is answered\n%s\nand by Apache\n%s", command, got, want)
		}
	}
	for _, c := range []struct{ method, path string }{{"GET", "/"}, {"GET", "/commandsx"}, {"POST", "/commands/ruok"}, {"PUT", "/commands/ruok"},
		{"TRACE", "/commands/ruok"}, {"HEAD", "/commands/ruok"}, {"OPTIONS", "/commands/ruok"}, {"GET", "/commands"}} {
		want, _ := fetch(t, c.method, urls[0]+c.path, nil)
		if got, _ := fetch(t, c.method, urls[1]+c.path, nil); got.StatusCode != want.StatusCode {
			t.Errorf("%s %s: status %d, Apache's %d", c.method, c.path, got.StatusCode, want.StatusCode)
		}
	}
}

// compareForm compares an answer of ours with Apache's.
func compareForm(t *testing.T, command, want, got string) {
	t.Helper()
	got = emulateField.ReplaceAllString(got, "") // conf-emulate in docs/server.md
	wantKinds, _ := json.MarshalIndent(kinds(parse(t, want)), "", " ")
	gotKinds, _ := json.MarshalIndent(kinds(parse(t, got)), "", " ")
	if string(wantKinds) != string(gotKinds) {
		t.Errorf("%s has the form\n%s\nand Apache's\n%s", command, gotKinds, wantKinds)
	}
	if strings.Contains(want, `"error" : null`) != strings.Contains(got, `"error" : null`) {
		t.Errorf("%s: %s\nApache: %s", command, got, want)
	}
}
