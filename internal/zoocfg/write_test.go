package zoocfg

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The life of a configuration on disk, from servers in zoo.cfg to a dynamic file.
func TestConfigurationOnDisk(t *testing.T) {
	static := "# ours\ntickTime=2000\ndataDir=DIR\nclientPort=2181\ninitLimit=5\nsyncLimit=\\\n  2\nreconfigEnabled=true\npeerType=participant\n" +
		"server.1=127.0.0.1:2881:3881\nserver.2=127.0.0.1:2882:3882;127.0.0.1:2181\nserver.3=127.0.0.1:\\\n2883:3883\n! the end"
	path := write(t, map[string]string{"zoo.cfg": static, "myid": "2\n"})
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	before := read(t, path)
	c, _, err := Load(path, nil)
	if err != nil || !c.WantsBackUp() {
		t.Fatal(err, c)
	}
	if err := BackUp(path); err != nil {
		t.Fatal(err)
	}
	if read(t, path+".bak") != before {
		t.Error("the backup differs")
	}

	next, err := ParseVerifier([]byte(three + "\nversion=10000000f"))
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteDynamic(NextDynamicFile(path), next, true); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path+".dynamic.next"); got != three+"\nversion=10000000f" {
		t.Errorf("next file: %q", got)
	}
	if err := CommitVerifier(path, next, 2); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to remove
		if err := RemoveNext(path); err != nil {
			t.Fatal(err)
		}
	}
	dynamic := path + ".dynamic.10000000f"
	if got := read(t, dynamic); got != three {
		t.Errorf("dynamic file: %q", got)
	}
	resolved, err := filepath.EvalSymlinks(dynamic)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll("# ours\ntickTime=2000\ndataDir=DIR\ninitLimit=5\nsyncLimit=\\\n  2\nreconfigEnabled=true\n! the end\ndynamicConfigFile=", "DIR", dir) + resolved + "\n"
	if got := read(t, path); got != want {
		t.Errorf("zoo.cfg:\n%s\nwant\n%s", got, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Error("mode of zoo.cfg:", info.Mode(), err)
	}
	c, _, err = Load(path, nil)
	if err != nil || c.WantsBackUp() || c.Verifier.Version() != 0x10000000f || c.Client != (HostPort{"127.0.0.1", 2182}) {
		t.Errorf("%v %+v", err, c)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) != 0 {
		t.Error("left over:", left, err)
	}
}

func TestReferenceDynamicFile(t *testing.T) {
	text := read(t, filepath.Join("testdata", "ensemble", "zoo.cfg.dynamic.200000005"))
	v, err := ParseVerifier([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "zoo.cfg.dynamic.200000005")
	if err := WriteDynamic(file, v, false); err != nil {
		t.Fatal(err)
	}
	if read(t, file) != text {
		t.Errorf("%q", read(t, file))
	}
}

func TestEditStaticNeedsTheDynamicFile(t *testing.T) {
	path := write(t, map[string]string{"zoo.cfg": "a=b"})
	if err := EditStatic(path, path+".dynamic.1", false); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if read(t, path) != "a=b" {
		t.Error("it was changed all the same")
	}
}

func TestInitialize(t *testing.T) {
	c := Default()
	c.DataLogDir = t.TempDir()
	c.DBAutoCreate = false
	if trust, err := c.Initialize(); trust || err != nil {
		t.Error(trust, err)
	}
	if err := os.WriteFile(filepath.Join(c.DataLogDir, "initialize"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		if trust, err := c.Initialize(); trust != want || err != nil {
			t.Error(trust, err)
		}
	}
}

func TestMyID(t *testing.T) {
	dir := t.TempDir()
	if id, err := ReadMyID(dir); id != NoServerID || err != nil {
		t.Error(id, err)
	}
	if err := WriteMyID(dir, 7); err != nil {
		t.Fatal(err)
	}
	if id, err := ReadMyID(dir); id != 7 || err != nil {
		t.Error(id, err)
	}
}
