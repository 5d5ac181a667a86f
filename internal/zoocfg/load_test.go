package zoocfg

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// write makes the files of a member and returns the path of its zoo.cfg. DIR in a text
// is the folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "zoo.cfg")
}

const three = "server.1=127.0.0.1:2881:3881:participant;127.0.0.1:2181\n" +
	"server.2=127.0.0.1:2882:3882:participant;127.0.0.1:2182\n" +
	"server.3=127.0.0.1:2883:3883:participant;127.0.0.1:2183"

func TestLoadStandalone(t *testing.T) {
	path := write(t, map[string]string{"zoo.cfg": `
# The number of milliseconds of each tick
tickTime=2000
dataDir=DIR
clientPort=2181
maxSessionTimeout : 60000
snapCount 500
forceSync=no
4lw.commands.whitelist=stat, ruok
admin.enableServer=false
autopurge.purgeInterval=24
autopurge.snapRetainCount=1
ssl.keyStore.location=/etc/key.pem
jute.maxbuffer=0x200000
ssl.keyStore.passwrod=secret
`})
	c, warnings, err := Load(path, Properties{"zookeeper.snapCount": "9", "zookeeper.globalOutstandingLimit": "7", "java.home": "/"})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.File, want.DataDir, want.DataLogDir = path, filepath.Dir(path), filepath.Dir(path)
	want.TickTime, want.MinSessionTimeout, want.MaxSessionTimeout = 2*time.Second, 4*time.Second, time.Minute
	if c.TickTime != want.TickTime || c.MinSessionTimeout != want.MinSessionTimeout || c.MaxSessionTimeout != want.MaxSessionTimeout {
		t.Errorf("times: %v %v %v", c.TickTime, c.MinSessionTimeout, c.MaxSessionTimeout)
	}
	if c.Client != (HostPort{"", 2181}) || c.DataDir != want.DataDir || c.DataLogDir != want.DataDir || c.SnapCount != 500 ||
		c.GlobalOutstandingLimit != 7 || c.ForceSync || c.PurgeInterval != 24*time.Hour || c.SnapRetainCount != 3 ||
		c.TLS.KeyStore.Location != "/etc/key.pem" || c.MaxBuffer != 2<<20 || c.AdminEnabled || c.Distributed() {
		t.Errorf("%+v", c)
	}
	if want := []string{"srvr", "stat", "ruok"}; !slices.Equal(c.FourLetterWords, want) {
		t.Errorf("four-letter words %q, want %q", c.FourLetterWords, want)
	}
	var got []string
	for _, w := range warnings {
		got = append(got, strings.TrimPrefix(w.String(), path))
	}
	for _, want := range []string{
		":14: jute.maxbuffer: has an effect here, but not in Apache ZooKeeper",
		":15: ssl.keyStore.passwrod: is unknown and has no effect here",
		": autopurge.snapRetainCount: Invalid autopurge.snapRetainCount: 1. Defaulting to 3",
	} {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("no warning %q in\n%s", want, strings.Join(got, "\n"))
		}
	}
	if len(got) != 3 || strings.Contains(strings.Join(got, ""), "secret") {
		t.Errorf("warnings:\n%s", strings.Join(got, "\n"))
	}
}

// Settings that are read but have no effect are reported, unless they ask for what is done anyway.
func TestWarnOfSettingsWithoutEffect(t *testing.T) {
	path := write(t, map[string]string{"zoo.cfg": "dataDir=DIR\nclientPort=2181\nlocalSessionsEnabled=true\nsyncEnabled=true\n" +
		"leaderServes=no\nenforce.auth.enabled=true\ncommitLogCount=900\nconnectToLearnerMasterLimit=3\n"})
	_, warnings, err := Load(path, Properties{"zookeeper.ensembleAuthName": "dev"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range warnings {
		got = append(got, w.Key)
	}
	slices.Sort(got)
	if want := []string{"leaderServes", "zookeeper.ensembleAuthName"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for key := range readWithoutEffect {
		if fileSettings[key] == nil && propertySettings[key] == nil {
			t.Errorf("%s is not read", key)
		}
	}
}

// Metrics for Prometheus are off, and on loopback once they are on.
func TestMetricsProvider(t *testing.T) {
	const alone, class = "dataDir=DIR\nclientPort=2181\n", "metricsProvider.className="
	for _, test := range []struct {
		cfg     string
		system  Properties
		exports bool
		at      string
		process bool
		warning string // "" for none
	}{
		{alone, nil, false, "127.0.0.1:7000", true, ""},
		{alone + class + defaultProvider + "\n", nil, false, "127.0.0.1:7000", true, ""},
		{alone + class + PrometheusProvider + "\n", nil, true, "127.0.0.1:7000", true, ""},
		{alone + class + PrometheusProvider + "\nmetricsProvider.httpHost=0.0.0.0\nmetricsProvider.httpPort=9000\nmetricsProvider.exportJvmInfo=FALSE\n", nil, true, "0.0.0.0:9000", false, ""},
		{alone + class + "com.example.Own\n", nil, false, "127.0.0.1:7000", true, "has no effect here: the only metrics providers are"},
		{alone + "metricsProvider.maxQueueSize=9\n", nil, false, "127.0.0.1:7000", true, onlyJVM},
		{alone, Properties{"zookeeper." + strings.TrimSuffix(class, "="): PrometheusProvider}, false, "127.0.0.1:7000", true, "has no effect: it must be in zoo.cfg"},
	} {
		c, warnings, err := Load(write(t, map[string]string{"zoo.cfg": test.cfg}), test.system)
		if err != nil {
			t.Fatal(err)
		}
		if c.ExportsMetrics() != test.exports || c.MetricsAddress.String() != test.at || c.MetricsProcess != test.process {
			t.Errorf("%s%v: %t, %s, %t", test.cfg, test.system, c.ExportsMetrics(), c.MetricsAddress, c.MetricsProcess)
		}
		if len(warnings) > 1 || (len(warnings) == 1) != (test.warning != "") || len(warnings) == 1 && !strings.HasPrefix(warnings[0].Text, test.warning) {
			t.Errorf("%s%v: warnings %v", test.cfg, test.system, warnings)
		}
	}
	if _, _, err := Load(write(t, map[string]string{"zoo.cfg": alone + "metricsProvider.httpPort=x\n"}), nil); err == nil || !strings.Contains(err.Error(), "line 3: metricsProvider.httpPort=x") {
		t.Error(err)
	}
}

// A member with an empty dynamic file does not continue alone with its ensemble's data.
func TestEmptyDynamicFile(t *testing.T) {
	for _, text := range []string{"", "# no server\n\n"} {
		path := write(t, map[string]string{"zoo.cfg": "dataDir=DIR\nclientPort=2181\ndynamicConfigFile=DIR/zoo.cfg.dynamic.2f\n",
			"zoo.cfg.dynamic.2f": text, "myid": "1"})
		c, _, err := Load(path, nil)
		if err == nil || !strings.Contains(err.Error(), "zoo.cfg.dynamic.2f: the file has no server.N line") {
			t.Errorf("%q: %+v, %v", text, c, err)
		}
	}
}

func TestLoadEnsemble(t *testing.T) {
	path := write(t, map[string]string{
		"zoo.cfg":                   "dataDir=DIR\ninitLimit=10\nsyncLimit=5\nreconfigEnabled=true\ndynamicConfigFile=DIR/zoo.cfg.dynamic.200000005\n",
		"myid":                      "3\n",
		"zoo.cfg.dynamic.200000005": three,
		"zoo.cfg.dynamic.next":      three + "\nversion=200000009",
	})
	c, warnings, err := Load(path, nil)
	if err != nil || len(warnings) != 0 {
		t.Fatal(err, warnings)
	}
	if !c.Distributed() || c.ServerID != 3 || c.Client != (HostPort{"127.0.0.1", 2183}) || !c.ReconfigEnabled {
		t.Errorf("%+v", c)
	}
	if got := c.Verifier.String(); got != three+"\nversion=200000005" {
		t.Errorf("verifier:\n%s", got)
	}
	if c.LastSeen == nil || c.LastSeen.Version() != 0x200000009 {
		t.Errorf("last seen: %v", c.LastSeen)
	}
}

// zkctl.emulate comes from zoo.cfg, which wins, or from a system property with or without prefix.
func TestEmulate(t *testing.T) {
	for _, c := range []struct {
		line   string
		system Properties
		want   string
		err    string
	}{
		{"", nil, "3.0.0", ""}, // not set
		{"zkctl.emulate=3.8\n", nil, "3.8.6", ""},
		{"zkctl.emulate = 3.9\n", Properties{"zkctl.emulate": "3.8"}, "3.9.5", ""},
		{"", Properties{"zkctl.emulate": "3.8.0"}, "3.8.0", ""},
		{"", Properties{"zookeeper.zkctl.emulate": "3.9.0"}, "3.9.0", ""},
		{"zkctl.emulate=3.7\n", nil, "", `line 3: zkctl.emulate=3.7: cannot emulate ZooKeeper "3.7"; use 3.8, 3.9,`},
		{"zkctl.emulate=\n", nil, "", `line 3: zkctl.emulate=: cannot emulate ZooKeeper "";`},
		{"", Properties{"zkctl.emulate": "4"}, "", `-Dzkctl.emulate=4: cannot emulate ZooKeeper "4";`},
	} {
		path := write(t, map[string]string{"zoo.cfg": "dataDir=DIR\nclientPort=2181\n" + c.line})
		cfg, warnings, err := Load(path, c.system)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q %v: %v, want %q", c.line, c.system, err, c.err)
			}
		case err != nil || len(warnings) > 0 || cfg.Emulate.String() != c.want:
			t.Errorf("%q %v: %v %v %v, want %s", c.line, c.system, cfg, warnings, err, c.want)
		}
	}
}
