package replica

import (
	"io"
	"os"
	"os/user"
	"runtime"
	"runtime/metrics"
	"strconv"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/release"
	"github.com/zkctl/zkctl/internal/version"
)

// Version is the version of a server that emulates r, as ZooKeeper prints it
// (Version.getFullVersion): "3.9.5-v1.2.3, built on 2026-01-02 03:04 UTC".
func Version(r release.Release) string { return r.String() + "-" + build() }

// build identifies the build of zkctl, in place of Apache ZooKeeper's commit.
var build = sync.OnceValue(func() string {
	_ = version.String() // sets the variables read below
	built, err := time.Parse(time.RFC3339, version.Date)
	if err != nil {
		// If the build does not know its commit's date, use that of the executable.
		if program, err := os.Executable(); err == nil {
			if info, err := os.Stat(program); err == nil {
				built = info.ModTime()
			}
		}
	}
	return version.Version + ", built on " + built.UTC().Format("2006-01-02 15:04 MST")
})

const notApplicable = "<NA>" // for what only Java has, too

type setting struct{ name, value string }

// environment is Environment.list.
func (s *Replica) environment() []setting {
	or := func(value string, err error) string {
		if err != nil || value == "" {
			return notApplicable
		}
		return value
	}
	name := notApplicable
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	free, most, total := memory()
	mb := func(n uint64) string { return strconv.FormatUint(n>>20, 10) + "MB" }
	return []setting{
		{"zookeeper.version", Version(s.emulated())},
		{"host.name", or(os.Hostname())},
		{"java.version", notApplicable}, {"java.vendor", notApplicable}, {"java.home", notApplicable},
		{"java.class.path", notApplicable}, {"java.library.path", notApplicable},
		{"java.io.tmpdir", os.TempDir()}, {"java.compiler", runtime.Version()},
		{"os.name", javaOS()}, {"os.arch", runtime.GOARCH}, {"os.version", or(osVersion())},
		{"user.name", name}, {"user.home", or(os.UserHomeDir())}, {"user.dir", or(os.Getwd())},
		{"os.memory.free", mb(free)}, {"os.memory.max", mb(most)}, {"os.memory.total", mb(total)},
	}
}

// javaOS is the operating system's name in Java's spelling.
func javaOS() string {
	switch runtime.GOOS {
	case "linux":
		return "Linux"
	case "darwin":
		return "Mac OS X"
	case "windows":
		return "Windows"
	}
	return runtime.GOOS
}

// memory returns, in bytes, the free part of the process's memory, the most it may use, and its
// total.
func memory() (free, most, total uint64) {
	const all, released, objects, limit = "/memory/classes/total:bytes", "/memory/classes/heap/released:bytes",
		"/memory/classes/heap/objects:bytes", "/gc/gomemlimit:bytes"
	samples := []metrics.Sample{{Name: all}, {Name: released}, {Name: objects}, {Name: limit}}
	metrics.Read(samples)
	value := func(i int) uint64 {
		if samples[i].Value.Kind() != metrics.KindUint64 {
			return 0
		}
		return samples[i].Value.Uint64()
	}
	total = value(0) - min(value(0), value(1))
	return total - min(total, value(2)), value(3), total
}

func (s *Replica) wordEnvi(_ *conn, w io.Writer) {
	_, _ = io.WriteString(w, "Environment:\n")
	for _, e := range s.environment() {
		_, _ = io.WriteString(w, e.name+"="+e.value+"\n")
	}
}
