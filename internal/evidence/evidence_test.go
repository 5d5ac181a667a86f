package evidence

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text := write("logs/zookeeper.log", "LEADING\n")
	named := write("logs/log.5", "LEADING\n") // named as a transaction log
	write("logs/.hidden/x.log", "LEADING\n")
	write("logs/notes", "not named as a log\n")
	txns := write("data/version-2/log.100000001", "ZKLG\x00\x00\x00\x02")
	unnamed := write("elsewhere/copy", "ZKLG\x00\x00\x00\x02")
	snapshot := write("data/version-2/snapshot.100000000", "ZKSN\x00\x00\x00\x02")
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := Find(t.Context(), []string{filepath.Join(dir, "logs"), text, filepath.Join(dir, "data"), filepath.Join(dir, "data", "version-2"), unnamed, "-", "-", empty, filepath.Join(dir, "none")})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(s.Logs)
	if want := []string{named, text}; !slices.Equal(s.Logs, want) {
		t.Errorf("logs %q, want %q", s.Logs, want)
	}
	if len(s.Data) != 2 || !s.Data[0].Whole || !slices.Equal(s.Data[0].TxnPaths(), []string{txns}) || s.Data[0].Txns[0].Zxid != 0x100000001 || s.Data[0].Newest().Path != snapshot {
		t.Errorf("%+v", s.Data)
	}
	if d := s.Data[1]; d.Whole || !slices.Equal(d.TxnPaths(), []string{unnamed}) || d.Txns[0].Zxid != -1 || d.Newest() != nil {
		t.Errorf("%+v", d)
	}
	if !slices.Equal(s.Once, []string{"-"}) || len(s.Unread) != 0 || len(s.Absent) != 2 || !strings.Contains(s.Absent[0].Error(), "holds no transaction log") || !strings.Contains(s.Absent[1].Error(), "none") {
		t.Errorf("%q, %v, %v", s.Once, s.Absent, s.Unread)
	}
}
