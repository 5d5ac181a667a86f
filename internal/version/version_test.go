package version

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestString(t *testing.T) {
	platform := runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")"
	info := func(main string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: main}, Settings: settings}
	}
	set := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	for name, test := range map[string]struct {
		version, commit, date string
		info                  *debug.BuildInfo
		want                  string
	}{
		"set by the linker": {"v1.2.3", "0123456789abcdef", "2026-01-02T03:04:05Z", info("(devel)", set("vcs.revision", "x")),
			"zkctl v1.2.3 (commit 0123456789ab, 2026-01-02T03:04:05Z, " + platform},
		"set by the linker, dirty": {"v1.2.3", "0123456789abcdef-dirty", "", info(""),
			"zkctl v1.2.3 (commit 0123456789ab-dirty, " + platform},
		"go install": {"", "", "", info("v1.2.4"), "zkctl v1.2.4 (" + platform},
		"go build": {"", "", "", info("(devel)", set("vcs.revision", "0123456789abcdef"), set("vcs.modified", "true"), set("vcs.time", "T")),
			"zkctl devel (commit 0123456789ab-dirty, T, " + platform},
		"nothing known": {"", "", "", info(""), "zkctl devel (" + platform},
	} {
		t.Run(name, func(t *testing.T) {
			fill()
			Version, Commit, Date = test.version, test.commit, test.date
			fillFrom(test.info)
			if got := String(); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
