package localserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
)

// Logs without a snapshot are accepted if they start with the first transaction, or if
// snapshot.trust.empty declares them complete, as for an upgrade from ZooKeeper 3.4. From then on
// there is a snapshot. The last column is whether Apache ZooKeeper starts.
func TestTrustEmptySnapshot(t *testing.T) {
	const lost = "and the logs start at 0x38; everything before is lost"
	for _, c := range []struct {
		name   string
		remove []string
		trust  bool
		say    string
		apache bool
	}{
		{"all logs", []string{"snapshot.0"}, false, "", false},
		{"all logs, trusted", []string{"snapshot.0"}, true, "", true},
		{"the last log", []string{"snapshot.0", "log.1"}, false, lost, false},
		{"the last log, trusted", []string{"snapshot.0", "log.1"}, true, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			prepare := func() string {
				dir := damaged(t, "", nil)
				for _, name := range c.remove {
					if err := os.Remove(filepath.Join(dir, "version-2", name)); err != nil {
						t.Fatal(err)
					}
				}
				return dir
			}
			dir := prepare()
			opt := Options{DataDir: dir, Log: &strings.Builder{}}
			if c.trust {
				opt.Properties = map[string]string{"snapshot.trust.empty": "true"}
			}
			e, err := Start(t.Context(), opt)
			if c.say != "" {
				if err == nil {
					e.Close()
					t.Fatal("it starts")
				}
				for _, want := range []string{c.say, "snapshot.trust.empty=true accepts the logs as complete"} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%v, without %q", err, want)
					}
				}
			} else {
				if err != nil {
					t.Fatal(err)
				}
				write(t, e, "/after")
				if err := e.Close(); err != nil {
					t.Fatal(err)
				}
				const warning = "No snapshot found, but there are log entries."
				if log := opt.Log.(*strings.Builder).String(); strings.Contains(log, warning) != c.trust {
					t.Errorf("the log warns: %t\n%s", !c.trust, log)
				}
				if _, err := os.Stat(filepath.Join(dir, "version-2", "snapshot.72")); err != nil {
					t.Error(err)
				}
				e := New(t, Options{DataDir: dir})
				has(t, e, "/after")
			}
			t.Run("apache", func(t *testing.T) {
				opt := apache.Options{Dir: prepare()}
				if c.trust {
					opt.JVM = []string{"-Dzookeeper.snapshot.trust.empty=true"}
				}
				s, err := apachetest.Require(t).Start(t.Context(), opt)
				if err == nil {
					err = s.Stop()
				} else if c.apache {
					t.Error(err)
				}
				if err == nil && !c.apache {
					t.Error("Apache ZooKeeper starts")
				}
			})
		})
	}
}
