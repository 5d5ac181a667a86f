package cmd

import (
	"bytes"
	"context"
	"flag"
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

// zkCli says where the answers of zkCli come from. A JVM for each of some 330 lines takes minutes, so
// that ordinary runs compare with what zkCli answered when it was last asked.
var zkCli = flag.String("zkcli", "", "ask zkCli itself and `check` or write its recorded answers")

// TestSameAsZkCli runs every line of testdata/zkcli with zkctl, and with -zkcli also with Apache's own
// zkCli, in lockstep, each on a separate server. Their stdout and exit codes must be the same, except
// for dates, zxids and session ids.
func TestSameAsZkCli(t *testing.T) {
	if testing.Short() {
		t.Skip("what the embedded server answers is compared with Apache's in localserver/internal/conformance")
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
			compare(t, in, string(text), recordedAnswers(t, "testdata/zkcli/"+strings.TrimSuffix(file, ".txt")+".answers"), func(line string) {
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

// answer is what zkCli answers to a line.
type answer struct {
	line, stdout string // canonical
	exit         int
	stderr       string // not recorded
}

// answers are the lines of a file in turn with their answers.
type answers struct {
	file     string
	recorded []answer
	asked    []answer
}

// recordedAnswers reads a file of answers and, if it is to be written anew, does so when the test ends.
func recordedAnswers(t *testing.T, file string) *answers {
	a := &answers{file: file}
	if *zkCli == "write" {
		t.Cleanup(func() {
			var text strings.Builder
			for _, one := range a.asked {
				fmt.Fprintf(&text, "%q %d %q\n", one.line, one.exit, one.stdout)
			}
			if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil { //nolint:gosec // of the sources
				t.Error(err)
			}
		})
		return a
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for row := range strings.Lines(string(text)) {
		var one answer
		if _, err := fmt.Sscanf(row, "%q %d %q", &one.line, &one.exit, &one.stdout); err != nil {
			t.Fatalf("%s: %q: %v", file, row, err)
		}
		a.recorded = append(a.recorded, one)
	}
	return a
}

// next is the recorded answer to a line, or ask's, which must be the same.
func (a *answers) next(t *testing.T, line string, ask func() answer) answer {
	t.Helper()
	var known answer
	if *zkCli != "write" {
		if len(a.recorded) == 0 || a.recorded[0].line != line {
			t.Fatalf("%s\nis not what %s has here; run `make zkcli`", line, a.file)
		}
		known, a.recorded = a.recorded[0], a.recorded[1:]
		if *zkCli == "" {
			return known
		}
	}
	got := ask()
	got.line = line
	a.asked = append(a.asked, got)
	if *zkCli != "write" && (got.exit != known.exit || got.stdout != known.stdout) {
		t.Errorf("%s\nis answered otherwise than %s says\n%s%s", line, a.file, show("now", got.stdout, got.stderr, got.exit), show("recorded", known.stdout, "", known.exit))
	}
	return got
}

func compare(t *testing.T, in *apache.Installation, script string, known *answers, met func(line string)) {
	options := apache.Options{JVM: []string{"-Dzookeeper.extendedTypesEnabled=true"}}
	ours, theirs := apachetest.Test(t, options), (*apache.Server)(nil)
	if *zkCli != "" {
		theirs = apachetest.Test(t, options)
	}
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
		done := make(chan answer, 1)
		ask := func() answer { return <-done }
		if theirs != nil {
			go func() {
				// zkCli prints the event that it is connected before the command runs, not during.
				stdout, stderr, exit, err := in.ZkCli(ctx, append([]string{"-server", theirs.Addr(), "-waitforconnection"}, words...)...)
				if err != nil {
					stderr += err.Error()
				}
				done <- answer{stdout: canonical(apache.WithoutChatter(stdout)), stderr: stderr, exit: exit}
			}()
		}
		var stdout, stderr bytes.Buffer
		s := &ui.Streams{In: strings.NewReader(""), Out: &stdout, Err: &stderr, Width: 80}
		exit := Execute(ctx, slices.Concat(global, words), s)
		want := known.next(t, line, ask)

		wantExit, wantStdout := want.exit, want.stdout
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
	if len(known.recorded) > 0 {
		t.Errorf("%s has answers to lines that are no more; run `make zkcli`", known.file)
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
