package disk

import (
	"os"
	"path/filepath"
	"testing"
)

// The last mount of the longest mount point holds a path; names may have spaces.
func TestMounts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mountinfo")
	text := `27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
28 27 8:1 / /data rw,relatime shared:5 - xfs /dev/sda1 rw
29 27 0:50 / /data/my\040log rw - nfs4 host:/a\040b rw
30 28 0:51 / /data rw - tmpfs tmpfs rw
broken
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	list := readMounts(file)
	for path, want := range map[string]string{"/": "/dev/vda", "/database": "/dev/vda", "/data": "tmpfs", "/data/x": "tmpfs", "/data/my log/version-2": "host:/a b"} {
		if m := mountOf(list, path); len(list) != 4 || m == nil || m.source != want {
			t.Errorf("%s is on %+v, want %s", path, m, want)
		}
	}
	if readMounts(file+"none") != nil {
		t.Error("mounts without a file")
	}
}
