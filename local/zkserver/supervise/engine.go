package supervise

import (
	"os/exec"
	"strings"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/tempdir"
)

// engine makes the process of a server.
type engine interface {
	command() (*exec.Cmd, error)
	// fatal returns the exit code of a server (org.apache.zookeeper.server.ExitCode) that cannot start before a person has
	// done something, or 0; code is that of its process.
	fatal(code int) int
	// reason finds in the end of a server's output why it exited, or returns "".
	reason(output string) string
	// dumps reports whether SIGQUIT has the server write its threads' stacks and continue.
	dumps() bool
	close()
}

type java struct {
	in     *apache.Installation
	launch apache.Launch
	work   *tempdir.Dir
}

func newJava(opt *Options) (engine, error) {
	in, err := apache.Find()
	if err != nil {
		return nil, err
	}
	work, err := tempdir.Make("supervise")
	if err != nil {
		return nil, err
	}
	return &java{in: in, work: work, launch: apache.Launch{Config: opt.Config, JVM: opt.JVM, Work: work.Path()}}, nil
}

func (j *java) command() (*exec.Cmd, error) { return j.in.Command(j.launch) }
func (j *java) fatal(code int) int {
	if code == exitInvalidConfig || code == exitNoDataDir {
		return code
	}
	return 0
}

// reason is about ports: what else may be wrong stands in the log in many ways.
func (j *java) reason(output string) (found string) {
	for line := range strings.Lines(output) {
		if at := strings.Index(line, "java.net.BindException"); at >= 0 {
			found = strings.TrimSpace(line[at:])
		}
	}
	return found
}

func (j *java) dumps() bool { return true }
func (j *java) close()      { _ = j.work.Remove() }

func newEngine(opt *Options) (engine, error) {
	switch {
	case opt.engine != nil:
		return opt.engine, nil
	case opt.Engine == Apache:
		return newJava(opt)
	}
	return embedded{opt.Config, opt.ConfDir}, nil
}
