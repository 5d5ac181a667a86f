package apachetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/filelock"
)

// archives lets the JVMs of tests map class data from archives (JEP 350), which halves what their
// starts cost. The first test binary on a machine makes the archives; others that start meanwhile
// do without. They belong to one Java and one set of jars, and lie in the user's cache: who could
// write to them could run code.
func archives(in *apache.Installation) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return
	}
	dir := filepath.Join(cache, "zkctl-tests", "classes-"+archiveKey(in))
	server, tool := filepath.Join(dir, "server.jsa"), filepath.Join(dir, "tool.jsa")
	if _, err := os.Stat(tool); err != nil { // it is made last
		if os.MkdirAll(dir, 0o700) != nil {
			return
		}
		lock, err := filelock.Try(filepath.Join(dir, "lock"))
		if err != nil {
			return
		}
		defer lock.Close()
		if makeArchives(in, server, tool) != nil { // Java 8 cannot
			return
		}
	}
	in.ServerJVM = mapped(server)
	in.ToolJVM = append(in.ToolJVM, mapped(tool)...)
}

// mapped are the options that map an archive, without a word if it does not fit.
func mapped(archive string) []string {
	return []string{"-XX:SharedArchiveFile=" + archive, "-Xlog:disable"}
}

// archiveKey differs if Java or a jar is another one.
func archiveKey(in *apache.Installation) string {
	h := sha256.New()
	java, _ := filepath.EvalSymlinks(in.Java)
	for _, file := range append(append([]string{java}, in.ServerClassPath...), in.ToolClassPath...) {
		if info, err := os.Stat(file); err == nil {
			fmt.Fprintln(h, file, info.Size(), info.ModTime().UnixNano())
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// makeArchives runs a server and zkCli, whose JVMs write the classes that they have loaded as they end.
func makeArchives(in *apache.Installation, server, tool string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	apaches := *in
	apaches.Instead = nil
	s, err := apaches.Start(ctx, apache.Options{JVM: []string{"-XX:ArchiveClassesAtExit=" + server, "-Xlog:disable"}})
	if err != nil {
		return err
	}
	apaches.ToolJVM = append(apaches.ToolJVM[:len(apaches.ToolJVM):len(apaches.ToolJVM)], "-XX:ArchiveClassesAtExit="+tool+".new", "-Xlog:disable")
	_, _, _, err = apaches.ZkCli(ctx, "-server", s.Addr(), "-waitforconnection", "ls", "-s", "/")
	if stopErr := s.Stop(); err == nil {
		err = stopErr
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(server); err != nil {
		return err
	}
	return os.Rename(tool+".new", tool)
}
