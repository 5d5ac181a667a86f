package logformatter

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sharedio"
)

func TestStatsGolden(t *testing.T) {
	got := txnlog(t, "", "stats", "--top", "4", "testdata/standalone")
	if got.exit != 0 || got.err != "" {
		t.Errorf("exit code %d: %s", got.exit, got.err)
	}
	golden(t, "stats.txt", got.out)
	got = txnlog(t, "", "stats", "--depth", "2", "--type", "delete", "-o", "json", "testdata/standalone")
	if !json.Valid([]byte(got.out)) {
		t.Errorf("no JSON: %s", got.out)
	}
	golden(t, "stats.json", got.out)
}

// TestStatsFit checks that every line fits the terminal, even with a long path.
func TestStatsFit(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log.1")
	var txns []proto.TxnEntry
	for i := range 200 {
		txns = append(txns, proto.TxnEntry{
			Header: proto.TxnHeader{ClientID: -int64(i), Zxid: int64(i + 1), Time: int64(i) * int64(time.Hour/time.Millisecond), Type: proto.OpDelete},
			Body:   &proto.DeleteTxn{Path: "/节点\x1b[2J" + strings.Repeat("very-long-", 1+i%20)},
		})
	}
	writeTxns(t, log, txns...)
	for _, width := range []int{60, 80, 200} {
		out := &sharedio.Buffer{}
		s := streams("", out, out)
		s.Width = width
		if err := runStats(t.Context(), &statsOptions{Streams: s, Args: []string{log}, Depth: 1, Top: 10, Output: "text"}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			line = strings.TrimSuffix(line, "\n")
			if n := runewidth.StringWidth(line); n > width && !strings.Contains(line, "largest") || strings.ContainsRune(line, 0x1b) {
				t.Errorf("%d columns of %d: %q", n, width, line)
			}
		}
	}
}

func TestStatsOfDamagedLog(t *testing.T) {
	got := txnlog(t, "", "stats", "testdata/damaged/log.huge-length")
	if got.exit != 1 || !strings.HasPrefix(got.out, "10 transactions in 1 log of 64 KiB\n") || !strings.Contains(got.err, "record length 2147483647") {
		t.Error(got)
	}
	got = txnlog(t, "", "stats", "testdata/damaged/log.crc")
	if got.exit != 0 || !strings.Contains(got.out, "3 transactions with a wrong checksum") {
		t.Error(got)
	}
	got = txnlog(t, "", "stats", "testdata/damaged/log.header-only")
	if got.exit != 0 || got.out != "0 transactions in 1 log of 16 B\n" {
		t.Error(got)
	}
}

// TestTallyIsBounded counts more keys than a tally distinguishes.
func TestTallyIsBounded(t *testing.T) {
	paths := pathTally{newTally[string](), 1}
	for i := range 3 * tallyLimit {
		paths.add(fmt.Appendf(nil, "/%d/x", i), 10)
	}
	paths.add([]byte("/0/y"), 10)
	top, rest, keys := paths.ranked(2, strings.Compare)
	if len(paths.keys) != tallyLimit || top[0].key != "/0" || top[0].txns != 2 || keys != tallyLimit ||
		rest.txns+top[0].txns+top[1].txns != 3*tallyLimit+1 || rest.bytes != rest.txns*10 {
		t.Errorf("%d keys, %v, %v", len(paths.keys), top, rest)
	}
}
