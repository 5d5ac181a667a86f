package conformance

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/localserver"
)

var zkCliNoise = []*regexp.Regexp{
	regexp.MustCompile(`0x[0-9a-f]+`),
	regexp.MustCompile(`[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d [A-Z]\S* 20\d\d`),
	regexp.MustCompile(`127\.0\.0\.1:\d+`),
}

var zkCliEvent = regexp.MustCompile(`\nWatchedEvent state:\w+ type:\w+ path:.*\n`)

// TestZkCli types the lines that the command line's test uses to compare zkctl into Apache's zkCli,
// on the embedded server and on the real one, and compares the output.
func TestZkCli(t *testing.T) {
	in := apachetest.Require(t)
	const dir = "../../../cmd/testdata/zkcli"
	for _, file := range []string{"commands.txt", "names.txt", "rights.txt"} {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for line := range strings.Lines(string(text)) {
				line = strings.TrimSpace(line)
				switch word, rest, _ := strings.Cut(line, " "); {
				case line == "", line[0] == '#', word == "quit", word == "close":
				case word == "addauth" && !strings.Contains(rest, ":"):
					// The server hangs up; when zkCli notices is a matter of luck.
				default:
					lines = append(lines, line)
				}
			}
			server := apachetest.Test(t, apache.Options{JVM: []string{"-Dzookeeper.extendedTypesEnabled=true"}})
			want := typed(t, in, server.Addr(), lines)
			got := typed(t, in, localserver.New(t, localserver.Options{Emulate: likeApache}).ConnectString(), lines)
			a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
			for i := range max(len(a), len(b)) {
				if i >= len(a) || i >= len(b) || a[i] != b[i] {
					lo := max(0, i-5)
					t.Fatalf("line %d:\nApache ZooKeeper: %s\nthe embedded server: %s", i,
						strings.Join(a[min(lo, len(a)):min(i+4, len(a))], "\n\t"), strings.Join(b[min(lo, len(b)):min(i+4, len(b))], "\n\t"))
				}
			}
		})
	}
}

func typed(t *testing.T, in *apache.Installation, addr string, lines []string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), clientsTime)
	defer cancel()
	cmd := in.ZkCliCommand(ctx, "-server", addr, "-waitforconnection")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\nquit\n")
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	text := apache.WithoutChatter(string(out))
	for _, noise := range zkCliNoise {
		text = noise.ReplaceAllString(text, "…")
	}
	// ZKUtil.deleteInBatch reports that it is done before it reports that it failed.
	text = strings.ReplaceAll(text, "Failed to delete some node(s) in the subtree!\n", "")
	// Another thread prints the events, at any point.
	events := zkCliEvent.FindAllString(text, -1)
	slices.Sort(events)
	text = strings.ReplaceAll(zkCliEvent.ReplaceAllString(text, ""), "\nWATCHER::\n", "")
	return strings.ReplaceAll(text, "\n\n", "\n") + strings.Join(events, "")
}
