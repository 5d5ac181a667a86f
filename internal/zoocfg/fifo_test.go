//go:build unix

package zoocfg

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The dynamic configuration must be a file; a FIFO of its name is not waited for.
func TestDynamicFileIsFIFO(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "zoo.cfg")
	text := "dataDir=" + dir + "\ndynamicConfigFile=" + config + ".dynamic\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "myid"), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(config+".dynamic", 0o600); err != nil {
		t.Skip(err)
	}
	if _, _, err := Load(config, nil); err == nil || !strings.Contains(err.Error(), "a pipe") {
		t.Errorf("error %v", err)
	}
	if err := os.Remove(config + ".dynamic"); err != nil {
		t.Fatal(err)
	}
	members := "server.1=127.0.0.1:12888:13888:participant;127.0.0.1:12181\n"
	if err := os.WriteFile(config+".dynamic", []byte(members), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(NextDynamicFile(config), 0o600); err != nil {
		t.Fatal(err)
	}
	_, warnings, err := Load(config, nil)
	if err != nil {
		t.Error(err)
	}
	if len(warnings) == 0 {
		t.Error("nothing is said about the next configuration")
	}
}
