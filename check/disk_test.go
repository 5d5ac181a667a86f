package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/disk"
	"github.com/zkctl/zkctl/internal/storage"
)

// The judgement of what was measured and found, without a disk.
func TestJudgeDisk(t *testing.T) {
	const limit = 10 * time.Millisecond
	good := times{Count: 1000, Median: time.Millisecond, P99: 4 * time.Millisecond, Slowest: 20 * time.Millisecond}
	measured := func(change func(*times)) *diskResult {
		alone := good
		change(&alone)
		return &diskResult{Dir: "d", Phases: []phase{{1, 900, alone}, {100, 9000, good}}}
	}
	found := func(f disk.FileSystem) *diskResult {
		r := measured(func(*times) {})
		r.System = &f
		return r
	}
	with := func(change func(*diskResult)) *diskResult {
		r := measured(func(*times) {})
		change(r)
		return r
	}
	yes, no := true, false
	for name, c := range map[string]struct {
		r    *diskResult
		fit  *bool
		says string
	}{
		"good":               {measured(func(*times) {}), &yes, ""},
		"slow":               {measured(func(t *times) { t.P99 = 11 * time.Millisecond }), &no, "one fsync in a hundred takes 11ms or longer"},
		"slow, a few":        {measured(func(t *times) { t.Count, t.P99, t.Slowest = 20, 30*time.Millisecond, 40*time.Millisecond }), &no, "the slowest fsync took 40ms"},
		"a warning":          {measured(func(t *times) { t.Slowest = time.Second }), &no, "fsync.warningthresholdms"},
		"dropped":            {measured(func(t *times) { t.Slowest = 10 * time.Second }), &no, "tickTime × syncLimit, 10s"},
		"slow together":      {with(func(r *diskResult) { r.Phases[1].Sync.Slowest = 2 * time.Second }), &no, "the slowest fsync took 2s"},
		"too fast":           {measured(func(t *times) { t.Median = time.Microsecond }), &yes, "may be ignored"},
		"memory":             {found(disk.FileSystem{Kind: disk.Memory, Type: "tmpfs"}), &no, "tmpfs is memory"},
		"network":            {found(disk.FileSystem{Kind: disk.Network, Type: "nfs4"}), &yes, "nfs4 is a file system on the network"},
		"fuse":               {found(disk.FileSystem{Kind: disk.Fuse, Type: "fuse.sshfs"}), &yes, "fuse.sshfs is a FUSE file system"},
		"container":          {found(disk.FileSystem{Kind: disk.Layered, Type: "overlay"}), &yes, "overlay is a container's own layer"},
		"root":               {found(disk.FileSystem{Mount: "/", Disks: []string{"sda"}}), &yes, "the disk (sda) also holds /:"},
		"many on it":         {found(disk.FileSystem{Mount: "/a", Disks: []string{"sda"}, Shares: []string{"/b", "/c", "/d", "/e"}}), &yes, "also holds /b, /c, /d, 1 more:"},
		"alone":              {found(disk.FileSystem{Mount: "/a", Disks: []string{"sda"}}), &yes, ""},
		"with the snapshots": {with(func(r *diskResult) { r.Folders = []string{"/a", "/b"} }), &yes, "/a and /b are on one disk"},
		"snapshots in it":    {with(func(r *diskResult) { r.Snaps = true }), &yes, "snapshots are in the same folder"},
		"busy":               {with(func(r *diskResult) { r.Idle = &idle{3, 0.5} }), &yes, "busy 50 % of the time"},
		"idle":               {with(func(r *diskResult) { r.Idle = &idle{3, 0.05} }), &yes, ""},
		"nearly full":        {with(func(r *diskResult) { r.Space = &disk.Space{Free: 1 << 30, Total: 1 << 34} }), &yes, "nearly full: 1.0 GiB of 16 GiB"},
		"full":               {&diskResult{Space: &disk.Space{Free: 1 << 20, Total: 1 << 34}}, &no, "only 1.0 MiB are free"},
		"failed":             {&diskResult{Failed: syscall.EIO}, &no, "writing failed"},
		"filled":             {&diskResult{Failed: fmt.Errorf("x: %w", syscall.ENOSPC)}, &no, "the file system is full"},
		"stuck":              {&diskResult{Stuck: 30 * time.Second}, &no, "did not return within 30s"},
		"nothing":            {&diskResult{}, nil, "nothing was measured"},
	} {
		v := judgeDisk(c.r, limit)
		if got := v.fit(); (got == nil) != (c.fit == nil) || got != nil && *got != *c.fit {
			t.Errorf("%s: %+v", name, v)
		}
		text := strings.Join(append(append(v.Faults, v.Doubts...), v.Warnings...), "\n")
		if !strings.Contains(text, c.says) || c.says == "" && text != "" {
			t.Errorf("%s: %q, want %q", name, text, c.says)
		}
	}
}

// checkDisk runs the command with an fsync of the test's own.
func checkDisk(t *testing.T, sync func(*os.File) error, args ...string) (code int, out string, err error) {
	t.Helper()
	var b bytes.Buffer
	opt := (*diskOptions)(nil)
	c := newDiskCommand(discard(&b), func(o *diskOptions) { opt = o })
	if sync != nil {
		opt.sync = sync
	}
	opt.patience = 300 * time.Millisecond
	code, err = run(t, c, &b, args...)
	return code, b.String(), err
}

// A good disk and a slow one: the file that is written is ZooKeeper's log, for its user alone, and is gone afterwards, as
// are those of killed runs; nothing else in the folder is touched.
func TestDisk(t *testing.T) {
	dir := t.TempDir()
	kept := filepath.Join(dir, "log.1")
	if err := os.WriteFile(kept, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(dir, "zkctl-check-disk-123")
	if err := errors.Join(os.Mkdir(dead, 0o700), os.WriteFile(filepath.Join(dead, "lock"), nil, 0o600), os.WriteFile(filepath.Join(dead, "log.1"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	looked := false
	look := func(f *os.File) error {
		if looked {
			return nil
		}
		looked = true
		info, err := f.Stat()
		if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 || info.Size() < 64<<20 {
			t.Errorf("the file: %v, %v", info, err)
		}
		if r, err := storage.OpenLog(f.Name()); err != nil {
			t.Error(err)
		} else {
			defer r.Close()
			if e, err := r.Next(); err != nil || len(e.Raw) < 1000 || len(e.Raw) > 1200 {
				t.Errorf("the first entry: %+v, %v", e, err)
			}
		}
		return nil
	}
	slow := func(*os.File) error { time.Sleep(15 * time.Millisecond); return nil }
	for _, c := range []struct {
		name string
		sync func(*os.File) error
		args []string
		code int
		says string
	}{
		{"quick", look, []string{"--duration", "20ms", "--max-p99", "1h"}, 0, ": fit\n"},
		{"the system's", nil, []string{"--duration", "20ms", "--max-p99", "1h"}, 0, ": fit\n"},
		{"slow", slow, []string{"--duration", "100ms"}, 1, "fault: the slowest fsync took "},
		{"slow, which is allowed", slow, []string{"--duration", "100ms", "--max-p99", "1h"}, 0, ": fit\n"},
		{"failing", func(*os.File) error { return syscall.EIO }, []string{"--duration", "100ms"}, 1, "fault: writing failed: write log: "},
		{"JSON", look, []string{"--duration", "20ms", "--max-p99", "1h", "-o", "json"}, 0, `"faults":[]`},
	} {
		if disk.Kind(kindOfDir(dir)) == disk.Memory {
			t.Skip("temporary files are in memory, which is never fit")
		}
		code, out, err := checkDisk(t, c.sync, append(c.args, dir)...)
		if code != c.code || err != nil || !strings.Contains(out, c.says) {
			t.Errorf("%s: exit %d, %v\n%s", c.name, code, err, out)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("%s leaves %v", c.name, entries)
		}
		if strings.HasPrefix(out, "{") {
			var d diskDocument
			if err := json.Unmarshal([]byte(out), &d); err != nil || d.Fit == nil || !*d.Fit || len(d.Phases) != 2 || d.Phases[1].Together != 100 {
				t.Errorf("%v: %s", err, out)
			}
		}
	}
	if text, err := os.ReadFile(kept); err != nil || string(text) != "kept" || !looked {
		t.Errorf("%s: %q, %v", kept, text, err)
	}
	for says, args := range map[string][]string{
		"no such file": {filepath.Join(dir, "none")}, "it is not a folder": {kept}, "--duration": {dir, "--duration", "0s"},
		"--size": {dir, "--size", "-1"}, "--max-p99": {dir, "--max-p99", "0s"}, "--data-dir": {dir, "--data-dir", filepath.Join(dir, "none")},
	} {
		if code, out, err := checkDisk(t, look, args...); err == nil || code == 0 || out != "" || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: exit %d, %v, %s", args, code, err, out)
		}
	}
}

func kindOfDir(dir string) string {
	f, _ := disk.FileSystemOf(dir)
	return string(f.Kind)
}

// An fsync that does not return is given up; the next run removes what it leaves.
func TestStuckDisk(t *testing.T) {
	dir := t.TempDir()
	release := make(chan struct{})
	code, out, err := checkDisk(t, func(*os.File) error { <-release; return nil }, dir, "--duration", "10ms")
	if code != 1 || err != nil || !strings.Contains(out, "fault: an fsync did not return within 0s") {
		t.Errorf("exit %d, %v\n%s", code, err, out)
	}
	close(release)
}

// Ctrl-C removes the file.
func TestInterruptedDisk(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	var b bytes.Buffer
	c := newDiskCommand(discard(&b), func(o *diskOptions) {
		o.sync = func(*os.File) error { cancel(); return nil }
	})
	c.SetArgs([]string{dir})
	c.SilenceErrors, c.SilenceUsage = true, true
	if err := c.ExecuteContext(ctx); !errors.Is(err, context.Canceled) || b.Len() > 0 {
		t.Errorf("%v, %s", err, &b)
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("it leaves %v", entries)
	}
}
