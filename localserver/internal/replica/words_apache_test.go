package replica

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/proto"
)

// furnish gives two servers the same history: znodes, an ephemeral, watches, more than 128
// transactions. It returns the ids of the sessions, which last as long as the test.
func furnish(t *testing.T, addr string) {
	t.Helper()
	ctx := context.Background()
	a, b := dial(t, addr), dial(t, addr)
	for _, path := range []string{"/a", "/b"} {
		if _, _, err := a.Create(ctx, path, []byte("x"), proto.OpenACL, proto.Persistent, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.Create(ctx, "/e", []byte("x"), proto.OpenACL, proto.Ephemeral, 0); err != nil {
		t.Fatal(err)
	}
	for range 130 {
		if _, err := a.Set(ctx, "/b", []byte("y"), -1); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/a", "/b"} {
		if _, _, err := a.Get(ctx, path, true); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.Get(ctx, "/a", true); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Children(ctx, "/", true); err != nil {
		t.Fatal(err)
	}
}

var figuresOf = []struct {
	find *regexp.Regexp
	put  string
}{
	{regexp.MustCompile(`(?m)^zkctl\.emulate=.*\n`), ""}, // conf-emulate in docs/server.md
	{regexp.MustCompile(`\d\.\d\.\d\S*, built on \d{4}-\d\d-\d\d \d\d:\d\d UTC`), "VERSION"},
	{regexp.MustCompile(`(?m)^((?:java|os|user|host)\.[a-z.]+)=.*$`), "$1=VALUE"},
	{regexp.MustCompile(`(?m)^(data(?:Log)?Dir)=.*$`), "$1=DIR"},
	{regexp.MustCompile(`[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d \S+ \d{4}`), "DATE"},
	{regexp.MustCompile(`0x[0-9a-f]+`), "0xHEX"},
	{regexp.MustCompile(`-?\b\d+(?:\.\d+)?(?:E-?\d+)?\b`), "N"},
	// A ping may have been the last operation.
	{regexp.MustCompile(`lop=[A-Z0-9]+`), "lop=OP"},
	// Which time bucket a connection falls into is chance.
	{regexp.MustCompile(`(?m)^N expire at DATE:\n`), ""},
}

// shape returns an answer without its numbers. The connections of cons and stat, and the groups of
// wchc and wchp, are unordered, so they are sorted.
func shape(answer string) string {
	for _, c := range figuresOf {
		answer = c.find.ReplaceAllString(answer, c.put)
	}
	var blocks []string // a line with the indented ones below it
	for line := range strings.Lines(answer) {
		if n := len(blocks); strings.HasPrefix(line, "\t") && n > 0 {
			blocks[n-1] += line
		} else {
			blocks = append(blocks, line)
		}
	}
	unordered := func(b string) bool {
		return strings.HasPrefix(strings.TrimSpace(b), "/") || strings.HasPrefix(b, "0xHEX\n")
	}
	for i := 0; i < len(blocks); i++ {
		end := i
		for end < len(blocks) && unordered(blocks[end]) {
			end++
		}
		slices.Sort(blocks[i:end])
		i = max(i, end-1)
	}
	return strings.Join(blocks, "")
}

// notMeasured are metrics of Apache's pipeline of threads, which has no counterpart here.
var notMeasured = regexp.MustCompile(`^zk_(?:(?:avg|min|max|cnt|sum|p\d+)_)?(?:` +
	`prep_.*|sync_process.*|close_session_prep_time|outstanding_changes_(?:queued|removed)|proposal_process_time|` +
	`commit_process_time|.*commit_?proc.*|.*commit_processor|.*_final_proc_time_ms|.*_write_committed_time_ms|` +
	`request_commit_queued|requests_not_forwarded_to_commit_processor|.*session_queue(?:_size)?|session_queues_drained|` +
	`response_packet_.*|request_throttle_queue_time_ms|connection_token_deficit|netty_queued_buffer_capacity|` +
	`socket_closing_time|jvm_pause_time_ms|.*_(?:read|write)_per_namespace|` +
	`time_waiting_empty_pool_in_commit_processor_read_ms)$`)

func mntrKeys(answer string) map[string]string {
	keys := map[string]string{}
	for line := range strings.Lines(answer) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		keys[key] = value
	}
	return keys
}

// TestWordsAreApaches compares the answers to every word, line by line, with those of a real server
// with the same history.
func TestWordsAreApaches(t *testing.T) {
	theirs := apachetest.Test(t, apache.Options{TickTime: 2 * time.Second})
	ours := serveAlone(t, Options{Release: likeApache, DataDir: t.TempDir(), Tick: 2 * time.Second, MaxClientCnxns: -1, Words: []string{"*"}})
	both := []string{theirs.Addr(), ours.addr}
	for _, addr := range both {
		furnish(t, addr)
	}
	words := slices.Sorted(maps.Keys(fourLetterWords))
	// These change what the others report.
	words = slices.DeleteFunc(words, func(w string) bool { return w == "mntr" || w == "crst" || w == "srst" || w == "stmk" })
	words = append(words, "crst", "cons", "srst", "srvr", "stat", "stmk\x00\x00\x00\x00\x00\x00\x00\x05", "gtmk", "stmk\x00\x00\x00\x00\x00\x00\x01\x32")
	compareWords(t, both[0], both[1], words)

	want, got := compareMntr(t, both[0], both[1])
	for _, key := range []string{"zk_server_state", "zk_znode_count", "zk_watch_count", "zk_ephemerals_count",
		"zk_approximate_data_size", "zk_global_sessions", "zk_num_alive_connections"} {
		if got[key] != want[key] {
			t.Errorf("%s is %s, Apache's is %s", key, got[key], want[key])
		}
	}
}

// compareWords compares our answers with Apache's.
func compareWords(t *testing.T, theirs, ours string, words []string) {
	t.Helper()
	for _, word := range words {
		want, got := ask(t, theirs, word), ask(t, ours, word)
		if shape(got) != shape(want) {
			t.Errorf("%q is answered\n%s\nand by Apache\n%s", word, got, want)
		}
		switch word[:4] {
		case "isro", "gtmk", "stmk", "ruok", "wchs":
			if got != want {
				t.Errorf("%q is answered %q, by Apache %q", word, got, want)
			}
		}
	}
}

// compareMntr compares the names that mntr lists with Apache's.
func compareMntr(t *testing.T, theirs, ours string) (want, got map[string]string) {
	t.Helper()
	want, got = mntrKeys(ask(t, theirs, "mntr")), mntrKeys(ask(t, ours, "mntr"))
	for key := range want {
		if _, ok := got[key]; !ok && !notMeasured.MatchString(key) {
			t.Errorf("mntr lacks %s", key)
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("mntr has %s, which Apache has not", key)
		}
	}
	return want, got
}

// TestWhiteListIsApaches compares the refusals with a real server's.
func TestWhiteListIsApaches(t *testing.T) {
	for _, c := range []struct {
		list string
		ro   bool
	}{{"", false}, {" ruok , conf", true}} {
		opt := apache.Options{Properties: map[string]string{"4lw.commands.whitelist": c.list + ",envi"}}
		if c.ro {
			opt.JVM = []string{"-Dreadonlymode.enabled=true"}
		}
		theirs := apachetest.Test(t, opt)
		ours := serveAlone(t, Options{Release: likeApache, Words: append(strings.Split(c.list, ","), "envi"), ReadOnlyMode: c.ro})
		for _, word := range append(slices.Sorted(maps.Keys(fourLetterWords)), telnetClose) {
			if word == "stmk" && strings.Contains(c.list, "stmk") {
				continue
			}
			want, got := ask(t, theirs.Addr(), word), ask(t, ours.addr, word)
			if refused := "is not executed because it is not in the whitelist."; strings.Contains(want, refused) && got != want {
				t.Errorf("white list %q: %s is answered %q, by Apache %q", c.list, word, got, want)
			} else if strings.Contains(got, refused) && got != want {
				t.Errorf("white list %q: %s is refused, by Apache answered %q", c.list, word, want)
			}
		}
	}
}
