package apache_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
)

// What the JVM is given, such as passwords, is not on its command line, which everybody may read.
func TestOptionsAreNotArguments(t *testing.T) {
	s := apachetest.Test(t, apache.Options{JVM: []string{"-Dzookeeper.ssl.keyStore.password=not4all", "-Djute.maxbuffer=5000000"}})
	if runtime.GOOS == "linux" {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.Pid()))
		if err != nil || !strings.Contains(string(line), "QuorumPeerMain") || strings.Contains(string(line), "not4all") {
			t.Errorf("%v: %q", err, line)
		}
	}
	info, err := os.Stat(s.OptionsFile())
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// An option gets through the file as it is.
func TestArgFile(t *testing.T) {
	in := apachetest.Require(t)
	if !in.TakesArgFiles() {
		t.Skip("this Java takes no files of options")
	}
	want := `a b"c\d'e#f=g@h`
	file := filepath.Join(t.TempDir(), "options")
	if err := os.WriteFile(file, apache.ArgFile([]string{"-Dodd=" + want, "-Dlast=1"}), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), in.Java, "@"+file, "-XshowSettings:properties", "-version")
	cmd.Env = apache.JavaEnv()
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "odd = "+want+"\n") || !strings.Contains(string(out), "last = 1\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
