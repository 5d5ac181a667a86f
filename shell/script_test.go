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
		if err := h.add(line); err != nil {
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
				if err := h.add(fmt.Sprintf("get /%d/%d", shell, i)); err != nil {
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
			if err := errors.Join(h.add("get /a"), h.add("get "+long)); err != nil {
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
			err = h.add("ls /")
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
	if err = errors.Join(err, h.add("ls /")); err != nil || len(h.lines) != 1 {
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
	if err := h.add("ls /"); err != nil || len(h.lines) != 1 {
		t.Errorf("lines %q, %v", h.lines, err)
	}
}
