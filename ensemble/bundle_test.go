package ensemble

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/localserver"
)

// bundled is the content of a bundle, by name without the folder.
type bundled struct {
	files    map[string]string
	manifest struct {
		Redacted bool
		Clocks   []struct{ Offset, Within int64 }
		Files    []struct {
			Name, From string
			Bytes      int
			Cut        int64
		}
		Missing []struct{ Name, From, Why string }
	}
}

// lacks returns why a file is missing, "" if it is not.
func (b *bundled) lacks(name string) string {
	for _, m := range b.manifest.Missing {
		if m.Name == name {
			return m.Why
		}
	}
	return ""
}

func readBundle(t *testing.T, path string) *bundled {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b := &bundled{files: map[string]string{}}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(h.Name, "/")
		b.files[name] = string(text)
	}
	if err := json.Unmarshal([]byte(b.files["manifest.json"]), &b.manifest); err != nil {
		t.Fatal(err)
	}
	for _, e := range b.manifest.Files {
		if text, ok := b.files[e.Name]; !ok || len(text) != e.Bytes {
			t.Errorf("the manifest has %s with %d bytes, the archive has %d", e.Name, e.Bytes, len(text))
		}
	}
	if len(b.files) != len(b.manifest.Files)+1 {
		t.Errorf("%d files, %d in the manifest", len(b.files), len(b.manifest.Files))
	}
	return b
}

func TestBundle(t *testing.T) {
	admin, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	const secret = "geheim4711"
	e := embedded(t, 1, map[string]string{"admin.enableServer": "true", "admin.serverPort": strconv.Itoa(admin),
		"DigestAuthenticationProvider.superDigest": "super:" + secret, "ssl.trustStore.password": secret})
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config := write("zoo.cfg", "dataDir="+dir+"\nclientPort=2181\nssl.keyStore.password="+secret+"\n")
	write("myid", "7\n")
	log := write("zookeeper.log", strings.Repeat("x", 100)+"\n"+strings.Repeat("old line\n", mostFile/9)+"addauth digest bob:"+secret+"\nlast line, of db.acme.com\n")
	cfg := client.Config{Servers: e.ConnectString(), SessionTimeout: 10 * time.Second, Auth: []client.Auth{{Scheme: "digest", Data: []byte("me:" + secret)}}}
	args := []string{"bundle", "--admin-port", strconv.Itoa(admin), "--config", config, "--dir", dir, "--logs", log, "--logs", filepath.Join(dir, "none")}
	out := filepath.Join(dir, "b.tar.gz")
	if o := runWith(t, newCommand, cfg, append(args, "-O", out)...); o.code != 0 || !strings.HasPrefix(o.out, "wrote "+out+": ") {
		t.Fatalf("%+v", o)
	}
	b := readBundle(t, out)
	for name, want := range map[string]string{
		"client.json": `"authSchemes": [` + "\n    \"digest\"", "status.txt": "standalone", "status.json": `"members":[`, "health.txt": "healthy", "health.json": `"checks":[`,
		"doctor.json": `"findings":[`, "doctor.txt": "inding", "metrics.prom": "zkctl_ensemble_quorum 1", "members/unknown-1/4lw/srvr.txt": "Mode: standalone",
		"members/unknown-1/4lw/mntr.txt": "zk_version", "members/unknown-1/4lw/envi.txt": "host.name=", "members/unknown-1/4lw/conf.txt": "dataDir=", "members/unknown-1/4lw/wchp.txt": "",
		"members/unknown-1/admin/configuration.json": "client_port", "members/unknown-1/admin/monitor.json": "znode_count",
		"config/zoo.cfg": "ssl.keyStore.password=[removed]", "dir-1.json": `"text": "7"`, "logs/1.log": "addauth digest [removed]\nlast line",
	} {
		if text, ok := b.files[name]; !ok || !strings.Contains(text, want) {
			t.Errorf("%s is there: %t, and lacks %q (%s): %.300s", name, ok, want, b.lacks(name), text)
		}
	}
	for name, text := range b.files {
		if strings.Contains(text, secret) {
			t.Errorf("a secret is in %s", name)
		}
	}
	if strings.Contains(b.files["logs/1.log"], "xxx") || !strings.HasPrefix(b.files["logs/1.log"], "old line\n") {
		t.Errorf("the log begins %.50q", b.files["logs/1.log"])
	}
	if i := slices.IndexFunc(b.manifest.Files, func(e struct {
		Name, From string
		Bytes      int
		Cut        int64
	}) bool {
		return e.Name == "logs/1.log"
	}); i < 0 || b.manifest.Files[i].Cut == 0 || b.manifest.Files[i].From != log {
		t.Errorf("the manifest does not say what is left out of the log: %+v", b.manifest.Files)
	}
	if b.lacks("logs/2.log") == "" || len(b.manifest.Clocks) != 1 || max(b.manifest.Clocks[0].Offset, -b.manifest.Clocks[0].Offset) > b.manifest.Clocks[0].Within+100 {
		t.Errorf("%+v", b.manifest)
	}

	before, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if o := runWith(t, newCommand, cfg, append(args, "-O", out)...); o.code != ui.ExitFailed || !strings.Contains(o.err, "exists") {
		t.Errorf("%+v", o)
	}
	if after, err := os.ReadFile(out); err != nil || string(after) != string(before) {
		t.Errorf("the file was replaced: %v", err)
	}
	t.Chdir(dir)
	piped := runWith(t, newCommand, cfg, append(args, "-O", "-")...)
	out = write("piped.tar.gz", piped.out)
	if b := readBundle(t, out); piped.code != 0 || b.files["status.txt"] == "" || !strings.HasPrefix(piped.err, "wrote the bundle: ") {
		t.Errorf("%d, %s", piped.code, piped.err)
	}
	if _, err := os.Stat("-"); err == nil {
		t.Error("there is a file named -")
	}
	if o := runWith(t, newCommand, cfg, "bundle"); o.code != ui.ExitFailed || !strings.Contains(o.err, "-O FILE") {
		t.Errorf("%+v", o)
	}

	out = filepath.Join(dir, "redacted.tar.gz")
	if o := runWith(t, newCommand, cfg, append(args, "-O", out, "--redact")...); o.code != 0 {
		t.Fatalf("%+v", o)
	}
	b = readBundle(t, out)
	host, _ := os.Hostname()
	for name, text := range b.files {
		for _, private := range []string{secret, dir, "acme", "host.name=" + host + "\n"} {
			if strings.Contains(text, private) {
				t.Errorf("%q is in %s", private, name)
			}
		}
		if strings.HasSuffix(name, ".json") && !json.Valid([]byte(text)) && !strings.Contains(name, "/admin/") {
			t.Errorf("%s is no JSON any more: %s", name, text)
		}
	}
	if !b.manifest.Redacted || !strings.Contains(b.files["logs/1.log"], "last line, of host-") || !strings.Contains(b.files["config/zoo.cfg"], "dataDir=/path-") {
		t.Errorf("%s\n%s", b.files["logs/1.log"][len(b.files["logs/1.log"])-60:], b.files["config/zoo.cfg"])
	}
}

// What members do not report is in the manifest with the reason; a silent member costs no more than the timeout.
func TestBundleOfHalfAnEnsemble(t *testing.T) {
	e := embedded(t, 3, map[string]string{"4lw.commands.whitelist": "srvr"})
	leader, err := e.Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	members := e.Members()
	victim := slices.IndexFunc(members, func(m *localserver.Member) bool { return m != leader })
	other := (victim + 1) % len(members)
	if err := members[victim].Kill(); err != nil {
		t.Fatal(err)
	}
	first := members[other].Addr()
	dead, alive := fmt.Sprintf("members/%d", victim+1), fmt.Sprintf("members/%d/", other+1)
	out := filepath.Join(t.TempDir(), "b.tar.gz")
	if o := run(t, newCommand, first, "bundle", "--admin-port", "0", "-O", out); o.code != 0 {
		t.Fatalf("%+v", o)
	}
	b := readBundle(t, out)
	if !strings.Contains(b.lacks(dead), "refused") || !strings.Contains(b.lacks(alive+"4lw/mntr.txt"), "whitelist") || b.files[alive+"4lw/srvr.txt"] == "" {
		t.Errorf("%+v", b.manifest.Missing)
	}
	if !strings.Contains(b.lacks(alive+"admin"), "AdminServer") || !strings.Contains(b.lacks(alive+"4lw/dump.txt"), "does not tell how many") {
		t.Errorf("%+v", b.manifest.Missing)
	}
	if !strings.Contains(b.files["zookeeper-config.txt"], "server.3=") {
		t.Errorf("/zookeeper/config: %q, %s", b.files["zookeeper-config.txt"], b.lacks("zookeeper-config.txt"))
	}
	// A bundle is written even if no member answers. The configuration is whole, though this machine has no myid for it.
	dir := t.TempDir()
	out = filepath.Join(dir, "none.tar.gz")
	config, dynamic := filepath.Join(dir, "zoo.cfg"), filepath.Join(dir, "zoo.cfg.dynamic")
	writeFile(t, config, "dataDir=/srv/none\ninitLimit=10\nsyncLimit=5\ndynamicConfigFile="+filepath.ToSlash(dynamic)+"\n")
	writeFile(t, dynamic, "server.1=zk1:2888:3888;2181\nserver.2=zk2:2888:3888;2181\n")
	if o := run(t, newCommand, "127.0.0.1:1", "bundle", "--admin-port", "0", "-O", out, "--config", config); o.code != exitUnknown {
		t.Errorf("%+v", o)
	}
	if b := readBundle(t, out); !strings.Contains(b.lacks("members/unknown-1"), "refused") || !strings.Contains(b.files["config/zoo.cfg.dynamic"], "server.2=") {
		t.Errorf("%+v, %v", b.manifest.Missing, b.files)
	}
}

// Ctrl-C leaves nothing behind.
func TestInterruptedBundle(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for {
			c, err := silent.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			cancel()
		}
	}()
	dir := t.TempDir()
	out := filepath.Join(dir, "b.tar.gz")
	s := &ui.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}
	connect := func() (client.Config, error) { return client.Config{Servers: silent.Addr().String()}, nil }
	verb := command.Verb{Name: "verb", New: func(env *command.Env) *cobra.Command { return newCommand(env.Streams, connect) }}
	err = verb.Run(ctx, &command.Env{Streams: s}, []string{"bundle", "-O", out, "--admin-port", "0", "--timeout", "1m"})
	var exit *ui.ExitError
	if !errors.As(err, &exit) || exit.Code != ui.ExitInterrupted {
		t.Errorf("%v", err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
}

func TestBundleIsBounded(t *testing.T) {
	b := &bundle{}
	line := []byte(strings.Repeat("x", 99) + "\n")
	b.addText("long", "m", slices.Repeat(line, mostFile/100+2))
	if e := b.entries[0]; len(e.data)%100 != 0 || len(e.data) > mostFile || e.Cut != int64((mostFile/100+2)*100-len(e.data)) {
		t.Errorf("%d bytes, %d cut", len(e.data), e.Cut)
	}
	for i := range mostBundle/mostFile + 1 {
		b.add(fmt.Sprint(i), "m", make([]byte, mostFile), 0)
	}
	if b.size > mostBundle || len(b.missing) == 0 || !strings.Contains(b.missing[0].Why, "full") {
		t.Errorf("%d bytes, %v", b.size, b.missing)
	}
}
