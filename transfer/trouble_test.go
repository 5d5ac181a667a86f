package transfer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/export"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/sharedio"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/localserver"
)

// TestStandardStreams takes compressed exports through standard output and input.
func TestStandardStreams(t *testing.T) {
	b := newBench(t, apachetest.Shared(t).Addr())
	const root = "/TestStandardStreams"
	b.fill(root)
	for compression, magic := range map[string]string{"gzip": "\x1f\x8b", "zstd": "\x28\xb5\x2f\xfd", "": `{"zkctl":"export"`} {
		words := []string{"export", root}
		if compression != "" {
			words = append(words, "--compress", compression)
		}
		out, _ := b.must(words...)
		if !strings.HasPrefix(out, magic) {
			t.Errorf("%q begins with %q", compression, out[:4])
		}
		file := filepath.Join(t.TempDir(), "no-ending")
		b.must(append(words, "-O", file)...)
		b.must("diff", root, "file:"+file, "--fields", everything+",stat")
		b.env.Streams.In = strings.NewReader(out)
		to := root + "-" + compression
		b.must("import", "-", to)
		if out, _ := b.must("diff", root, to, "--fields", "data,acl,kind,sequence"); out != "" {
			t.Errorf("%q: %s", compression, out)
		}
	}
	// The number of the next child is what a person writes into the file, whose program writes spaces.
	edited := filepath.Join(t.TempDir(), "edited.jsonl")
	if err := os.WriteFile(edited, []byte(`{ "zkctl": "export", "schema": 1, "version":"v","source":"s","root":"/e","zxidStart":"0x1","zxidEnd":"0x2","consistent":true,"time":1,"kinds":true,"options":{}}
{"path":"/e","next":7,"numChildren":2,"cversion":3,"acl":[{"scheme":"world","id":"anyone","perms":"cdrwa"}]}
{"znodes":1,"bytes":0}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	b.must("import", edited, root+"-edited")
	if next := b.create(root+"-edited/n-", "", proto.OpenACL, proto.PersistentSequential, 0); next != root+"-edited/n-0000000007" {
		t.Errorf("the next child is %s", next)
	}
	b.env.Streams.In = strings.NewReader(`{"zkctl":"exp`)
	if _, errs, code := b.run("import", "-", root+"-cut"); code == 0 || !strings.HasPrefix(errs, "standard input: ") || !strings.Contains(errs, "nothing was written") {
		t.Errorf("cut off: %d, %s", code, errs)
	}
}

// TestRate: neither the reads of an export nor the writes of an import are more than --rate allows.
func TestRate(t *testing.T) {
	b := newBench(t, apachetest.Shared(t).Addr())
	const root = "/TestRate"
	b.create(root, "", proto.OpenACL, proto.Persistent, 0)
	for i := range 60 {
		b.create(fmt.Sprintf("%s/%d", root, i), "", proto.OpenACL, proto.Persistent, 0)
	}
	file := filepath.Join(t.TempDir(), "f")
	for _, words := range [][]string{{"export", root, "-O", file, "--rate", "400"}, {"import", file, root + "-2", "--rate", "400", "--batch", "10"}} {
		began := time.Now()
		b.must(words...)
		if took := time.Since(began); took < 100*time.Millisecond { // for 60 requests or more, of which some may go at once
			t.Errorf("%q took %v", words, took)
		}
	}
}

// TestNoServer: an export that has not begun does not start over.
func TestNoServer(t *testing.T) {
	closed, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	_, stderr, err := run(t, client.Config{Servers: fmt.Sprintf("127.0.0.1:%d", closed)}, "export", "/")
	if stderr != "" || !errors.Is(err, proto.ErrConnectionLoss) {
		t.Errorf("%s%v", stderr, err)
	}
}

// TestTimeLeft: the progress of a copy of a live tree says how many znodes there are.
func TestTimeLeft(t *testing.T) {
	b := newBench(t, apachetest.Shared(t).Addr())
	const root = "/TestTimeLeft"
	b.create(root, "", proto.OpenACL, proto.Persistent, 0)
	for i := range 299 {
		b.create(fmt.Sprintf("%s/%d", root, i), "", proto.OpenACL, proto.Persistent, 0)
	}
	b.env.Streams.ErrTTY = true
	for range 500 { // which raise the number of the next sequential child
		if err := b.conn.Delete(t.Context(), b.create(root+"/n-", "", proto.OpenACL, proto.PersistentSequential, 0), -1); err != nil {
			t.Fatal(err)
		}
	}
	_, errs := b.must("cp", root, root+"-copy", "--rate", "250", "--batch", "10", "--no-sequences")
	if !strings.Contains(errs, "/300 znodes, ") || !strings.Contains(errs, "s left") {
		t.Errorf("%q", errs)
	}
	_, errs = b.must("cp", root, root+"-copy", "--rate", "800", "--batch", "10", "--resume")
	if !strings.Contains(errs, "/500 pairs, ") || !strings.Contains(errs, "s left") {
		t.Errorf("the pairs: %q", errs)
	}
}

// TestSystem: of /zookeeper, only quotas can be exported and imported, and only on request.
func TestSystem(t *testing.T) {
	b := newBench(t, apachetest.Shared(t).Addr())
	const node, quota = "/TestSystem", "/zookeeper/quota/TestSystem"
	b.create(node, "", proto.OpenACL, proto.Persistent, 0)
	b.create(quota, "", proto.OpenACL, proto.Persistent, 0)
	b.create(quota+"/zookeeper_limits", "count=7,bytes=-1", proto.OpenACL, proto.Persistent, 0)
	b.create(quota+"/zookeeper_stats", "count=1,bytes=0", proto.OpenACL, proto.Persistent, 0)
	file := filepath.Join(t.TempDir(), "f")
	paths := func(words ...string) (list []string) {
		b.must(append([]string{"export", "/", "--include", "/TestSystem", "--include", "/zookeeper/quota/TestSystem", "--include", "/zookeeper/config", "-O", file}, words...)...)
		records, _ := exported(t, file)
		for _, r := range records {
			list = append(list, r.Path)
		}
		return list
	}
	if list := paths(); !slices.Equal(list, []string{"/", node}) {
		t.Errorf("without --system: %q", list)
	}
	if list := paths("--system"); !slices.Equal(list, []string{"/", node, "/zookeeper", "/zookeeper/quota", quota, quota + "/zookeeper_limits"}) {
		t.Errorf("with --system: %q", list)
	}
	for _, path := range []string{quota + "/zookeeper_limits", quota + "/zookeeper_stats", quota, node} {
		if err := b.conn.Delete(t.Context(), path, -1); err != nil {
			t.Fatal(err)
		}
	}
	b.must("import", file, "/", "--on-conflict", "skip")
	if _, err := b.conn.Exists(t.Context(), quota, false); !errors.Is(err, proto.ErrNoNode) {
		t.Errorf("imported without --system: %v", err)
	}
	b.must("import", file, "/", "--on-conflict", "skip", "--system")
	if data, _, err := b.conn.Get(t.Context(), quota+"/zookeeper_limits", false); string(data) != "count=7,bytes=-1" {
		t.Errorf("the quota is %q, %v", data, err)
	}
}

// TestBackupEvery: a backup that fails is reported, the next one is made in time, and old ones are removed.
func TestBackupEvery(t *testing.T) {
	b := newBench(t, apachetest.Shared(t).Addr())
	const root = "/TestBackupEvery"
	dir := filepath.Join(t.TempDir(), "backups")
	old := filepath.Join(dir, "20200101T000000Z"+ending)
	b.create(root+"-old", "", proto.OpenACL, proto.Persistent, 0)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b.must("export", root+"-old", "-O", old)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var errs sharedio.Buffer
	b.env.Streams.Err = &errs
	ended := make(chan error, 1)
	go func() {
		ended <- command.Run(ctx, b.env, command.Args("backup", "create", dir, root, "--every", "1s", "--keep", "1"))
	}()
	await.That(t, time.Minute, "the first backup fails", func() bool { return strings.Contains(errs.String(), "Node does not exist: "+root) })
	if _, err := os.Stat(old); err != nil {
		t.Errorf("a failed backup removes old ones: %v", err)
	}
	b.create(root, "", proto.OpenACL, proto.Persistent, 0)
	await.That(t, time.Minute, "the next one replaces the old one", func() bool {
		list, _ := backups(dir)
		return len(list) == 1 && list[0].file != old
	})
	cancel()
	if err := <-ended; err == nil {
		t.Error("it ends by itself")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestReluctantDestination: a copy that is cut off for longer than its session lives, and a destination that has no room.
func TestReluctantDestination(t *testing.T) {
	server, err := localserver.Start(t.Context(), localserver.Options{Ephemeral: true, Properties: map[string]string{"tickTime": "50", "enforceQuota": "true"}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	b := newBench(t, server.ConnectString())
	b.fill("/from")
	for i := range 500 {
		b.create(fmt.Sprintf("/from/json/%03d", i), "", proto.OpenACL, proto.Persistent, 0)
	}
	file := filepath.Join(t.TempDir(), "f")
	b.must("export", "/from", "-O", file)

	g := &gate{}
	s := session.New(func() (client.Config, error) {
		return client.Config{Servers: server.ConnectString(), SessionTimeout: 4 * time.Second, Dial: g.dial}, nil
	})
	env := *b.env
	env.Session = s
	id := int64(0)
	if conn, err := s.Conn(); err != nil || conn.WaitConnected(t.Context()) != nil {
		t.Fatal("no session", err)
	} else {
		id = conn.SessionID()
		if _, _, err := conn.Create(t.Context(), "/alive", nil, proto.OpenACL, proto.Ephemeral, 0); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error, 1)
	go func() {
		ended <- command.Run(t.Context(), &env, command.Args("cp", "zk://"+server.ConnectString()+"/from", "/to", "--batch", "5", "--rate", "500"))
	}()
	await.That(t, time.Minute, "the copy has begun", func() bool {
		_, err := b.conn.Exists(t.Context(), "/to/json/005", false)
		return err == nil
	})
	g.set(true)
	await.That(t, time.Minute, "the session expires", func() bool {
		_, err := b.conn.Exists(t.Context(), "/alive", false)
		return errors.Is(err, proto.ErrNoNode)
	})
	g.set(false)
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "--resume goes on") || strings.Contains(err.Error(), "/from") { // not the source's
		t.Errorf("session 0x%x has expired, and the copy ends with %v", id, err)
	}
	_ = s.Close()
	if _, errs, code := b.run("import", file, "/to"); code == 0 || !strings.Contains(errs, "--resume if an earlier run was interrupted") {
		t.Errorf("again, without --resume: %d, %s", code, errs)
	}
	b.must("import", file, "/to", "--resume")
	if out, _ := b.must("diff", "/from", "/to", "--fields", "data,acl,kind,sequence"); out != "" {
		t.Errorf("resumed:\n%s", out)
	}

	b.create("/small", "", proto.OpenACL, proto.Persistent, 0)
	b.create("/zookeeper/quota/small", "", proto.OpenACL, proto.Persistent, 0)
	b.create("/zookeeper/quota/small/zookeeper_limits", "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=20", proto.OpenACL, proto.Persistent, 0)
	b.create("/zookeeper/quota/small/zookeeper_stats", "count=1,bytes=0", proto.OpenACL, proto.Persistent, 0)
	out, errs, code := b.run("import", file, "/small/to")
	if code == 0 || !strings.Contains(errs, "uota") || !strings.Contains(out+errs, "failed") && !strings.Contains(errs, "could not be written") {
		t.Errorf("above the quota: %d, %s%s", code, out, errs)
	}
}

// TestReadOnlyDestination: a member that is cut off from the quorum refuses writes; that takes one sentence, and nothing is written.
func TestReadOnlyDestination(t *testing.T) {
	e, err := localserver.Start(t.Context(), localserver.Options{Size: 3, Ephemeral: true, Properties: map[string]string{"tickTime": "200", "readonlymode.enabled": "true"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	b := newBench(t, e.ConnectString())
	b.fill("/from")
	file := filepath.Join(t.TempDir(), "f")
	b.must("export", "/from", "-O", file)
	last := e.Members()[2]
	if err := b.conn.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	cfg := client.Config{Servers: last.Addr(), ReadOnly: true, Wait: true}
	await.That(t, time.Minute, "the last member has it all", func() bool { return len(describe(t, cfg, "/from")) == len(describe(t, cfg, "file:"+file)) })
	for _, m := range e.Members()[:2] {
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	reader := open(t, cfg)
	await.That(t, time.Minute, "it is read-only", func() bool { return reader.State() == client.ConnectedReadOnly })
	for _, words := range [][]string{
		{"import", file, "/to"}, {"import", file, "--on-conflict", "overwrite", "--delete-extra", "--acl", "world"}, {"cp", "/from", "/to"}, {"mv", "/from", "/to"},
	} {
		stdout, stderr, err := run(t, cfg, words...)
		if stdout+stderr != "" || err == nil || !strings.Contains(err.Error(), "Not a read-only call") || !strings.Contains(err.Error(), "; nothing was ") {
			t.Errorf("%q: %s%s%v", words, stdout, stderr, err)
		}
		var exit *ui.ExitError
		if errors.As(err, &exit) && exit.Code != ui.ExitFailed {
			t.Errorf("%q: exit %d", words, exit.Code)
		}
	}
	if list := describe(t, cfg, "/to"); len(list) > 0 {
		t.Errorf("written: %q", list)
	}
	if got, want := describe(t, cfg, "/from"), describe(t, cfg, "file:"+file); len(got) != len(want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestOtherFiles: what a file is not says what to do.
func TestOtherFiles(t *testing.T) {
	b := newBench(t, apachetest.Shared(t).Addr())
	file := filepath.Join(t.TempDir(), "f")
	for _, text := range []string{"", "hello", "{\"path\":\"/a\",\"data\":\"some text\"}\n", "\ufeff" + export.Mark + "}\n", export.Mark[:9]} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, errs, code := b.run("import", file, "/TestOtherFiles")
		if code != ui.ExitFailed || !strings.Contains(errs, "neither an export, which starts with "+export.Mark+", nor a snapshot") || !strings.Contains(errs, "nothing was written") {
			t.Errorf("%q: %d, %s", text, code, errs)
		}
	}
}
