// Package apache finds and runs a real Apache ZooKeeper, so that tests, the demo and benchmarks can
// compare zkctl with it, and localserver can have such members.
//
// The jars come from Debian's package zookeeper, or from the unpacked release of Apache ZooKeeper
// in ZOOKEEPER_HOME.
package apache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/lazyre"
)

// DebianJars is the folder in which Debian installs Java packages.
const DebianJars = "/usr/share/java"

// Installation is a Java runtime and the jars of one Apache ZooKeeper.
type Installation struct {
	// Version is the release, such as "3.8.0", or "" if the names of the jars do not contain it.
	Version string

	// Java is the path of the java program.
	Java string

	// ServerClassPath is the class path of a server, with log4j or logback for its log.
	ServerClassPath []string

	// ToolClassPath is the class path of Apache's command-line tools. It has no logging back end,
	// so that stdout and stderr contain only what they print.
	ToolClassPath []string

	// ToolJVM are the JVM options for tools. Find chooses options for a short-lived process; clear
	// it to measure the JVM's defaults, as zkCli.sh uses them.
	ToolJVM []string

	// ServerJVM are more JVM options for servers, before those of Options.JVM.
	ServerJVM []string

	// Instead, if not nil, returns the command of a server that replaces Apache's, for a zoo.cfg
	// and JVM options.
	Instead func(config string, jvm []string) *exec.Cmd
}

// Find locates Java and Apache ZooKeeper: the jars in $ZOOKEEPER_HOME/lib if that variable is set,
// otherwise Debian's. The error says what is missing and how to get it.
func Find() (*Installation, error) { return FindIn("") }

// FindIn locates Java and the unpacked release of Apache ZooKeeper in the folder home; for "" it is
// Find.
func FindIn(home string) (*Installation, error) {
	in := &Installation{ToolJVM: []string{"-Xmx256m", "-XX:TieredStopAtLevel=1"}}
	var err error
	if in.Java, err = findJava(); err != nil {
		return nil, err
	}
	env := os.Getenv("ZOOKEEPER_HOME")
	switch {
	case home != "":
		err = in.findRelease(home)
	case env != "":
		if err = in.findRelease(env); err != nil {
			err = fmt.Errorf("ZOOKEEPER_HOME: %w", err)
		}
	default:
		err = in.findDebian(DebianJars)
	}
	if err != nil {
		return nil, err
	}
	return in, nil
}

func findJava() (string, error) {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		name := "java"
		if runtime.GOOS == "windows" {
			name = "java.exe"
		}
		java := filepath.Join(home, "bin", name)
		if _, err := os.Stat(java); err == nil {
			return java, nil
		}
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return "", errors.New("find Apache ZooKeeper: no java on PATH nor in JAVA_HOME; " +
			"install a Java runtime (Debian: apt-get install zookeeper)")
	}
	return java, nil
}

// findDebian names each jar: Debian's folder contains those of every Java package, and its 3.8.0
// needs more than zookeeper.jar's manifest lists, for logging (log4j) and TLS (the rest of netty).
func (in *Installation) findDebian(dir string) error {
	path := func(name string) string { return filepath.Join(dir, name+".jar") }
	var core, missing []string
	for _, name := range []string{"zookeeper", "zookeeper-jute", "slf4j-api"} {
		if _, err := os.Stat(path(name)); err != nil {
			missing = append(missing, path(name))
		}
		core = append(core, path(name))
	}
	if missing != nil {
		return fmt.Errorf("find Apache ZooKeeper: missing %s; install Debian's package zookeeper "+
			"or set ZOOKEEPER_HOME to an unpacked release", strings.Join(missing, ", "))
	}
	optional := func(names ...string) (found []string) {
		for _, name := range names {
			if _, err := os.Stat(path(name)); err == nil {
				found = append(found, path(name))
			}
		}
		return found
	}
	core = append(core, optional("netty-all", "netty-codec", "netty-resolver", "netty-transport-native-unix-common")...)
	logging := optional("slf4j-log4j12", "log4j-1.2")
	if len(logging) < 2 {
		logging = optional("logback-classic", "logback-core")
	}
	jars, _ := filepath.Glob(path("zookeeper-[0-9]*"))
	in.Version = versionOf(jars)
	in.ServerClassPath = append(append([]string{}, core...), logging...)
	in.ToolClassPath = append(append([]string{}, core...), optional("slf4j-nop")...)
	return nil
}

// versionOf returns the version in the name of ZooKeeper's own jar.
func versionOf(jars []string) string {
	for _, jar := range jars {
		if m := jarPattern().FindStringSubmatch(filepath.Base(jar)); m != nil {
			return m[1]
		}
	}
	return ""
}

var jarPattern = lazyre.New(`^zookeeper-(\d+\.\d+\.\d+.*)\.jar$`)

// findRelease uses every jar of an unpacked release.
func (in *Installation) findRelease(home string) error {
	jars, err := filepath.Glob(filepath.Join(home, "lib", "*.jar"))
	if err != nil {
		return fmt.Errorf("find Apache ZooKeeper in %s: %w", home, err)
	}
	in.Version = versionOf(jars)
	found := false
	for _, jar := range jars {
		name := filepath.Base(jar)
		if strings.HasPrefix(name, "zookeeper-") && !strings.HasPrefix(name, "zookeeper-jute") {
			found = true
		}
		in.ServerClassPath = append(in.ServerClassPath, jar)
		if !strings.HasPrefix(name, "logback") && !strings.HasPrefix(name, "slf4j-log4j") &&
			!strings.HasPrefix(name, "slf4j-reload4j") {
			in.ToolClassPath = append(in.ToolClassPath, jar)
		}
	}
	if !found {
		return fmt.Errorf("find Apache ZooKeeper in %s: no zookeeper-*.jar in its folder lib", home)
	}
	return nil
}

// JavaCommand prepares a run of a class from ZooKeeper's jars, such as
// org.apache.zookeeper.server.SnapshotFormatter. The JVM's locale is en_US.UTF-8, whatever the
// caller's; TZ is passed on.
func (in *Installation) JavaCommand(ctx context.Context, class string, args ...string) *exec.Cmd {
	jvm := append(append([]string{}, localeFlags...), in.ToolJVM...)
	jvm = append(jvm, "-cp", strings.Join(in.ToolClassPath, string(os.PathListSeparator)), class)
	cmd := exec.CommandContext(ctx, in.Java, append(jvm, args...)...)
	cmd.Env = javaEnv()
	return cmd
}

// ZkCliCommand prepares a run of zkCli with the given arguments. The caller sets its streams.
func (in *Installation) ZkCliCommand(ctx context.Context, args ...string) *exec.Cmd {
	return in.JavaCommand(ctx, "org.apache.zookeeper.ZooKeeperMain", args...)
}

// ZkCli runs zkCli with the given arguments and an empty stdin, and returns what it printed and its
// exit code. The text starts with zkCli's connection messages, which WithoutChatter removes. The
// error is nil if zkCli ran, whatever its exit code.
func (in *Installation) ZkCli(ctx context.Context, args ...string) (stdout, stderr string, exit int, err error) {
	var out, errOut bytes.Buffer
	cmd := in.ZkCliCommand(ctx, args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	var failed *exec.ExitError
	if errors.As(err, &failed) && failed.Exited() {
		return out.String(), errOut.String(), failed.ExitCode(), nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return out.String(), errOut.String(), -1, fmt.Errorf("run zkCli %s: %w", strings.Join(args, " "), err)
	}
	return out.String(), errOut.String(), 0, nil
}

// What zkCli prints of an event: two calls of println, on the event thread. Output of other threads
// may appear before, between and after them, even in the middle of a line, because an answer such
// as that of ls is printed piece by piece; but each of the two is written whole (PrintStream
// locks). 3.9 adds the zxid.
var (
	watcherPattern = lazyre.New(`\nWATCHER::\r?\n`)
	eventPattern   = lazyre.New(`\nWatchedEvent state:\w+ type:(\w+) path:`)
	stateEnd       = lazyre.New(`^null(?: zxid: -?\d+)?\r?\n`)
)

// WithoutChatter removes from zkCli's stdout the first line, "Connecting to …", and the events that
// report the connection's state, wherever they appear. It keeps events of znodes. It removes an
// event cut off after "WATCHER::" by the end of zkCli.
func WithoutChatter(stdout string) string {
	if strings.HasPrefix(stdout, "Connecting to ") {
		_, stdout, _ = strings.Cut(stdout, "\n")
	}
	var chatter [][]int // the ranges to remove
	watchers := watcherPattern().FindAllStringIndex(stdout, -1)
	for _, event := range eventPattern().FindAllStringSubmatchIndex(stdout, -1) {
		// A single thread prints the events, so each belongs to the first remaining WATCHER::.
		if len(watchers) == 0 || watchers[0][0] > event[0] {
			continue // data that looks like an event
		}
		if end := stateEnd().FindStringIndex(stdout[event[1]:]); stdout[event[2]:event[3]] == "None" && end != nil {
			chatter = append(chatter, watchers[0], []int{event[0], event[1] + end[1]})
		}
		watchers = watchers[1:]
	}
	chatter = append(chatter, watchers...)
	slices.SortFunc(chatter, func(a, b []int) int { return a[0] - b[0] })
	var kept strings.Builder
	at := 0
	for _, c := range chatter {
		kept.WriteString(stdout[at:c[0]])
		at = c[1]
	}
	return kept.String() + stdout[at:]
}

var localeFlags = []string{
	"-Duser.language=en", "-Duser.country=US",
	"-Dfile.encoding=UTF-8",
	"-Dzookeeper.jmx.log4j.disable=true",
}

// javaEnv sets a UTF-8 locale, without which the JVM cannot read non-ASCII arguments, and drops
// variables that make it print to stderr or change its options.
func javaEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "LC_ALL", "LANG", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH":
			continue
		}
		env = append(env, kv)
	}
	return append(env, "LC_ALL=C.UTF-8")
}
