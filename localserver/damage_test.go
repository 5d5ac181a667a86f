package localserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/storage"
)

// damaged is a data directory with snapshot.0, log.1 (zxids 0x1 to 0x37) and log.38 (to 0x72),
// one of which is damaged.
func damaged(t *testing.T, name string, damage func(log []byte, entries []int) []byte) (dataDir string) {
	t.Helper()
	dir := t.TempDir()
	version2 := filepath.Join(dir, "version-2")
	if err := os.Mkdir(version2, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"snapshot.0", "log.1", "log.38"} {
		b, err := os.ReadFile(filepath.Join("../internal/storage/testdata/standalone", file))
		if err != nil {
			t.Fatal(err)
		}
		if file == name {
			b = damage(b, entryOffsets(b))
		}
		if err := os.WriteFile(filepath.Join(version2, file), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// entryOffsets returns where the entries of a log start, and where the last ends.
func entryOffsets(log []byte) []int {
	at := []int{16}
	for {
		last := at[len(at)-1]
		length := int(binary.BigEndian.Uint32(log[last+8:]))
		if length == 0 {
			return at
		}
		at = append(at, last+12+length+1)
	}
}

// The newest log, or the one before it, is damaged. If a crash may have left the file like this,
// the server starts and can write; otherwise it says what is wrong and does not start. The last
// column is what Apache ZooKeeper does.
func TestStartOnDamagedLog(t *testing.T) {
	set := func(at int, with string) func(log []byte, entries []int) []byte {
		return func(log []byte, _ []int) []byte { copy(log[at:], with); return log }
	}
	length := func(n uint32) func(log []byte, entries []int) []byte {
		return func(log []byte, entries []int) []byte {
			binary.BigEndian.PutUint32(log[entries[30]+8:], n)
			return log
		}
	}
	// lastByte damages the byte that ends an entry.
	lastByte := func(entry int) func(log []byte, entries []int) []byte {
		return func(log []byte, entries []int) []byte { log[entries[entry+1]-1] = 0; return log }
	}
	cut := func(size int) func(log []byte, entries []int) []byte {
		return func(log []byte, _ []int) []byte { return log[:size] }
	}
	// over overwrites the log from some bytes before the start of an entry.
	over := func(entry, before int, with string) func(log []byte, entries []int) []byte {
		return func(log []byte, entries []int) []byte { copy(log[entries[entry]-before:], with); return log }
	}
	const serves, refuses = true, false
	for _, c := range []struct {
		name   string
		file   string
		damage func(log []byte, entries []int) []byte
		say    string // why the server does not start; "" if it does
		apache bool
	}{
		{"empty", "log.38", cut(0), "", refuses},
		{"half a header", "log.38", cut(10), "", refuses},
		{"a header", "log.38", cut(16), "", serves},
		{"zeros", "log.38", func(log []byte, _ []int) []byte { return make([]byte, len(log)) }, "", refuses},
		{"few zeros", "log.38", func([]byte, []int) []byte { return make([]byte, 16) }, "", refuses},
		{"cut off", "log.38", func(log []byte, entries []int) []byte { return log[:entries[30]+20] }, "", serves},
		{"half an entry", "log.38", cut(40), "", serves},
		{"no end of the last entry", "log.38", func(log []byte, entries []int) []byte { return lastByte(len(entries)-2)(log, entries) }, "", serves},
		{"magic number", "log.38", set(0, "JUNK"), `log.38 at byte 0: the file starts with "JUNK" instead of "ZKLG"`, refuses},
		{"zeros in place of the header", "log.38", set(0, strings.Repeat("\x00", 16)), `log.38 at byte 0: the file starts with "\x00`, refuses},
		{"version", "log.38", set(7, "\x03"), "log.38 at byte 4: unknown format version 3", serves},
		{"a snapshot", "log.38", set(0, "ZKSN"), "log.38 at byte 0: this is a snapshot", refuses},
		{"few bytes of something else", "log.38", func([]byte, []int) []byte { return []byte("XXXX\x00\x00\x00\x02") }, `log.38 at byte 0: the file starts with "XXXX"`, refuses},
		{"half a wrong version", "log.38", func([]byte, []int) []byte { return []byte("ZKLG\x00\x00\x00\x03") }, "unknown format version 3", refuses},
		{"zeros in place of an entry's head", "log.38", over(30, 0, strings.Repeat("\x00", 12)), "but transaction 0x57 follows", serves},
		{"zeros across two entries", "log.38", over(30, 9, strings.Repeat("\x00", 21)), "but transaction 0x57 follows", serves},
		{"junk across two entries", "log.38", over(30, 9, strings.Repeat("\xaa", 21)), "but transaction 0x57 follows", serves},
		{"length beyond the end", "log.38", func(log []byte, entries []int) []byte { return length(1<<20)(log[:entries[len(entries)-1]], entries) }, "before the end of a record of 1048576 bytes, but transaction 0x57 follows", serves},
		{"checksum", "log.38", set(16+12+20, "\xff"), "log.38 at byte 16: wrong checksum", refuses},
		{"negative length", "log.38", length(1 << 31), "is negative", refuses},
		{"huge length", "log.38", length(1 << 30), "is beyond the end of the file", refuses},
		{"end of an entry", "log.38", lastByte(30), "the record's last byte is 0x00 instead of 'B', but transaction 0x57 follows", serves},
		{"end of the first entry", "log.38", lastByte(0), "but transaction 0x39 follows", serves},
		{"older magic number", "log.1", set(0, "JUNK"), `log.1 at byte 0: the file starts with "JUNK"`, refuses},
		{"older without transactions", "log.1", cut(16), "transactions 0x1..0x37 are in no log here", serves},
		{"older end of an entry", "log.1", lastByte(30), "but transaction 0x20 follows", serves},
		{"older zeros", "log.1", func(log []byte, _ []int) []byte { return make([]byte, len(log)) }, "transactions 0x1..0x37 are not read", refuses},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := damaged(t, c.file, c.damage)
			before := readLogs(t, dir)
			e, err := Start(t.Context(), Options{DataDir: dir})
			if c.say != "" {
				if err == nil {
					e.Close()
					t.Fatal("it starts")
				}
				if !strings.Contains(err.Error(), c.say) {
					t.Errorf("%v, without %q", err, c.say)
				}
				if after := readLogs(t, dir); after != before {
					t.Error("the logs were changed")
				}
			} else {
				if err != nil {
					t.Fatal(err)
				}
				write(t, e, "/after")
				if err := e.Close(); err != nil {
					t.Fatal(err)
				}
				e := New(t, Options{DataDir: dir})
				has(t, e, "/after")
			}
			t.Run("apache", func(t *testing.T) {
				s, err := apachetest.Require(t).Start(t.Context(), apache.Options{Dir: damaged(t, c.file, c.damage)})
				if err == nil {
					err = s.Stop()
				} else if c.apache == serves {
					t.Error(err)
				}
				if err == nil && c.apache == refuses {
					t.Error("Apache ZooKeeper starts")
				}
			})
		})
	}
}

// Anything that has the name of a file but is not one prevents the start: it hides acknowledged
// data, or the first write would fail.
func TestStartBesideWhatIsNoFile(t *testing.T) {
	folder := func(path string) error { return os.Mkdir(path, 0o700) }
	nowhere := func(path string) error {
		return os.Symlink(filepath.Join(filepath.Dir(path), "unmounted", "log"), path)
	}
	for _, c := range []struct {
		name, file string
		make       func(path string) error
		say        string
	}{
		{"folder", "log.73", folder, "log.73: it is a folder, not a file"},
		{"folder of a snapshot", "snapshot.72", folder, "snapshot.72: it is a folder, not a file"},
		{"unmounted log", "log.38", nowhere, "log.38: it is a dangling symbolic link, not a file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := damaged(t, "", nil)
			path := filepath.Join(dir, "version-2", c.file)
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			if err := c.make(path); err != nil {
				t.Skip(err) // links require a privilege on Windows
			}
			e, err := Start(t.Context(), Options{DataDir: dir})
			if err == nil {
				e.Close()
				t.Fatal("it starts")
			}
			if !strings.Contains(err.Error(), c.say) {
				t.Errorf("%v, without %q", err, c.say)
			}
		})
	}
}

// readLogs returns the content of all logs in a data directory.
func readLogs(t *testing.T, dataDir string) (all string) {
	t.Helper()
	dir, err := storage.ReadDir(dataDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range dir.Logs {
		b, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		all += f.Path + string(b)
	}
	return all
}

// A log that would not be read, because dataLogDir was set or changed, prevents the start.
func TestMisplacedFiles(t *testing.T) {
	for _, c := range []struct{ name, file, say string }{
		{"log beside the snapshots", "data/version-2/log.1", "Snapshot directory has log files."},
		{"snapshot beside the logs", "logs/version-2/snapshot.0", "Log directory has snapshot files."},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, sub := range []string{"data/version-2", "logs/version-2"} {
				if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(filepath.Join("../internal/storage/testdata/standalone", filepath.Base(c.file)))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, c.file), b, 0o600); err != nil {
				t.Fatal(err)
			}
			port, err := port.Free()
			if err != nil {
				t.Fatal(err)
			}
			cfg := filepath.Join(dir, "zoo.cfg")
			text := fmt.Sprintf("dataDir=%s/data\ndataLogDir=%[1]s/logs\nclientPort=%d\n", filepath.ToSlash(dir), port)
			if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			err = Serve(ctx, ServeOptions{Config: cfg, Log: io.Discard, Listening: func(string) { cancel() }})
			if !errors.Is(err, ErrDataDir) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("%v, without %q", err, c.say)
			}
		})
	}
}
