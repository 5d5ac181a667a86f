package apache

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Launch describes a server that is run as zkServer.sh runs it: with the heap, the garbage collector and the
// environment that its operator chose.
type Launch struct {
	Config string   // the path of zoo.cfg; log4j.properties and logback.xml beside it are used
	JVM    []string // options; later ones override earlier ones
	Work   string   // a private folder for files that the JVM reads when it starts
}

// Command prepares the server's process. If no logging is configured beside zoo.cfg, the server logs to stdout.
func (in *Installation) Command(l Launch) (*exec.Cmd, error) {
	folder := filepath.Dir(l.Config)
	options := []string{"-Dfile.encoding=UTF-8", "-XX:+ExitOnOutOfMemoryError"}
	for name, of := range map[string]struct{ option, text string }{
		"log4j.properties": {"-Dlog4j.configuration=" + fileURL(filepath.Join(l.Work, "log4j.properties")), log4jConfig},
		"logback.xml":      {"-Dlogback.configurationFile=" + filepath.Join(l.Work, "logback.xml"), logbackConfig},
	} {
		if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(l.Work, name), []byte(of.text), 0o600); err != nil {
			return nil, fmt.Errorf("start ZooKeeper: %w", err)
		}
		options = append(options, of.option)
	}
	options = append(options, l.JVM...)
	args := options
	if in.takesArgFiles() {
		file := filepath.Join(l.Work, jvmOptions)
		if err := os.WriteFile(file, argFile(options), 0o600); err != nil {
			return nil, fmt.Errorf("start ZooKeeper: %w", err)
		}
		args = []string{"@" + file}
	}
	classPath := append([]string{folder}, in.ServerClassPath...)
	if more := os.Getenv("CLASSPATH"); more != "" {
		classPath = append(classPath, more)
	}
	return exec.Command(in.Java, append(args, "-cp", strings.Join(classPath, string(os.PathListSeparator)),
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", l.Config)...), nil
}
