package tempdir

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/zkctl/zkctl/internal/filelock"
)

// TestMain is, in a process that TestSweep starts, one that is killed with a folder in hand.
func TestMain(m *testing.M) {
	if os.Getenv("TEMPDIR_CHILD") != "" {
		d, err := Make("child")
		if err != nil {
			panic(err)
		}
		fmt.Println(d.Path())
		select {}
	}
	os.Exit(m.Run())
}

// What a killed process leaves is removed by the next; what a living one has, and what is no
// folder of ours, stays.
func TestSweep(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("TMP", os.Getenv("TMPDIR"))
	living, err := Make("living")
	if err != nil {
		t.Fatal(err)
	}
	stays := []string{filepath.Join(os.TempDir(), "zkctl-other"), filepath.Join(os.TempDir(), "other-123")}
	for _, dir := range stays {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(stays[1], lockFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TEMPDIR_CHILD=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var dead string
	if _, err := fmt.Fscanln(out, &dead); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dead, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	next := func() {
		t.Helper()
		d, err := Make("next")
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Remove(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(d.Path()); !os.IsNotExist(err) {
			t.Errorf("%s stays: %v", d.Path(), err)
		}
	}
	next()
	if _, err := os.Stat(dead); err != nil {
		t.Errorf("the folder of a living process: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	next()
	if _, err := os.Stat(dead); !os.IsNotExist(err) {
		t.Errorf("the folder of a dead process: %v", err)
	}
	for _, dir := range append(stays, living.Path()) {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
	if !filelock.Held(filepath.Join(living.Path(), lockFile)) {
		t.Error("the lock is gone")
	}
	if err := living.Remove(); err != nil {
		t.Fatal(err)
	}
}

// MakeIn leaves other folders alone, even those of processes that have ended.
func TestMakeIn(t *testing.T) {
	parent := t.TempDir()
	other, dead := filepath.Join(parent, "zkctl-other-1"), filepath.Join(parent, "zkctl-kind-1")
	for _, dir := range []string{other, dead} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, lockFile), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := MakeIn(parent, "kind")
	if err != nil || filepath.Dir(d.Path()) != parent {
		t.Fatal(d, err)
	}
	if _, err := os.Stat(dead); !os.IsNotExist(err) {
		t.Errorf("the folder of a dead process: %v", err)
	}
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(parent); len(entries) != 1 || entries[0].Name() != "zkctl-other-1" {
		t.Errorf("it leaves %v", entries)
	}
}
