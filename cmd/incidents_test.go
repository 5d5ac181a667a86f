//go:build unix

package cmd

import (
	"fmt"
	"hash/adler32"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

// TestDocumentedIncidents runs the commands of docs/incidents.md, on real logs, and compares what they print with what the
// page shows. There a line "…" stands for any lines. With -update, the page gets the whole of what they print.
func TestDocumentedIncidents(t *testing.T) {
	const file = "../docs/incidents.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, from := range map[string]string{
		"lost/app.log": "closed-while-connected.client.log", "lost/zk3.log": "closed-while-connected.server3.log",
		"stays-out/zk1.log": "waiting-3.8/server1.log", "stays-out/zk2.log": "waiting-3.8/server2.log", "stays-out/zk3.log": "waiting-3.8/server3.log",
		"leader/zk1.log": "ensemble/server1.log", "leader/zk3.log": "ensemble/server3.log",
		"clients/app-c.log": "c-client.log", "clients/app-kazoo.log": "kazoo.log",
	} {
		log, err := os.ReadFile(filepath.Join("../logs/testdata", from))
		if err != nil {
			t.Fatal(err)
		}
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, log, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	incidentTxns(t, filepath.Join(dir, "lost", "version-2"))
	commands := 0
	block := regexp.MustCompile(`(?m)^    \$ (zkctl .*)\n((?:    .*\n|\n(?:    )+.*\n)*)`)
	updated := block.ReplaceAllStringFunc(string(text), func(shown string) string {
		commands++
		parts := block.FindStringSubmatch(shown)
		words, err := command.Lex(parts[1])
		if err != nil {
			t.Fatal(parts[1], err)
		}
		var args []string
		for _, w := range words[1:] {
			args = append(args, w.Text)
		}
		cmd, stderr := process(t, args...)
		cmd.Dir, cmd.Env = dir, append(cmd.Env, "TZ=UTC")
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v: %s", parts[1], err, stderr)
		}
		var want []string
		for line := range strings.Lines(parts[2]) {
			want = append(want, strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "    "))
		}
		if err := elided(strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"), want); err != nil {
			t.Errorf("%s: %v (with -update, the page gets what is printed)", parts[1], err)
		}
		whole := "    $ " + parts[1] + "\n"
		for line := range strings.Lines(string(out)) {
			whole += strings.TrimRight("    "+strings.TrimSuffix(line, "\n"), " ") + "\n"
		}
		return whole
	})
	if commands < 10 {
		t.Errorf("the page has only %d commands", commands)
	}
	if *update {
		if err := os.WriteFile(file, []byte(updated), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// elided compares lines with those shown, in which "…" stands for any, and reports the first that is not there.
func elided(lines, shown []string) error {
	for i := 0; i < len(shown); i++ {
		if shown[i] == "…" {
			continue
		}
		if len(lines) == 0 {
			return fmt.Errorf("%q is not printed", shown[i])
		}
		if strings.TrimRight(lines[0], " ") == shown[i] {
			lines = lines[1:]
			continue
		}
		if i == 0 || shown[i-1] != "…" {
			return fmt.Errorf("prints %q, where the page has %q", lines[0], shown[i])
		}
		lines = lines[1:]
		i--
	}
	if len(lines) > 0 && (len(shown) == 0 || shown[len(shown)-1] != "…") {
		return fmt.Errorf("also prints %q", lines[0])
	}
	return nil
}

// incidentTxns writes the transaction log of the session that the first story is about: one of its holders closed it.
func incidentTxns(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "log.500000001"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := storage.NewRawLogWriter(f, proto.FileHeader{Magic: proto.LogMagic, Version: proto.LogVersion})
	const znode = "/kyuubi_demo/serviceUri=app1.example.test:11119;version=1.6.1-incubating;sequence=0000000006"
	for i, txn := range []struct {
		at   string
		cxid int32
		op   proto.Op
		body jute.Record
	}{
		{"2024-06-19T14:55:35.980Z", 0, proto.OpCreateSession, &proto.CreateSessionTxn{TimeOut: 60000}},
		{"2024-06-19T14:55:36.210Z", 3, proto.OpCreate, &proto.CreateTxn{Path: znode, Data: []byte("app1.example.test:11119"), ACL: proto.OpenACL, Ephemeral: true, ParentCVersion: 7}},
		{"2024-06-25T19:56:12.967Z", 12, proto.OpCloseSession, &proto.CloseSessionTxn{Paths2Delete: []string{znode}}},
	} {
		at, err := time.Parse(time.RFC3339, txn.at)
		if err != nil {
			t.Fatal(err)
		}
		entry := proto.TxnEntry{Header: proto.TxnHeader{ClientID: -0x6fdc9a2648f19d, Cxid: txn.cxid, Zxid: 0x500000001 + int64(i), Time: at.UnixMilli(), Type: txn.op}, Body: txn.body}
		raw := jute.Marshal(&entry)
		if err := w.WriteEntry(raw, int64(adler32.Checksum(raw))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
