//go:build unix

package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
)

// outerShell is an interactive shell in a terminal, with zkctl's completion.
type outerShell struct {
	t    *testing.T
	name string
	dir  string // where it is
	tty  *os.File
	mu   sync.Mutex
	cond *sync.Cond
	text string
	runs int
}

// shellStart is how a shell is started: a file for its settings, and its arguments. Ctrl-X s prints
// the line as the shell has it, without redrawing, and clears it.
var shellStart = map[string]struct {
	file string
	args []string
	text string
}{
	"bash": {"rc", []string{"--noprofile", "--rcfile", "rc", "-i"}, `
PS1='ready> '
bind 'set enable-bracketed-paste off'
bind 'set show-all-if-ambiguous off'
source <(zkctl completion bash)
show() { RUNS=$((RUNS+1)); printf '\n<%d:%s>\n' "$RUNS" "$READLINE_LINE"; READLINE_LINE=; }
bind -x '"\C-xs": show'
`},
	"zsh": {".zshrc", []string{"-i"}, `
PS1='ready> '
unset zle_bracketed_paste
autoload -U compinit
compinit -u -D
source <(zkctl completion zsh)
show() { RUNS=$((RUNS+1)); zle -I; printf '\n<%d:%s>\n' "$RUNS" "$BUFFER"; BUFFER=; }
zle -N show
bindkey '^Xs' show
`},
	"fish": {"fish/config.fish", []string{"-i"}, `
function fish_prompt; echo 'ready> '; end
set -g fish_greeting
set -g RUNS 0
zkctl completion fish | source
function show; set -g RUNS (math $RUNS + 1); printf '\n<%d:%s>\n' $RUNS (commandline | string collect); commandline -r ''; commandline -f repaint; end
bind \cxs show
`},
}

// startOuterShell starts the shell of that name.
func startOuterShell(t *testing.T, name string) *outerShell {
	t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		apachetest.Missing(t, errors.New("there is no "+name+" (scripts/install-clients.sh installs it)"))
	}
	home, work, bin := t.TempDir(), t.TempDir(), t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The test binary is zkctl if it has that name: see TestMain.
	if err := os.Symlink(self, filepath.Join(bin, "zkctl")); err != nil {
		t.Fatal(err)
	}
	start := shellStart[name]
	file := filepath.Join(home, start.file)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(start.text), 0o600); err != nil {
		t.Fatal(err)
	}
	// Without it fish reads every manual page of the machine when it starts.
	if err := os.MkdirAll(filepath.Join(home, "fish", "generated_completions"), 0o700); err != nil {
		t.Fatal(err)
	}
	var args []string
	for _, a := range start.args {
		if a == start.file {
			a = file
		}
		args = append(args, a)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"HOME="+home, "ZDOTDIR="+home, "XDG_CONFIG_HOME="+home, "XDG_STATE_HOME="+home, "XDG_DATA_HOME="+home, "XDG_CACHE_HOME="+home,
		"TERM=xterm", "LANG=C.UTF-8", "HISTFILE=/dev/null", "GOCOVERDIR="+home)
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 200})
	if err != nil {
		t.Fatal(err)
	}
	s := &outerShell{t: t, name: name, dir: work, tty: tty}
	s.cond = sync.NewCond(&s.mu)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			s.mu.Lock()
			s.text += string(buf[:n])
			s.cond.Broadcast()
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_, _ = io.WriteString(tty, "\x15exit\r")
		timer := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		timer.Stop()
		tty.Close()
		<-done
	})
	s.await(`ready> `)
	return s
}

// complete types the text, which may contain Tabs, and returns the resulting line.
func (s *outerShell) complete(typed string) string {
	s.t.Helper()
	for attempt := 1; ; attempt++ {
		s.runs++
		_, _ = io.WriteString(s.tty, typed+"\x18s")
		got := strings.TrimSuffix(s.await(fmt.Sprintf(`(?s)<%d:(.*?)>\r?\n`, s.runs))[1], "\r")
		if attempt == attempts || got != strings.TrimRight(typed, "\t") {
			return got
		}
	}
}

// attempts is how often Tab may give up on a server that is slow on a busy machine.
const attempts = 3

// run types the text and Enter, and waits for the expected output.
func (s *outerShell) run(typed, pattern string) {
	s.t.Helper()
	for attempt := 1; ; attempt++ {
		s.mu.Lock()
		s.text = ""
		s.mu.Unlock()
		_, _ = io.WriteString(s.tty, typed+"\r")
		if attempt == attempts || !strings.Contains(typed, "\t") {
			s.await(pattern)
			return
		}
		if s.find(pattern) != nil {
			return
		}
	}
}

func (s *outerShell) env(name, value string) {
	s.t.Helper()
	set := "export " + name + "=" + value
	if s.name == "fish" {
		set = "set -gx " + name + " " + value
	}
	s.run(set+"; echo set''-"+name, "set-"+name)
}

func (s *outerShell) await(pattern string) []string {
	s.t.Helper()
	m := s.find(pattern)
	if m == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.t.Fatalf("%s never showed %v; it shows\n%q", s.name, pattern, s.text)
	}
	return m
}

// find waits for the output, and returns nil if it does not come.
func (s *outerShell) find(pattern string) []string {
	re := regexp.MustCompile(pattern)
	expired := false
	timer := time.AfterFunc(20*time.Second, func() {
		s.mu.Lock()
		expired = true
		s.cond.Broadcast()
		s.mu.Unlock()
	})
	defer timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if m := re.FindStringSubmatch(s.text); m != nil {
			return m
		}
		if expired {
			return nil
		}
		s.cond.Wait()
	}
}
