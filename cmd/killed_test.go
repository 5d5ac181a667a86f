//go:build unix

package cmd

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKilledRecover kills txnlog recover half-way, while it asks: there must be no copy that
// verify would call whole, and the next run removes what was begun.
func TestKilledRecover(t *testing.T) {
	text, err := os.ReadFile("../logformatter/testdata/damaged/log.crc")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	log := filepath.Join(dir, "log.crc")
	if err := os.WriteFile(log, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, _ := process(t, "txnlog", "recover", log)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var shown bytes.Buffer
	for one := make([]byte, 1); !strings.Contains(shown.String(), "(Yes/No/Abort) ?"); {
		if _, err := io.ReadFull(stdout, one); err != nil {
			t.Fatal(err, shown.String())
		}
		shown.Write(one)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if _, err := os.Lstat(log + ".fixed"); err == nil {
		t.Error("the killed run left a copy under the final name")
	}
	again, stderr := process(t, "txnlog", "recover", "-y", log)
	if err := again.Run(); err != nil {
		t.Fatal(err, stderr)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 || entries[1].Name() != "log.crc.fixed" {
		t.Errorf("in the folder: %v", entries)
	}
}
