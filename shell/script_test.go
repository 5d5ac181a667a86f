package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/ui"
)

// sessionWith returns a session with a configuration, not open yet.
func sessionWith(cfg client.Config) *session.Session {
	return session.New(func() (client.Config, error) { return cfg, nil })
}

// offline are options for lines that need no server.
func offline(in string) (opts Options, out, errOut *bytes.Buffer) {
	out, errOut = &bytes.Buffer{}, &bytes.Buffer{}
	return Options{
		Session: sessionWith(client.Config{Servers: "127.0.0.1:1"}),
		Streams: &ui.Streams{In: strings.NewReader(in), Out: out, Err: errOut, Width: 80},
	}, out, errOut
}

func TestRunScript(t *testing.T) {
	for _, test := range []struct {
		name, script string
		keepGoing    bool
		out          string
		err          string // a part of the error
		errOut       string
		code         int
	}{
		{name: "nothing"},
		{name: "blank lines and comments", script: "\n  \n# pwd\n\t# pwd\npwd # here\n", out: "/\n"},
		{name: "a last line without an end", script: "pwd\npwd", out: "/\n/\n"},
		{name: "lines that end in CR LF", script: "pwd\r\npwd\r\n", out: "/\n/\n"},
		{name: "a byte order mark", script: "\ufeffpwd\n", out: "/\n"},
		{name: "it stops at the first error", script: "pwd\nfrob /x\npwd\n", out: "/\n",
			err: "s.zk:2: Command not found frob", code: 127},
		{name: "it goes on when told so", script: "pwd\nfrob /x\ncreate\npwd\n", keepGoing: true, out: "/\n/\n",
			errOut: "s.zk:2: Command not found frob", code: 127},
		{name: "a quote that is not closed", script: "pwd\n\ncreate /a 'x\n", out: "/\n", err: "s.zk:3: unclosed quote ' at column 11", code: 1},
		{name: "a line of several rows", script: "pwd\n'frob\r\n\n\t# x' /a\npwd\n", keepGoing: true, out: "/\n/\n",
			errOut: "s.zk:2: Command not found frob\r\n\n\t# x.", code: 127},
		{name: "a quote that is not closed, in the third row", script: "pwd\ncreate '\n# x\n' \"x\npwd\n", out: "/\n",
			err: "s.zk:4: unclosed quote \" at column 3", code: 1},
		{name: "a missing argument", script: "create\n", err: "s.zk:1: create [-s]", code: 1},
		{name: "quit ends it", script: "pwd\nquit\npwd\n", out: "/\n"},
		{name: "history and redo", script: "pwd\nredo 0\nhistory\n", out: "/\n/\n0 - pwd\n1 - pwd\n2 - history\n"},
		{name: "redo of what is not there", script: "pwd\nredo 1\n", out: "/\n", err: "s.zk:2: Command index out of range", code: 1},
		{name: "redo of itself", script: "redo 0\n", err: "Command index out of range", code: 1},
		{name: "a backslash continues a line", script: "pwd \\\n-o \\\r\njson\npwd \\", out: "{\"path\":\"/\"}\n/\n"},
		{name: "repeat", script: "repeat 3 pwd\nrepeat 2 repeat 2 pwd\nrepeat 2 redo 0 | cat\n", out: strings.Repeat("/\n", 3+4+6)},
		{name: "repeat stops at the first error", script: "repeat 3 frob\n", err: "s.zk:1: run 1 of 3: Command not found frob", code: 127},
		{name: "repeat without a number", script: "repeat pwd\n", err: "missing argument: command", code: 1},
		{name: "repeat of a wrong number", script: "repeat 0 pwd\n", err: `found "0"`, code: 1},
		{name: "time", script: "time pwd\ntime -o json pwd\n", out: "/\n{\"path\":\"/\"}\n", errOut: `{"note":{"message":"pwd took `},
		{name: "time of an error", script: "time frob\n", err: "s.zk:1: Command not found frob", code: 127, errOut: "frob took "},
		{name: "lines that run each other", script: "time redo 1\nredo 0\nredo 1\n", keepGoing: true, code: 1, errOut: "more than 20 deep"},
		{name: "clear is not for files", script: "clear\n"},
		{name: "a session that is closed", script: "close\nls /\n", err: "s.zk:2: Not connected", code: 1},
		{name: "a script is not the input of its commands", script: "close\nset /x -\npwd\n", keepGoing: true, out: "/\n",
			errOut: "s.zk:2: Not connected", code: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			opts, out, errOut := offline(test.script)
			opts.KeepGoing = test.keepGoing
			err := RunScript(context.Background(), opts, opts.Streams.In, "s.zk")
			if test.err == "" && err != nil && err.Error() != "" || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			if exitCode(err) != test.code {
				t.Errorf("exit code %d, want %d", exitCode(err), test.code)
			}
			if out.String() != test.out {
				t.Errorf("stdout %q, want %q", out, test.out)
			}
			if !strings.Contains(errOut.String(), test.errOut) {
				t.Errorf("stderr %q, want %q", errOut, test.errOut)
			}
		})
	}
}

// source runs files, also within files, and its errors name the lines in all of them.
func TestSource(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.ToSlash(filepath.Join(dir, name))
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	inner := write("inner", "pwd\n\nfrob\npwd\n")
	outer := write("outer", "# comment\nsource "+inner+"\n")
	self := write("self", "")
	self = write("self", "source "+self+"\n")
	leaves := write("leaves", "quit\npwd\n")
	for _, test := range []struct{ name, script, out, err string }{
		{"a file", "source " + inner, "/\n", "x:1: " + inner + ":3: Command not found frob"},
		{"in a file", "pwd\nsource " + outer + "\npwd", "/\n/\n", "x:2: " + outer + ":2: " + inner + ":3: Command not found frob"},
		{"itself", "source " + self, "", "more than 20 deep"},
		{"quit", "source " + leaves + "\npwd", "", ""},
		{"no file", "source " + inner + ".none", "", "x:1: read the script: open "},
		{"its output", "source " + inner + " > " + filepath.ToSlash(filepath.Join(dir, "out")), "", "holds only the output up to that point, 2 bytes"},
	} {
		out, err := runLines(t, test.script)
		if out != test.out || test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: %q, %v; want %q, %q", test.name, out, err, test.out, test.err)
		}
	}

	opts, _, _ := offline("")
	r := newRunner(opts, &history{})
	cd := write("cd", "cd\n")
	r.env.Dir = "/x"
	for _, text := range []string{"source " + cd, "history"} {
		if err := r.line(context.Background(), text, opts.Streams); err != nil || r.env.Dir != "/" {
			t.Errorf("%s: %v, in %s", text, err, r.env.Dir)
		}
	}
	if want := []string{"source " + cd, "history"}; !slices.Equal(r.history.lines, want) {
		t.Errorf("history %q, want %q", r.history.lines, want)
	}
}

func TestAliases(t *testing.T) {
	opts, out, _ := offline("")
	opts.Aliases = []command.Alias{{Name: "where", Line: "pwd"}, {Name: "json", Line: "where -o json"}, {Name: "up", Line: "pwd | tr / U #"},
		{Name: "login-as", Line: "addauth digest"}, {Name: "pwd", Line: "frob"}}
	r := newRunner(opts, &history{})
	for _, test := range []struct{ line, out, err string }{
		{"where", "/\n", ""},
		{"time where -o json", "{\"path\":\"/\"}\n", ""},
		{"repeat 2 where | cat", "/\n/\n", ""},
		{"redo 0", "/\n", ""},
		{"up", "U\n", ""},
		{"json", "", "Command not found where"}, // an alias stands for a line without aliases
		{"'where'", "", "Command not found where"},
		{"pwd", "/\n", ""}, // a command wins
		{"login-as joe:sesame x y", "", "too many arguments"},
		{"redo 8", "", "not kept in the history"},
		{"alias where", "where = pwd\n", ""},
		{"alias nowhere", "", `no alias "nowhere"`},
	} {
		out.Reset()
		err := r.line(context.Background(), test.line, opts.Streams)
		if out.String() != test.out || test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: %q, %v; want %q, %q", test.line, out, err, test.out, test.err)
		}
	}
	if got := r.history.lines[8]; got != "login-as ****" {
		t.Errorf("the history has %q", got)
	}
}

func TestRedoOfCd(t *testing.T) {
	opts, out, _ := offline("")
	r := newRunner(opts, &history{})
	for _, text := range []string{"cd", "pwd", "redo 0", "pwd", "redo 2 > " + os.DevNull, "redo 1 | cat"} {
		if err := r.line(context.Background(), text, opts.Streams); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if text == "pwd" {
			r.env.Dir = "/x"
		} else if r.env.Dir != "/" && text != "redo 1 | cat" {
			t.Errorf("after %s the current znode is %s", text, r.env.Dir)
		}
		if strings.HasPrefix(text, "redo 2") {
			r.env.Dir = "/x"
		}
	}
	if out.String() != "/\n/\n/x\n" {
		t.Errorf("output %q", out)
	}
}

func TestScriptEndsWithItsContext(t *testing.T) {
	opts, out, _ := offline("pwd\n")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := RunScript(ctx, opts, opts.Streams.In, "x"); exitCode(err) != ui.ExitInterrupted || out.Len() > 0 {
		t.Errorf("error %v, output %q", err, out)
	}
}

// Without a terminal, the shell runs a script.
func TestRunWithoutATerminal(t *testing.T) {
	opts, out, _ := offline("pwd\nfrob\n")
	err := Run(context.Background(), opts)
	if exitCode(err) != 127 || !strings.HasPrefix(err.Error(), "stdin:2: ") || out.String() != "/\n" {
		t.Errorf("error %v, output %q", err, out)
	}
}

func runLines(t *testing.T, lines ...string) (out string, err error) {
	t.Helper()
	opts, buf, _ := offline(strings.Join(lines, "\n"))
	err = RunScript(context.Background(), opts, opts.Streams.In, "x")
	return buf.String(), err
}

func TestFiles(t *testing.T) {
	name := filepath.ToSlash(filepath.Join(t.TempDir(), "my file"))
	read := func() string {
		text, _ := os.ReadFile(name)
		return string(text)
	}
	quoted := "'" + name + "'"
	if out, err := runLines(t, "pwd > "+quoted, "pwd >> "+quoted); err != nil || out != "" || read() != "/\n/\n" {
		t.Errorf("output %q, error %v, file %q", out, err, read())
	}
	if _, err := runLines(t, "pwd > "+quoted); err != nil || read() != "/\n" {
		t.Errorf("written anew: error %v, file %q", err, read())
	}
	if _, err := runLines(t, "pwd > '"+name+"/x/y'"); err == nil || !strings.Contains(err.Error(), "write the output") {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestAFileIsNeverSilentlyCutShort(t *testing.T) {
	name := filepath.Join(t.TempDir(), "out")
	err := toFile(name, false, func(w io.Writer) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	broken := &ui.ExitError{Code: 130, Err: errors.New("interrupted")}
	err = writeHalf(name, broken)
	if err == nil || !strings.Contains(err.Error(), "4 bytes") || !errors.Is(err, broken) || exitCode(err) != 130 {
		t.Errorf("an interrupted command: %v", err)
	}
	if runtime.GOOS == "linux" {
		if err := writeHalf("/dev/full", nil); err == nil || !strings.Contains(err.Error(), "/dev/full holds only part") {
			t.Errorf("a full disk: %v", err)
		}
	}
}

func writeHalf(name string, err error) error {
	return toFile(name, false, func(w io.Writer) error {
		_, _ = w.Write([]byte("half"))
		return err
	})
}

func TestPrograms(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the programs are those of a Unix")
	}
	t.Setenv("SHELL", "/bin/sh")
	if out, err := runLines(t, "help | grep getAcl | wc -l | tr -d ' '"); err != nil || out != "1\n" {
		t.Errorf("output %q, error %v", out, err)
	}
	if out, err := runLines(t, "help | head -n 1", "pwd"); err != nil || strings.Count(out, "\n") != 2 {
		t.Errorf("a program that has read enough: output %q, error %v", out, err)
	}
	_, err := runLines(t, "pwd | exit 3")
	var program *programError
	if exitCode(err) != 3 || !errors.As(err, &program) {
		t.Errorf("a program that fails: %v", err)
	}
	if _, err := runLines(t, "frob | cat"); exitCode(err) != 127 {
		t.Errorf("a command that fails: %v", err)
	}
}

// An endlessly writing command stops when its reader does, and so does one that only waits.
func TestAReaderThatLeaves(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the programs are those of a Unix")
	}
	s := &ui.Streams{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}
	err := toProgram(context.Background(), "head -n 1", s, func(_ context.Context, w io.Writer) error {
		for {
			if _, err := fmt.Fprintln(w, strings.Repeat("x", 1000)); err != nil {
				return err
			}
		}
	})
	if err != nil {
		t.Errorf("a command that writes: %v", err)
	}
	err = toProgram(context.Background(), "true", s, func(ctx context.Context, _ io.Writer) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if err != nil {
		t.Errorf("a command that waits: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = toProgram(ctx, "cat", s, func(ctx context.Context, _ io.Writer) error {
		cancel()
		<-ctx.Done()
		return &ui.ExitError{Code: ui.ExitInterrupted, Err: errors.New("interrupted")}
	})
	if exitCode(err) != ui.ExitInterrupted {
		t.Errorf("a command that is interrupted: %v", err)
	}
}

// typed adds a line without aliases.
func (h *history) typed(line string) error { return h.add(line, line) }

func TestHistory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	open := func() *history {
		t.Helper()
		h, err := newHistory(dir)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	h := open()
	for _, line := range []string{"ls /", "ls /", "addauth digest bob:secret", " get /private", "'addAuth' digest bob:secret", "get /a  ",
		"adauth digest bob:secret", "auth digest:bob:secret", "login digest bob:secret", "addauth digest:bob:secret", "redo 0"} {
		if err := h.typed(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.replace("ls /"); err != nil {
		t.Fatal(err)
	}
	want := []string{"ls /", "ls /", "addauth digest ****", " get /private", "addAuth digest ****", "get /a",
		"adauth digest ****", "auth digest ****", "login digest ****", "addauth digest ****", "ls /"}
	if !slices.Equal(h.lines, want) {
		t.Errorf("lines %q, want %q", h.lines, want)
	}
	if got, want := h.recall(), []string{"ls /", " get /private", "get /a", "ls /"}; !slices.Equal(got, want) {
		t.Errorf("recalled %q, want %q", got, want)
	}
	text, err := os.ReadFile(filepath.Join(dir, "history"))
	if err != nil || string(text) != "ls /\nget /a\nls /\n" {
		t.Errorf("file %q, %v", text, err)
	}
	if got := open().recall(); !slices.Equal(got, []string{"ls /", "get /a", "ls /"}) {
		t.Errorf("in the next session %q", got)
	}
	if runtime.GOOS != "windows" {
		for name, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "history"): 0o600, filepath.Join(dir, "history.lock"): 0o600} {
			if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v; want mode %o", name, info.Mode(), want)
			}
		}
	}
}

// Several shells write the same history; nothing is lost, even while one trims it.
func TestHistoryOfSeveralShells(t *testing.T) {
	dir := t.TempDir()
	var old strings.Builder
	for i := range 2*historyKept + 100 {
		fmt.Fprintf(&old, "old %d\n", i)
	}
	if err := os.WriteFile(filepath.Join(dir, "history"), []byte(old.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for shell := range 8 {
		wait.Go(func() {
			h, err := newHistory(dir)
			if err != nil {
				t.Error(err)
			}
			for i := range 50 {
				line := fmt.Sprintf("get /%d/%d", shell, i)
				if err := h.typed(line); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	lines, _, err := readLines(filepath.Join(dir, "history"))
	if err != nil || len(lines) > historyKept+400 {
		t.Errorf("%d lines, %v", len(lines), err)
	}
	for shell := range 8 {
		for i := range 50 {
			if line := fmt.Sprintf("get /%d/%d", shell, i); !slices.Contains(lines, line) {
				t.Fatalf("%s is lost", line)
			}
		}
	}
}

// The rest of a trimmed history is unchanged, including lines with several rows.
func TestHistoryCutDownKeepsRows(t *testing.T) {
	dir := t.TempDir()
	lines := make([]string, 2*historyKept+1)
	var old strings.Builder
	for i := range lines {
		lines[i] = fmt.Sprintf("set /a '%d\n\n\tb'", i)
		old.WriteString(fileRows(lines[i]))
	}
	if err := os.WriteFile(filepath.Join(dir, "history"), []byte(old.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, session := range []string{"first", "second"} {
		h, err := newHistory(dir)
		if want := lines[len(lines)-historyKept:]; err != nil || !slices.Equal(h.recall(), want) {
			t.Fatalf("%s: %d lines, the last %q, %v; want %d, the last %q", session, len(h.earlier), h.last, err, len(want), want[len(want)-1])
		}
	}
}

// The file's existing content need not be ours.
func TestHistoryThatIsThere(t *testing.T) {
	long := strings.Repeat("x", longestLine+1)
	for _, test := range []struct {
		name, text string
		want       []string // recalled
		after      string   // the file after another line
	}{
		{"rows", "set /a 'x\n\ty'\nls /\n", []string{"set /a 'x\ny'", "ls /"}, "set /a 'x\n\ty'\nls /\nget /a\n"},
		{"no line break at the end", "ls /", []string{"ls /"}, "ls /\nget /a\n"},
		{"a line that is too long", "ls /\n" + long + "\nstat /\n", []string{"ls /", "stat /"}, "ls /\nstat /\nget /a\n"},
		{"rows that are too long", "ls /\nset /a '\n\t" + long + "'\nstat /\n", []string{"ls /", "stat /"}, "ls /\nstat /\nget /a\n"},
		{"a file that is too long", strings.Repeat("\t"+strings.Repeat("x", 1023)+"\n", 17<<10) + "ls /\n", []string{"ls /"}, "ls /\nget /a\n"},
		{"rows that have no first one", strings.Repeat("x", historyBytes) + "\n\ty\nls /\n", []string{"ls /"}, "ls /\nget /a\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "history"), []byte(test.text), 0o644); err != nil {
				t.Fatal(err)
			}
			h, err := newHistory(dir)
			if err != nil {
				t.Fatal(err)
			}
			if got := h.recall(); !slices.Equal(got, test.want) {
				t.Errorf("recalled %.100q, want %q", got, test.want)
			}
			if err := errors.Join(h.typed("get /a"), h.typed("get "+long)); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "history")
			if text, err := os.ReadFile(file); err != nil || string(text) != test.after {
				t.Errorf("the file holds %.100q, %v", text, err)
			}
			if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
				t.Errorf("%v, %v: others may read it", info.Mode(), err)
			}
		})
	}
}

func TestHistoryBehindALink(t *testing.T) {
	for _, name := range []string{"history", "history.lock"} {
		dir := t.TempDir()
		target := filepath.Join(dir, "target")
		if err := os.WriteFile(target, []byte("precious\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		state := filepath.Join(dir, "state")
		if err := os.Mkdir(state, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(state, name)); err != nil {
			t.Skip(err)
		}
		h, err := newHistory(state)
		if err == nil {
			err = h.typed("ls /")
		}
		if err == nil || !strings.Contains(err.Error(), name+" is a symbolic link; remove it") {
			t.Errorf("%s: %v", name, err)
		}
		if text, err := os.ReadFile(target); err != nil || string(text) != "precious\n" {
			t.Errorf("%s: the file behind it holds %q, %v", name, text, err)
		}
		if info, err := os.Stat(target); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o644 {
			t.Errorf("%s: the file behind it has the mode %v, %v", name, info.Mode(), err)
		}
	}
	// The way to turn history off.
	dir := t.TempDir()
	if err := os.Symlink(os.DevNull, filepath.Join(dir, "history")); err != nil {
		t.Skip(err)
	}
	h, err := newHistory(dir)
	if err = errors.Join(err, h.typed("ls /")); err != nil || len(h.lines) != 1 {
		t.Errorf("%q, %v", h.lines, err)
	}
}

func TestHistoryThatCannotBeKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := newHistory(file) // a file where the folder should be
	if err == nil || !strings.Contains(err.Error(), "history will not be saved") {
		t.Errorf("error %v", err)
	}
	if err := h.typed("ls /"); err != nil || len(h.lines) != 1 {
		t.Errorf("lines %q, %v", h.lines, err)
	}
}
