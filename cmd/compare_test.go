package cmd

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// TestSameAsZkCli runs every line of testdata/zkcli with zkctl and with Apache's own zkCli, in
// lockstep, each on a separate server. Their stdout and exit codes must be the same, except for
// dates, zxids and session ids.
func TestSameAsZkCli(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a JVM for every line")
	}
	in := apachetest.Require(t)
	var mu sync.Mutex
	met, done := map[string]bool{}, 0
	files := []string{"commands.txt", "names.txt", "rights.txt"}
	t.Cleanup(func() {
		for line := range differences {
			if done == len(files) && !met[line] {
				t.Errorf("the table of differences has the line %q, which no file has", line)
			}
		}
	})
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile("testdata/zkcli/" + file)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, in, string(text), func(line string) {
				mu.Lock()
				defer mu.Unlock()
				met[line] = true
			})
			mu.Lock()
			done++
			mu.Unlock()
		})
	}
}

func compare(t *testing.T, in *apache.Installation, script string, met func(line string)) {
	options := apache.Options{JVM: []string{"-Dzookeeper.extendedTypesEnabled=true"}}
	ours, theirs := apachetest.Test(t, options), apachetest.Test(t, options)
	repair, err := client.Open(client.Config{Servers: ours.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	defer repair.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()

	if err := repair.WaitConnected(ctx); err != nil {
		t.Fatal(err)
	}
	open := sessions(t, ours)
	global := []string{"-config", writeFile(t, "config.yaml", "", 0o600), "-server", ours.Addr()} // not the user's file
	for line := range scriptLines(script) {
		words := lexed(t, line)
		type outcome struct {
			stdout, stderr string
			exit           int
		}
		done := make(chan outcome)
		go func() {
			// zkCli prints the event that it is connected before the command runs, not during.
			stdout, stderr, exit, err := in.ZkCli(ctx, append([]string{"-server", theirs.Addr(), "-waitforconnection"}, words...)...)
			if err != nil {
				stderr += err.Error()
			}
			done <- outcome{apache.WithoutChatter(stdout), stderr, exit}
		}()
		var stdout, stderr bytes.Buffer
		s := &ui.Streams{In: strings.NewReader(""), Out: &stdout, Err: &stderr, Width: 80}
		exit := Execute(ctx, slices.Concat(global, words), s)
		want := <-done

		wantExit, wantStdout := want.exit, canonical(want.stdout)
		if d, ok := differences[line]; ok {
			same := exit == want.exit && canonical(stdout.String()) == wantStdout
			if same {
				t.Errorf("%s\nis the same in both tools; the table of differences says: %s", line, d.reason)
			}
			met(line)
			wantExit, wantStdout = d.exit, canonical(stdout.String())
			if d.stdout == nil {
				wantStdout = ""
			} else if !d.stdout(stdout.String()) {
				t.Errorf("%s\nprints what the table of differences does not expect:\n%s%s", line, stdout.String(), stderr.String())
			}
			if d.agree != nil {
				if err := d.agree(ctx, repair); err != nil {
					t.Fatalf("%s: bring the servers together: %v", line, err)
				}
			}
		}
		if exit != wantExit || canonical(stdout.String()) != wantStdout {
			t.Errorf("%s\n%s%s", line,
				show("zkctl", canonical(stdout.String()), stderr.String(), exit),
				show("zkCli", wantStdout, want.stderr, wantExit))
		}
		if exit != 0 && stderr.Len() == 0 {
			t.Errorf("%s\nfails without a word on stderr", line)
		}
		// A server that refuses an identity hangs up, and the session can only expire.
		now := sessions(t, ours)
		if now > open && !strings.HasPrefix(line, "addauth bogus") {
			t.Errorf("%s\nleft its session open", line)
		}
		open = now
	}
}

// sessions counts a server's sessions.
func sessions(t *testing.T, s *apache.Server) int {
	t.Helper()
	dump, err := s.FourLetter(context.Background(), "dump")
	if err != nil {
		t.Fatal(err)
	}
	dump, _, ok := strings.Cut(dump, "ephemeral nodes dump:")
	if !ok {
		t.Fatalf("the four-letter word dump answers %q", dump)
	}
	return strings.Count(dump, "\t0x")
}

// scriptLines yields the commands; a line with an open quote continues on the next.
func scriptLines(script string) func(func(string) bool) {
	return func(yield func(string) bool) {
		text := ""
		for _, line := range strings.Split(strings.TrimRight(script, "\n"), "\n") {
			if text == "" && (line == "" || line[0] == '#') {
				continue
			}
			text += line
			if _, err := command.Lex(text); err != nil {
				text += "\n"
				continue
			}
			if !yield(text) {
				return
			}
			text = ""
		}
	}
}

// lexed splits a line as the shell that starts both tools would; | and ; are not operators.
func lexed(t *testing.T, line string) (words []string) {
	t.Helper()
	tokens, err := command.Lex(line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	for _, token := range tokens {
		words = append(words, token.Text)
	}
	return words
}

var (
	zxidPattern    = regexp.MustCompile(`((?:cZxid|mZxid|pZxid) = )(0x[1-9a-f][0-9a-f]*)`)
	datePattern    = regexp.MustCompile(`((?:ctime|mtime) = )[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d [A-Z]\S* 20\d\d`)
	sessionPattern = regexp.MustCompile(`(ephemeralOwner = )0x[0-9a-f]{6,}`)
)

// canonical replaces what must differ between two servers. Equal zxids stay equal.
func canonical(text string) string {
	names := map[string]string{}
	text = zxidPattern.ReplaceAllStringFunc(text, func(s string) string {
		m := zxidPattern.FindStringSubmatch(s)
		if names[m[2]] == "" {
			names[m[2]] = fmt.Sprintf("ZXID%d", len(names)+1)
		}
		return m[1] + names[m[2]]
	})
	text = datePattern.ReplaceAllString(text, "${1}DATE")
	return sessionPattern.ReplaceAllString(text, "${1}SESSION")
}

func show(tool, stdout, stderr string, exit int) string {
	var s strings.Builder
	fmt.Fprintf(&s, "  %s: exit %d\n", tool, exit)
	for _, stream := range []struct{ name, text string }{{"out", stdout}, {"err", stderr}} {
		for _, line := range strings.SplitAfter(stream.text, "\n") {
			if line != "" {
				fmt.Fprintf(&s, "    %s| %q\n", stream.name, line)
			}
		}
	}
	return s.String()
}
