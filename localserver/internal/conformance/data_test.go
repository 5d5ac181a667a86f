package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/localserver/internal/replica"
)

// stay leaves open sessions with ephemerals, like a client whose server disappears.
func stay(t *testing.T, addr string) map[string]*session {
	t.Helper()
	p := &player{addr: addr, sessions: map[string]*session{}, ids: map[int64]string{}}
	defer p.hangUp()
	for _, name := range []string{"L", "M", "N"} {
		p.connect(name, hello{timeout: 20_000})
		p.send(name, proto.OpCreate, verbatim(create("/stay-"+name, proto.Ephemeral)))
	}
	p.pipeline("L", call{proto.OpCreateContainer, create("/stay-c", proto.Container)}, call{proto.OpCreateTTL, raw("/stay-t", []byte("x"), open, 5, int64(1e12))})
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.sessions
}

// back resumes those sessions on another server and reports what is there.
func back(sessions map[string]*session, tell *[]string) func(p *player) {
	return func(p *player) {
		for _, name := range []string{"L", "M", "N"} {
			s := sessions[name]
			p.ids[s.id] = name
			p.connect(name, hello{id: s.id, passwd: s.passwd})
			p.send(name, proto.OpGetEphemerals, "")
		}
		for _, path := range []string{"/", "/stay-L", "/stay-M", "/stay-c", "/stay-t", "/zookeeper/quota", "/fz11", "/fz11/a", "/fz11/b", "/fz11/c"} {
			p.look("L", path)
			p.send("L", proto.OpGetACL, path)
			p.send("L", proto.OpGetAllChildrenNumber, path)
		}
		*tell = p.lines
	}
}

// like380 are options for a server whose directory Debian's ZooKeeper can start from: before 3.8.2
// none can apply a create2 within a multi (release.MultiKeepsCreate2).
func like380(dir string) replica.Options {
	opt := embeddedOptions(dir)
	opt.Release = emulated("3.8.0")
	return opt
}

// TestDataDirectories writes the same to a server of each kind, compares their logs, and starts
// each from the other's directory, after a clean shutdown and after a crash.
func TestDataDirectories(t *testing.T) {
	in := apachetest.Require(t)
	for _, crash := range []bool{false, true} {
		t.Run(map[bool]string{false: "closed", true: "crashed"}[crash], func(t *testing.T) {
			theirDir, ourDir := filepath.Join(t.TempDir(), "theirs"), filepath.Join(t.TempDir(), "ours")
			theirs, err := in.Start(context.Background(), apacheOptions(theirDir))
			if err != nil {
				t.Fatal(err)
			}
			defer theirs.Stop()
			ours, err := startEmbedded(like380(ourDir))
			if err != nil {
				t.Fatal(err)
			}
			end := func() {
				if crash {
					ours.crash()
					err = theirs.Kill()
				} else {
					ours.close()
					err = theirs.Shutdown()
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, seed := range []uint64{11, 12, 13, 14} {
				comparePair(t, theirs.Addr(), ours.addr, random(seed, 250, true))
			}
			theirSessions, ourSessions := stay(t, theirs.Addr()), stay(t, ours.addr)
			end()
			compareLogs(t, theirDir, ourDir)
			verify(t, theirDir)
			verify(t, ourDir)

			// Each on the other's directory.
			theirs2, err := in.Start(context.Background(), apacheOptions(ourDir))
			if err != nil {
				t.Fatal(err)
			}
			defer theirs2.Stop()
			if ours, err = startEmbedded(like380(theirDir)); err != nil {
				t.Fatal(err)
			}
			theirs.Stop()
			theirs = theirs2
			var want, got []string
			if _, err := play(theirs.Addr(), back(ourSessions, &want)); err != nil {
				t.Fatal(err)
			}
			if _, err := play(ours.addr, back(theirSessions, &got)); err != nil {
				t.Fatal(err)
			}
			if d := diff(want, got); d != "" {
				t.Errorf("Apache ZooKeeper on our directory (-), the embedded server on its (+):\n%s", d)
			}
			if text := strings.Join(got, "\n"); strings.Contains(text, "session 0x0") {
				t.Errorf("a session was lost:\n%s", text)
			}
			comparePair(t, theirs.Addr(), ours.addr, random(21, 200, true))
			end()
			verify(t, theirDir)
			verify(t, ourDir)
			log, err := os.ReadFile(theirs.LogFile())
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(log)) {
				if strings.Contains(line, "Digests are not matching") || strings.Contains(line, "irst digest mismatch") {
					t.Errorf("Apache ZooKeeper: %s", line)
				}
			}
		})
	}
}

// verify replays a directory and compares the digests in it.
func verify(t *testing.T, dir string) {
	t.Helper()
	d, err := storage.ReadDir(filepath.Join(dir, "version-2"))
	if err != nil {
		t.Fatal(err)
	}
	var digests storage.DigestCheck
	_, faults, err := d.Load(context.Background(), storage.LoadOptions{Digests: &digests})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(faults, digests.Faults...) {
		if f.Kind != storage.CutOff {
			t.Errorf("%s: %v", dir, f)
		}
	}
	if digests.Compared == 0 || digests.Failed > 0 {
		t.Errorf("%s: %d digests compared, %d failed", dir, digests.Compared, digests.Failed)
	}
}

func compareLogs(t *testing.T, theirs, ours string) {
	t.Helper()
	want, got := logLines(t, theirs), logLines(t, ours)
	shown := 0
	for i := range max(len(want), len(got)) {
		var a, b string
		if i < len(want) {
			a = want[i]
		}
		if i < len(got) {
			b = got[i]
		}
		if a != b {
			t.Errorf("the logs differ:\n-%s\n+%s", a, b)
			if shown++; shown == 10 {
				return
			}
		}
	}
	if len(want) < 500 {
		t.Errorf("only %d transactions", len(want))
	}
}

// logLines describes the transactions in a directory, without what must differ.
func logLines(t *testing.T, dir string) (lines []string) {
	t.Helper()
	d, err := storage.ReadDir(filepath.Join(dir, "version-2"))
	if err != nil {
		t.Fatal(err)
	}
	sessions := map[int64]int{}
	for _, file := range d.Logs {
		r, err := storage.OpenLog(file.Path)
		if err != nil {
			t.Fatal(err)
		}
		for {
			e, err := r.Next()
			if err != nil {
				var fault *storage.Fault
				if !errors.Is(err, io.EOF) && !errors.As(err, &fault) {
					t.Fatal(err)
				}
				break
			}
			var txn proto.TxnEntry
			if err := e.Decode(&txn); err != nil {
				t.Fatal(err)
			}
			h := &txn.Header
			if sessions[h.ClientID] == 0 {
				sessions[h.ClientID] = len(sessions) + 1
			}
			lines = append(lines, fmt.Sprintf("zxid %#x session %d cxid %d %v %s digest %v", h.Zxid, sessions[h.ClientID], h.Cxid, h.Type, body(&txn), txn.Digest != nil))
		}
		r.Close()
	}
	return lines
}

func body(txn *proto.TxnEntry) string {
	if m, ok := txn.Body.(*proto.MultiTxn); ok {
		text := ""
		for i := range m.Txns {
			part, err := m.Txns[i].Decode()
			text += fmt.Sprintf("[%v %q %v]", m.Txns[i].Type, part, err)
		}
		return text
	}
	return fmt.Sprintf("%q", txn.Body)
}
