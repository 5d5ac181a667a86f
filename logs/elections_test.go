package logs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/localserver"
	_ "github.com/zkctl/zkctl/localserver/apache" // for the member that is Apache's
)

// ruled is an election that really was.
type ruled struct {
	leader        string
	epoch         int64
	after, before time.Time // between which it was
}

// TestElectionsOfMembers forces elections on an ensemble of embedded and Apache members, and compares what their logs
// tell with what was.
func TestElectionsOfMembers(t *testing.T) {
	apachetest.Require(t)
	dir := t.TempDir()
	embedded := filepath.Join(dir, "embedded.log")
	f, err := os.Create(embedded)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	began := time.Now()
	e := localserver.New(t, localserver.Options{Size: 3, Apache: 1, Log: f})
	var want []ruled
	ruling := func() *localserver.Member {
		t.Helper()
		leader, err := e.WaitLeader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		want = append(want, ruled{strconv.FormatInt(leader.ID(), 10), leader.Status(t.Context()).Epoch, began, now})
		began = now
		return leader
	}
	first := ruling()
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	second := ruling()
	if err := first.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := e.WaitLeader(t.Context()); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	if err := second.Kill(); err != nil {
		t.Fatal(err)
	}
	ruling()
	files := []string{embedded}
	for _, m := range e.Members() {
		if log := m.LogFile(); log != "" {
			files = append(files, log)
		}
	}
	got := run(t, "", append([]string{"elections", "-o", "json"}, files...)...)
	if got.exit != 0 || got.err != "" {
		t.Fatal(got.exit, got.err)
	}
	type election struct {
		Result string `json:"result"`
		Leader string `json:"leader"`
		Epoch  int64  `json:"epoch"`
		Quorum int64  `json:"quorum"`
	}
	var found []election
	for line := range strings.Lines(got.out) {
		var one election
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err, line)
		}
		if one.Result == "elected" {
			found = append(found, one)
		}
	}
	// An election may be repeated before a client can see its leader.
	for _, w := range want {
		for len(found) > 0 && found[0].Epoch < w.epoch {
			found = found[1:]
		}
		if len(found) == 0 {
			t.Fatalf("no election made server %s the leader of epoch %d:\n%s", w.leader, w.epoch, run(t, "", append([]string{"elections"}, files...)...).out)
		}
		at := time.UnixMilli(found[0].Quorum)
		if found[0].Leader != w.leader || found[0].Epoch != w.epoch || at.Before(w.after.Add(-time.Second)) || at.After(w.before.Add(time.Second)) {
			t.Errorf("found %+v, want %+v:\n%s", found[0], w, run(t, "", append([]string{"elections"}, files...)...).out)
		}
	}
}
