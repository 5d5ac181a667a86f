package apache

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// What the JVM is given, such as passwords, is not on its command line, which everybody may read.
func TestOptionsAreNotArguments(t *testing.T) {
	s := Test(t, Options{JVM: []string{"-Dzookeeper.ssl.keyStore.password=not4all", "-Djute.maxbuffer=5000000"}})
	if runtime.GOOS == "linux" {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.Pid()))
		if err != nil || !strings.Contains(string(line), "QuorumPeerMain") || strings.Contains(string(line), "not4all") {
			t.Errorf("%v: %q", err, line)
		}
	}
	info, err := os.Stat(s.configPath(jvmOptions))
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// An option gets through the file as it is.
func TestArgFile(t *testing.T) {
	in := Require(t)
	if !in.takesArgFiles() {
		t.Skip("this Java takes no files of options")
	}
	want := `a b"c\d'e#f=g@h`
	file := filepath.Join(t.TempDir(), "options")
	if err := os.WriteFile(file, argFile([]string{"-Dodd=" + want, "-Dlast=1"}), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), in.Java, "@"+file, "-XshowSettings:properties", "-version")
	cmd.Env = javaEnv()
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "odd = "+want+"\n") || !strings.Contains(string(out), "last = 1\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
