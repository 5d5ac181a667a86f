// Package version says which build of zkctl this is.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
)

// Set by the linker (see the Makefile). Builds without it, such as "go install", use what the Go
// toolchain recorded.
var (
	Version string // the release, "v1.2.3" or "v1.2.3-4-gabcdef0"
	Commit  string // the full commit, with "-dirty" if files differed from it
	Date    string // the commit time, RFC 3339, so that builds are reproducible
)

var fill = sync.OnceFunc(func() {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	fillFrom(info)
})

func fillFrom(info *debug.BuildInfo) {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if Version == "" && info.Main.Version != "" && info.Main.Version != "(devel)" {
		Version = info.Main.Version
	}
	if Version == "" {
		Version = "devel"
	}
	if Commit == "" {
		Commit = settings["vcs.revision"]
		if Commit != "" && settings["vcs.modified"] == "true" {
			Commit += "-dirty"
		}
	}
	if Date == "" {
		Date = settings["vcs.time"]
	}
}

// Release returns only the version: "v1.2.3", or "devel" if not known.
func Release() string {
	fill()
	return Version
}

// CommitDate returns the time of the commit, RFC 3339, or "" if not known.
func CommitDate() string {
	fill()
	return Date
}

// String returns the output of zkctl --version, without the line end: "zkctl v1.2.3 (commit
// 0123456789ab, 2026-01-02T03:04:05Z, go1.26.0, linux/amd64)". Unknown parts are omitted.
func String() string {
	fill()
	text := "zkctl " + Version + " ("
	if Commit != "" {
		text += "commit " + short(Commit) + ", "
	}
	if Date != "" {
		text += Date + ", "
	}
	return text + fmt.Sprintf("%s, %s/%s)", runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func short(commit string) string {
	const dirty = "-dirty"
	if n := len(commit) - len(dirty); n > 12 && commit[n:] == dirty {
		return commit[:12] + dirty
	}
	return commit[:min(len(commit), 12)]
}
