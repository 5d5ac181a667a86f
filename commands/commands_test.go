package commands

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/ui"
)

var update = flag.Bool("update", false, "write what the commands print into testdata")

func TestMain(m *testing.M) { os.Exit(apachetest.Main(m)) }

// bench is a session with its own chroot on the shared Apache server, and the streams of the
// commands that run in it.
type bench struct {
	t        *testing.T
	ctx      context.Context
	servers  string
	session  *session.Session
	env      *command.Env
	out, err bytes.Buffer
}

// sessionWith returns a session with servers, not open yet.
func sessionWith(servers string) *session.Session {
	return session.New(func() (client.Config, error) { return client.Config{Servers: servers}, nil })
}

// newBench opens a session on the shared server; its chroot is empty.
func newBench(t *testing.T) *bench {
	t.Helper()
	server := apachetest.Shared(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	chroot := "/" + strings.NewReplacer("/", "-", "#", "-").Replace(t.Name())
	root := sessionWith(server.Addr())
	defer root.Close()
	conn, err := root.Conn()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Create(ctx, chroot, []byte("root"), proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	return benchOn(ctx, t, server.Addr()+chroot)
}

// benchOn opens a session with servers.
func benchOn(ctx context.Context, t *testing.T, servers string) *bench {
	b := &bench{t: t, ctx: ctx, servers: servers, session: sessionWith(servers)}
	t.Cleanup(func() { _ = b.session.Close() })
	b.env = &command.Env{Commands: All,
		Streams: &ui.Streams{In: strings.NewReader(""), Out: &b.out, Err: &b.err, Width: 80},
		Session: b.session, Dir: "/", Output: ui.Text,
	}
	return b
}

// run runs a line as the shell does and returns what it printed and its exit code.
func (b *bench) run(line string) (stdout, stderr string, exit int) {
	b.out.Reset()
	b.err.Reset()
	tokens, err := command.Lex(line)
	if err == nil {
		err = command.Run(b.ctx, b.env, command.Words(tokens))
	}
	if err != nil {
		exit = ui.ExitFailed
		var coded *ui.ExitError
		if errors.As(err, &coded) {
			exit = coded.Code
		}
		ui.Report(&b.err, err)
	}
	return b.out.String(), b.err.String(), exit
}

// must runs a line that must succeed and returns its stdout.
func (b *bench) must(line string) string {
	b.t.Helper()
	out, errOut, exit := b.run(line)
	if exit != 0 {
		b.t.Fatalf("%s: exit %d, %s", line, exit, errOut)
	}
	return out
}

// varying is what differs between runs, and what replaces it in a transcript.
var varying = []struct {
	is      *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`([cmp]Zxid = )0x[0-9a-f]+`), "${1}ZXID"},
	{regexp.MustCompile(`("[cmp]zxid":)"0x[0-9a-f]+"`), `${1}"ZXID"`},
	{regexp.MustCompile(`([cm]time = )\w{3} \w{3} \d\d [\d:]{8} \w+ \d{4}`), "${1}DATE"},
	{regexp.MustCompile(`("[cm]time":)\d+`), "${1}0"},
	{regexp.MustCompile(`("(?:time|waited)":)\d+`), "${1}0"},
	{regexp.MustCompile(`0x[0-9a-f]{15,16}`), "SESSION"},
	// 3.8.0 does not return the stat of a create within a multi, servers since 3.8.2 do
	// (ZOOKEEPER-4026).
	{regexp.MustCompile(`({"op":"create","path":"[^"]*"),"stat":{[^}]*}`), "$1"},
}

// TestTranscripts runs each line that begins with "$ " in testdata/*.txt and compares what follows
// it: "out| " and "err| " for the lines of the streams, "\c" for a line that does not end, and
// "exit" unless it is 0. "in| " before the line is its standard input. "@ tty" makes the streams a
// terminal, "@ width 60" sets its columns. Each file has an empty chroot. -update rewrites the
// files.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { transcript(t, file) })
	}
}

func transcript(t *testing.T, file string) {
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	var got, input strings.Builder
	for line := range strings.Lines(string(want)) {
		text := strings.TrimSuffix(line, "\n")
		switch kind, rest, _ := strings.Cut(text, " "); {
		case kind == "$":
			got.WriteString(line)
			b.env.Streams.In = strings.NewReader(input.String())
			input.Reset()
			stdout, stderr, exit := b.run(rest)
			got.WriteString(quoted("out|", stdout) + quoted("err|", stderr))
			if exit != 0 {
				fmt.Fprintf(&got, "exit %d\n", exit)
			}
		case kind == "in|":
			got.WriteString(line)
			input.WriteString(rest + "\n")
		case kind == "@":
			got.WriteString(line)
			s := b.env.Streams
			name, value, _ := strings.Cut(rest, " ")
			switch name {
			case "tty":
				s.InTTY, s.OutTTY = true, true
			case "pipe":
				s.InTTY, s.OutTTY = false, false
			case "width":
				s.Width, err = strconv.Atoi(value)
			default:
				err = errors.New("unknown setting")
			}
			if err != nil {
				t.Fatalf("%s: %s: %v", file, text, err)
			}
		case kind == "out|" || kind == "err|" || kind == "exit":
		default:
			got.WriteString(line)
		}
	}
	if got.String() == string(want) {
		return
	}
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s: (go test ./commands -run TestTranscripts -update writes what is printed)\n%s", file, difference(string(want), got.String()))
}

func quoted(prefix, text string) string {
	if text == "" {
		return ""
	}
	for _, v := range varying {
		text = v.is.ReplaceAllString(text, v.instead)
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		end := "\n"
		if !strings.HasSuffix(line, "\n") {
			end = "\\c\n"
		}
		line = strings.TrimSuffix(line, "\n")
		if line != "" {
			line = " " + line
		}
		b.WriteString(prefix + line + end)
	}
	return b.String()
}

// difference shows the lines from the first to the last that differ.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	first := 0
	for first < len(w) && first < len(g) && w[first] == g[first] {
		first++
	}
	for len(w) > first && len(g) > first && w[len(w)-1] == g[len(g)-1] {
		w, g = w[:len(w)-1], g[:len(g)-1]
	}
	return fmt.Sprintf("line %d\nwant:\n%s\ngot:\n%s", first+1, strings.Join(w[first:], "\n"), strings.Join(g[first:], "\n"))
}
