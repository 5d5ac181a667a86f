//go:build unix

package cmd

import (
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

	"github.com/zkctl/zkctl/internal/apache"
)

// TestBashCompletion types into a bash in a terminal, Tab included, and looks at the line
// that bash makes of it.
func TestBashCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	server := apache.Shared(t).Addr() + "/bash"
	fill(t, "/bash", "/bash/app", "/bash/app/config", "/bash/app/two words", "/bash/app/a:b", "/bash/app/a:b/c=d",
		"/bash/app/a:b/c=d/deep", "/bash/lonely")
	b := startBash(t, bash)
	for _, tc := range []struct{ typed, want string }{
		{"zkctl crea", "zkctl create "},
		{"zkctl -ser", "zkctl -server "},
		{"zkctl --profi", "zkctl --profile "},
		{"zkctl -o js", "zkctl -o json "},
		{"zkctl completion fi", "zkctl completion fish "},
		{"zkctl help setq", "zkctl help setquota "},
		{"zkctl -server " + server + " get /lon", "zkctl -server " + server + " get /lonely"},
		{"zkctl -server=" + server + " get /lon", "zkctl -server=" + server + " get /lonely"},
		{"zkctl --server " + server + " ls -R /ap", "zkctl --server " + server + " ls -R /app"},
		{"zkctl -server " + server + " get /app/con", "zkctl -server " + server + " get /app/config"},
		{"zkctl -server " + server + " get /app/tw", "zkctl -server " + server + ` get /app/two\ words`},
		{"zkctl -server " + server + " get /app/a:b/c", "zkctl -server " + server + " get /app/a:b/c=d"},
		{"zkctl -server " + server + " get /app/a:b/c=d/d", "zkctl -server " + server + " get /app/a:b/c=d/deep"},
		{"zkctl -server " + server + " addWatch -m PERSISTENT_", "zkctl -server " + server + " addWatch -m PERSISTENT_RECURSIVE "},
	} {
		if got := b.complete(tc.typed); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s<Tab>\ngives %s\nwant  %s", tc.typed, got, tc.want)
		}
	}
	// Two candidates: the part that they share.
	b.env("ZKCTL_SERVER", server)
	if got := b.complete("zkctl ls "); got != "zkctl ls /" {
		t.Errorf("zkctl ls <Tab> gives %q", got)
	}
}

// bash is an interactive bash with zkctl's completion.
type bash struct {
	t    *testing.T
	tty  *os.File
	mu   sync.Mutex
	cond *sync.Cond
	text string
	runs int
}

func startBash(t *testing.T, program string) *bash {
	dir, bin := t.TempDir(), t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The test binary is zkctl when its name is: see TestMain.
	if err := os.Symlink(self, filepath.Join(bin, "zkctl")); err != nil {
		t.Fatal(err)
	}
	rc := filepath.Join(dir, "rc")
	// F12 shows the line as bash has it, past all redrawing.
	text := `PS1='ready> '; bind 'set enable-bracketed-paste off'; bind 'set show-all-if-ambiguous off'
source <(zkctl completion bash)
show() { RUNS=$((RUNS+1)); printf '\n<%d:%s>\n' "$RUNS" "$READLINE_LINE"; READLINE_LINE=; }
bind -x '"\C-xs": show'
`
	if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--noprofile", "--rcfile", rc, "-i")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_STATE_HOME="+dir, "TERM=xterm", "HISTFILE=/dev/null", "GOCOVERDIR="+dir)
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 200})
	if err != nil {
		t.Fatal(err)
	}
	b := &bash{t: t, tty: tty}
	b.cond = sync.NewCond(&b.mu)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			b.mu.Lock()
			b.text += string(buf[:n])
			b.cond.Broadcast()
			b.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_, _ = io.WriteString(tty, "\x15exit\r")
		_ = cmd.Wait()
		tty.Close()
		<-done
	})
	b.await(regexp.MustCompile(`ready> `))
	return b
}

// complete types the text and a Tab, and returns the line that is then there.
func (b *bash) complete(typed string) string {
	b.t.Helper()
	b.runs++
	_, _ = io.WriteString(b.tty, typed+"\t\x18s")
	return b.await(regexp.MustCompile(fmt.Sprintf(`<%d:([^>\r\n]*)>`, b.runs)))[1]
}

func (b *bash) env(name, value string) {
	b.t.Helper()
	_, _ = io.WriteString(b.tty, "export "+name+"="+value+"; echo set''-"+name+"\r")
	b.await(regexp.MustCompile("set-" + name))
}

func (b *bash) await(pattern *regexp.Regexp) []string {
	b.t.Helper()
	expired := false
	timer := time.AfterFunc(20*time.Second, func() {
		b.mu.Lock()
		expired = true
		b.cond.Broadcast()
		b.mu.Unlock()
	})
	defer timer.Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if m := pattern.FindStringSubmatch(b.text); m != nil {
			return m
		}
		if expired {
			b.t.Fatalf("bash never showed %v; it shows\n%q", pattern, b.text)
		}
		b.cond.Wait()
	}
}
