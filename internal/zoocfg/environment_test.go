package zoocfg

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseSystemProperties(t *testing.T) {
	got := ParseSystemProperties("-Xmx1000m -Dzookeeper.a=1\t-Djute.maxbuffer=4 -Dzookeeper.a=2\n-Dempty -D -Dq=\"x -Db=c=d")
	want := Properties{"zookeeper.a": "2", "jute.maxbuffer": "4", "empty": "", "q": `"x`, "b": "c=d"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// A client takes its flags from the variables, and from the files of an installation that one of
// them names.
func TestClientProperties(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "conf"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "conf", "java.env"), []byte("export CLIENT_JVMFLAGS=\"-Da=file $CLIENT_JVMFLAGS\"\nJVMFLAGS=-Dc=file\nif true; then\nSERVER_JVMFLAGS=\"-Dd=open\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ vars, want map[string]string }{
		{map[string]string{}, Properties{}},
		{map[string]string{"CLIENT_JVMFLAGS": "-Xmx1g -Da=1 -Db=2", "JVMFLAGS": "-Db=3", "SERVER_JVMFLAGS": "-Dserver=1"}, Properties{"a": "1", "b": "3"}},
		{map[string]string{"ZOOCFGDIR": filepath.Join(dir, "conf"), "CLIENT_JVMFLAGS": "-Db=1"}, Properties{"a": "file", "b": "1", "c": "file"}},
		{map[string]string{"ZOOBINDIR": filepath.Join(dir, "bin")}, Properties{"a": "file", "c": "file"}},
		{map[string]string{"ZOOKEEPER_HOME": dir}, Properties{"a": "file", "c": "file"}},
	} {
		got, warnings := ClientProperties(func(name string) (string, bool) { v, ok := tc.vars[name]; return v, ok })
		if !maps.Equal(got, tc.want) || len(warnings) > 0 {
			t.Errorf("%v: %v, want %v; %v", tc.vars, got, tc.want, warnings)
		}
	}
	// A client whose flags are lost would go on without what they ask for.
	if err := os.WriteFile(filepath.Join(dir, "conf", "java.env"), []byte("# flags\nexport CLIENT_JVMFLAGS=\"-Da=open\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, warnings := ClientProperties(func(name string) (string, bool) {
		v, ok := map[string]string{"ZOOKEEPER_HOME": dir}[name]
		return v, ok
	})
	if len(warnings) != 1 || !strings.HasSuffix(warnings[0].String(), "java.env:2: line ignored (an unclosed quotation mark); only NAME=value is read, because no shell runs here") {
		t.Errorf("%v", warnings)
	}
}

func TestFromEnvironment(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"zookeeper-env.sh": "# comment\nZOO_LOG_DIR=\"$BASE/logs\"\nif true; then\n",
		"java.env":         "export JVMFLAGS=\"-Xmx1g ${JVMFLAGS}\"  # more\nSERVER_JVMFLAGS='-Dzookeeper.b=$1'\nexport SERVER_JVMFLAGS\nZOO_LOG_FILE=${NAME:-zk}.log\nX=`date`\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	vars := map[string]string{"ZOOCFGDIR": dir, "BASE": "/base", "JVMFLAGS": "-Dzookeeper.a=1", "SERVER_JVMFLAGS": "-Dlost=1",
		"ZOO_DATADIR_AUTOCREATE_DISABLE": "1", "USER": "zk", "HOSTNAME": "h"}
	e, warnings := FromEnvironment(func(name string) (string, bool) { v, ok := vars[name]; return v, ok }, "")
	if e.ConfigDir != dir || e.LogDir != "/base/logs" || e.LogFile != "zk.log" || !e.AutoCreateDisabled ||
		e.JVMFlags != "-Dzookeeper.b=$1 -Xmx1g -Dzookeeper.a=1" || e.OutFile("") != filepath.Join("/base/logs", "zookeeper-zk-server-h.out") {
		t.Errorf("%+v", e)
	}
	if want := (Properties{"zookeeper.a": "1", "zookeeper.b": "$1", "zookeeper.datadir.autocreate": "false"}); !maps.Equal(e.System, want) {
		t.Errorf("got %v\nwant %v", e.System, want)
	}
	var text strings.Builder
	for _, w := range warnings {
		text.WriteString(strings.TrimPrefix(w.String(), dir) + "\n")
	}
	if got := text.String(); len(warnings) != 2 || !strings.HasPrefix(got, "/zookeeper-env.sh:3: ") || !strings.Contains(got, "/java.env:5: ") {
		t.Errorf("warnings:\n%s", got)
	}
	for arg, want := range map[string]string{
		"":           filepath.Join(dir, "zoo.cfg"),
		"zoo2.cfg":   filepath.Join(dir, "zoo2.cfg"),
		"./zoo2.cfg": "./zoo2.cfg",
		"/a/zoo.cfg": "/a/zoo.cfg",
	} {
		if got := e.ConfigFile(arg); got != want {
			t.Errorf("%q is %s, not %s", arg, got, want)
		}
	}
	if got := e.PIDFileFor("/data"); got != filepath.Join("/data", "zookeeper_server.pid") {
		t.Error(got)
	}
}

func FuzzShellWord(f *testing.F) {
	for _, s := range []string{`"a $X ${Y:-z}" # c`, `'a'b\ c`, "$(x)", "${", "$", `\`, "`"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v := shellVars{lookup: func(string) (string, bool) { return "v", true }}
		_, _ = v.expand(s)
	})
}
