package answer

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// ofSource are the answers of a release that were written after its source.
func ofSource(t testing.TB, release string) map[string][]byte {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join("testdata/source", release+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range a.Files {
		files[f.Name] = f.Data
	}
	return files
}

// What each release answers is read alike.
func TestReleases(t *testing.T) {
	for release, want := range map[string]struct {
		mode     string
		avg      float64
		zxid     Hex
		sessions Opt[int64] // of mntr
		uptime   Opt[int64]
		peer     string
		member   int64
	}{
		"3.4.14": {"follower", 7, 0x20000013b, Opt[int64]{}, Opt[int64]{}, "", 1},
		"3.5.10": {"leader", 7, 0x20000013b, Opt[int64]{}, Opt[int64]{}, "", 2},
		"3.6.4":  {"follower", 7.4727, 0x20000013b, Some[int64](3), Some[int64](1323502), "followıng - broadcast", 3},
		"3.7.2":  {"read-only", 0, 0x20000010a, Some[int64](3), Some[int64](1323502), "", 4},
		"3.9.4":  {"observer", 7.4727, 0x20000013b, Some[int64](3), Some[int64](1323502), "observing - broadcast", 6},
		"3.10.0": {"follower", 7.4727, 0x20000013b, Some[int64](3), Some[int64](1323502), "following - broadcast", 5},
	} {
		files := ofSource(t, release)
		s, err := ParseSrvr(files["srvr"])
		if err != nil || s.Mode != want.mode || s.LatencyAvg != Some(want.avg) || s.Zxid != Some(want.zxid) || !strings.HasPrefix(s.Version, release) ||
			s.Outstanding != Some[int64](1) || s.ReadOnly != (want.mode == "read-only") || s.Uptime.Known() {
			t.Errorf("%s: %+v, %v", release, s, err)
		}
		m, err := ParseMntr(files["mntr"])
		if err != nil || m.Int("zk_global_sessions") != want.sessions || m.Int("zk_uptime") != want.uptime || m.Text("zk_peer_state") != want.peer ||
			m.Text("zk_server_state") != want.mode || m.Int("zk_watch_count") != Some[int64](2) {
			t.Errorf("%s: %+v, %v", release, m, err)
		}
		c, err := ParseSettings(files["conf"])
		if err != nil || whole(c.Get("serverId")) != Some(want.member) || (c.Membership == "") != slices.Contains([]string{"3.4.14", "3.7.2"}, release) {
			t.Errorf("%s: %+v, %v", release, c, err)
		}
		conns, err := ParseCons(files["cons"])
		if err != nil || len(conns) != 3 || conns[0].LastZxid != Some(Hex(-1)) || conns[0].LastOp != "PING" || conns[1].Address != "[::1]:46642" ||
			conns[1].LastCxid.Known() || conns[2].Address != "[fe80::1:2:3:4%eth0]:33574" || conns[2].Session.Known() {
			t.Errorf("%s: %+v, %v", release, conns, err)
		}
		for name, text := range files {
			command, isAdmin := strings.CutSuffix(name, ".json")
			if w := WordOf(name); w != nil {
				if v, err := w.Text(text); err != nil {
					t.Errorf("%s: %s: %v", release, name, err)
				} else if _, err := json.Marshal(v); err != nil {
					t.Errorf("%s: %s: %v", release, name, err)
				}
			}
			if !isAdmin {
				continue
			}
			o, err := ParseAdmin(text)
			var failed *AdminError
			if err != nil && !(errors.As(err, &failed) && slices.Contains([]string{"unserved", "unauthorized"}, command)) {
				t.Errorf("%s: %s: %v", release, command, err)
			}
			switch command {
			case "server_stats":
				admin := o.Srvr()
				if admin.Uptime.Known() != want.uptime.Known() {
					t.Errorf("%s: uptime %v", release, admin.Uptime)
				}
				admin.Uptime, admin.Received, admin.Sent = Opt[int64]{}, s.Received, s.Sent
				if !reflect.DeepEqual(admin, s) {
					t.Errorf("%s: the AdminServer tells %+v, srvr %+v", release, admin, s)
				}
			case "monitor":
				if got := o.Metrics(); got.Int("zk_global_sessions") != want.sessions || got.Int("zk_max_latency") != Some[int64](281) || got.Text("zk_server_state") != want.mode {
					t.Errorf("%s: %+v", release, got)
				}
			case "configuration":
				if o.ServerID() != Some(want.member) || o.ClientPort() != Some[int64](2181) {
					t.Errorf("%s: %v", release, o)
				}
			}
		}
	}
}

// What is no number stays a text, and is never 0.
func TestUnknownMetrics(t *testing.T) {
	m, err := ParseMntr(ofSource(t, "3.9.4")["mntr"])
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Opt[float64]{"zk_no_such_metric": {}, "zk_infinite": {}, "zk_another": Some(1.5e-4), "zk_a text": {}, "zk_missing": {}} {
		if got := m.Number(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	o, err := ParseAdmin(ofSource(t, "3.5.10")["connections.json"])
	if c := o.Connections(); err != nil || len(c) != 1 || c[0].Address != "10.0.0.7:33546" || c[0].Session != Some(Hex(0x30000221db90001)) || c[0].LastZxid != Some(Hex(-1)) {
		t.Errorf("%+v, %v", c, err)
	}
}
