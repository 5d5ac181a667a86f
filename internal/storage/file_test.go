package storage

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReadDir(t *testing.T) {
	for _, path := range []string{"testdata/ensemble/server3", "testdata/ensemble/server3/version-2"} {
		d, err := ReadDir(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Logs) != 2 || d.Logs[1].Zxid != 0x200000001 || len(d.Snapshots) != 1 || d.AcceptedEpoch != 2 || d.CurrentEpoch != 2 {
			t.Errorf("%+v", d)
		}
	}
	d, err := ReadDir("testdata/standalone")
	if err != nil || len(d.Logs) != 5 || len(d.Snapshots) != 7 || d.AcceptedEpoch != -1 {
		t.Fatalf("%+v, %v", d, err)
	}
	for zxid, want := range map[int64]int{0: 5, 1: 5, 0x37: 5, 0x38: 4, 0x77: 3, 0x78: 2, 1 << 40: 1} {
		if got := len(d.LogsFrom(zxid)); got != want {
			t.Errorf("logs from %#x: %d, want %d", zxid, got, want)
		}
	}
	for zxid, want := range map[int64]string{0: "snapshot.0", 0x70: "snapshot.36", 0x95: "snapshot.95.gz", 1 << 40: "snapshot.102.snappy"} {
		if f, ok := d.SnapshotBefore(zxid); !ok || filepath.Base(f.Path) != want {
			t.Errorf("snapshot before %#x: %v, want %s", zxid, f.Path, want)
		}
	}
}

// An epoch is the upper half of a zxid.
func TestReadEpoch(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "7\n": 7, " 12 \r\nx": 12, "2147483647": 2147483647,
		"": -1, "x": -1, "-1": -1, "-3": -1, "2147483648": -1, "99999999999": -1, "1.5": -1} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, CurrentEpochFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := ReadDir(dir)
		if err != nil || d.CurrentEpoch != want || (len(d.EpochFaults) == 1) != (want == -1) {
			t.Errorf("%q: %d, %v, want %d; %v", text, d.CurrentEpoch, d.EpochFaults, want, err)
		}
	}
}

func TestZxidOfName(t *testing.T) {
	for name, want := range map[string]struct {
		kind string
		zxid int64
	}{
		"log.1f": {"log", 0x1f}, "/a/snapshot.200000001.gz": {"snapshot", 0x200000001},
		"snapshot.f5.snappy": {"snapshot", 0xf5}, "log.1.gz": {}, "log.": {}, "log": {}, "log.-1": {},
		"log.crc": {}, "log.1.fixed": {}, "snapshot.1.tmp": {}, "acceptedEpoch": {}, "log.ffffffffffffffff": {},
	} {
		kind, zxid, ok := ZxidOfName(name)
		if kind != want.kind || zxid != want.zxid || ok != (want.kind != "") {
			t.Errorf("%s: %s %#x %v", name, kind, zxid, ok)
		}
	}
}
