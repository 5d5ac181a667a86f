package ensembles

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/localserver"
)

// TestKazoo runs the Python client on an ensemble that fails at its request.
func TestKazoo(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"/usr/bin/python3", "/usr/lib/python3/dist-packages/kazoo/client.py"} {
		if _, err := os.Stat(file); err != nil {
			apachetest.Missing(t, fmt.Errorf("%w; install Debian's package python3-kazoo", err))
		}
	}
	s := begin(t, localserver.Options{Size: 3, Observers: 1}, "readonlymode.enabled=true", "skipACL=yes")
	s.awaitAll()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/usr/bin/python3", "testdata/ensemble.py")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var parts []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		switch word, rest, _ := strings.Cut(lines.Text(), " "); word {
		case "ok":
			parts = append(parts, rest)
		case "please":
			fmt.Fprintln(in, s.please(rest))
		default:
			t.Errorf("it says %q", lines.Text())
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v after %v\n%s", err, parts, errOut.String())
	}
	if got := strings.Join(parts, " "); got != "reconfig failover moves read_only" {
		t.Errorf("what went well: %s", got)
	}
}

// please does what a client's test requests to the ensemble, and answers.
func (s *subject) please(request string) string {
	s.t.Helper()
	verb, arg, _ := strings.Cut(request, " ")
	switch verb {
	case "members":
		var list []string
		for _, m := range s.Members() {
			list = append(list, fmt.Sprintf("%d=%s", m.ID(), m.Addr()))
		}
		return strings.Join(list, " ")
	case "kill":
		m := s.awaitAll()
		s.kill(m)
		return fmt.Sprint(m.ID())
	case "start":
		id, _ := strconv.ParseInt(arg, 10, 64)
		s.start(s.Member(id))
		s.awaitAll()
	case "partition":
		m := s.others(s.awaitAll())[0]
		if err := s.Partition([]int64{m.ID()}); err != nil {
			s.t.Error(err)
		}
		s.await("the member is read-only", func() bool { return s.role(m) == "read-only" })
		return fmt.Sprint(m.ID())
	case "heal":
		s.HealAll()
	default:
		s.t.Errorf("the client's test wants %q", request)
	}
	return "done"
}
