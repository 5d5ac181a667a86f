package replica

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/fourletter"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/release"
)

func TestVersionLine(t *testing.T) {
	// What kazoo, Telegraf and Datadog extract from it.
	pattern := regexp.MustCompile(`^3\.9\.5-\S+, built on \d{4}-\d\d-\d\d \d\d:\d\d UTC$`)
	if version := Version(release.Newest); !pattern.MatchString(version) {
		t.Errorf("version %q", version)
	}
}

func TestEveryWordHasAnAnswer(t *testing.T) {
	if words := slices.Sorted(maps.Keys(fourLetterWords)); !slices.Equal(words, fourletter.Words) {
		t.Errorf("the server answers %q, fourletter.Words are %q", words, fourletter.Words)
	}
}

func TestWordsWithoutARole(t *testing.T) {
	s := serveAlone(t, Options{Words: []string{"*"}})
	s.Retire()
	for word := range fourLetterWords {
		got := ask(t, s.addr, word+"\x00\x00\x00\x00\x00\x00\x00\x01")
		switch word {
		case "ruok":
			if got != "imok" {
				t.Errorf("ruok: %q", got)
			}
		case "isro":
			if got != "null" {
				t.Errorf("isro: %q", got)
			}
		case "gtmk", "stmk", "envi":
			if got == "" || strings.Contains(got, fourletter.NotServing) {
				t.Errorf("%s: %q", word, got)
			}
		case "hash":
			if got != fourletter.NotServing {
				t.Errorf("hash: %q", got)
			}
		default:
			if got != fourletter.NotServing+"\n" {
				t.Errorf("%s: %q", word, got)
			}
		}
	}
	url := serveAdmin(t, s.Replica, AdminOptions{})
	for _, c := range adminCommands {
		_, text := fetch(t, "GET", url+"/commands/"+c.names[len(c.names)-1], nil)
		if refused := strings.Contains(text, `"error" : "`+fourletter.NotServing+`"`); refused == c.idle {
			t.Errorf("%s: %s", c.names[0], text)
		}
	}
}

func TestReadOnlyMember(t *testing.T) {
	s := serveAlone(t, Options{Words: []string{"none"}, ReadOnlyMode: true, Tick: time.Millisecond})
	isReadOnly := func() (yes bool) {
		s.do(func() {
			s.now = s.now.Add(time.Hour) // all waits of the loop are over
			s.timers()
			yes = s.role == readOnly
		})
		return yes
	}
	s.Retire()
	if isReadOnly() {
		t.Error("readers are served while the member is brought up to date")
	}
	s.Looking(true)
	if !isReadOnly() {
		t.Error("readers are not served during a long election")
	}
	s.Looking(false)
	if isReadOnly() {
		t.Error("readers are served after the election")
	}
	s.Looking(true)
	isReadOnly()
	if got := ask(t, s.addr, "isro"); got != "ro" {
		t.Errorf("isro: %q", got)
	}
	got := ask(t, s.addr, "srvr")
	if !strings.Contains(got, "\nREAD-ONLY mode; serving only read-only clients\n") || !strings.Contains(got, "\nMode: read-only\n") {
		t.Errorf("srvr: %s", got)
	}
}

// TestWordAmongBytes sends a word in pieces, and with more bytes after it, as "echo | nc" does.
func TestWordAmongBytes(t *testing.T) {
	s := serveAlone(t, Options{Words: []string{"ruok"}})
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, part := range []string{"r", "uo", "k", "\n"} {
		if _, err := c.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 16)
	if n, err := c.Read(buf); err != nil || string(buf[:n]) != "imok" {
		t.Errorf("%q, %v", buf[:n], err)
	}
	if got := ask(t, s.addr, "envi"); got != "envi is not executed because it is not in the whitelist.\n" {
		t.Errorf("envi: %q", got)
	}
	if got := ask(t, s.addr, "srvr"); !strings.Contains(got, "Mode: standalone\n") {
		t.Errorf("srvr: %q", got)
	}
}

// TestLargeDumps lists more watches and ephemerals than fit into one piece, to a client that reads
// only once others have been served.
func TestLargeDumps(t *testing.T) {
	s := serveAlone(t, Options{Words: []string{"*"}})
	ctx := context.Background()
	c := dial(t, s.addr)
	if _, _, err := c.Create(ctx, "/e", nil, proto.OpenACL, proto.Ephemeral, 0); err != nil {
		t.Fatal(err)
	}
	const n = 20_000
	s.do(func() {
		var owner *conn
		for one := range s.all {
			owner = one
		}
		for i := range n {
			s.watches.add(fmt.Sprintf("/a-rather-long-path-for-a-watch-of-which-there-are-many/%07d", i), owner, dataWatches, oneShot)
			s.watches.add(fmt.Sprintf("/child/%d", i), owner, childWatches, oneShot)
		}
	})
	slow, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := slow.Write([]byte("wchc")); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"wchc", "wchp"} {
		got := ask(t, s.addr, word)
		if lines := strings.Count(got, "\n/a-rather") + strings.Count(got, "\t/a-rather"); lines < n-1 || strings.Contains(got, "/child") {
			t.Errorf("%s lists %d watches of %d", word, lines, n)
		}
	}
	if got, want := ask(t, s.addr, "wchs"), fmt.Sprintf("1 connections watching %d paths\nTotal watches:%d\n", n, n); got != want {
		t.Errorf("wchs: %q", got)
	}
	url := serveAdmin(t, s.Replica, AdminOptions{})
	for _, command := range []string{"wchc", "wchp"} {
		if _, text := fetch(t, "GET", url+"/commands/"+command, nil); strings.Count(text, "/a-rather") != n {
			t.Errorf("%s lists %d watches of %d", command, strings.Count(text, "/a-rather"), n)
		}
	}
	if got := ask(t, s.addr, "dump"); !strings.Contains(got, "\t/e\n") {
		t.Errorf("dump: %s", got)
	}
}

func TestDecimal(t *testing.T) {
	for v, want := range map[float64]string{0: "0.0", 12: "12.0", 1.973: "1.973", 0.0005: "0.0005", 1e9: "1000000000.0"} {
		if got := decimal(v); got != want {
			t.Errorf("%v is %s, want %s", v, got, want)
		}
	}
}

func TestSummary(t *testing.T) {
	s := summary{sampled: true}
	for i := range 10_000 {
		s.add(float64(i % 101))
	}
	got := map[string]any{}
	s.values("x", func(name string, value any) { got[name] = value })
	if got["min_x"] != int64(0) || got["max_x"] != int64(100) || got["cnt_x"] != int64(10_000) {
		t.Errorf("%v", got)
	}
	if p := got["p50_x"].(int64); p < 45 || p > 55 {
		t.Errorf("the median of 0 to 100 is %d", p)
	}
	rising := summary{sampled: true}
	for i := range 100_000 {
		rising.add(float64(i))
	}
	of := rising.read().sample
	for _, q := range []float64{0.1, 0.5, 0.9} { // ten standard deviations
		if v := quantile(of, q); math.Abs(v-q*100_000) > 8_000 {
			t.Errorf("quantile %v of 0 to 100,000 is %v: early and late values are not equally likely in the sample", q, v)
		}
	}
	if q := quantile([]float64{1, 2, 3, 4}, 0.5); q != 2.5 {
		t.Errorf("the median of 1 to 4 is %v", q)
	}
}

func TestAllWordsAreAnswered(t *testing.T) {
	if got := slices.Sorted(maps.Keys(fourLetterWords)); !slices.Equal(got, fourletter.Words) {
		t.Errorf("answered are %v, there are %v", got, fourletter.Words)
	}
}
