package localserver_test

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver"
)

// conn stands for the client of README.md's reader.
type conn struct {
	t testing.TB
	*client.Conn
}

func connect(t testing.TB, servers string) *conn {
	t.Helper()
	c, err := client.Open(client.Config{Servers: servers, SessionTimeout: 10 * time.Second, Wait: true, RequestTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &conn{t, c}
}

// Create retries until the znode exists.
func (c *conn) Create(path string, mode proto.CreateMode) error {
	for {
		_, _, err := c.Conn.Create(c.t.Context(), path, nil, proto.OpenACL, mode, 0)
		if err != proto.ErrConnectionLoss {
			return err
		}
	}
}

// passes runs a test of an example.
func passes(test func(*testing.T)) bool {
	all := func(_, _ string) (bool, error) { return true, nil }
	return testing.RunTests(all, []testing.InternalTest{{Name: "TestMine", F: test}})
}

func TestLeaderDies(t *testing.T) {
	ensemble := localserver.New(t, localserver.Options{Size: 3}) // stops when the test ends
	client := connect(t, ensemble.ConnectString())               // yours
	leader, err := ensemble.WaitLeader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := leader.Kill(); err != nil { // or Pause, Stop, Restart; ensemble.Kill() kills all
		t.Fatal(err)
	}
	if err := client.Create("/after", 0); err != nil {
		t.Error(err)
	}
}

// TestDocumentedCode checks that the Go code in README.md and docs/localserver.md is what is
// compiled and run here.
func TestDocumentedCode(t *testing.T) {
	var compiled []string
	for _, file := range []string{"readme_test.go", "example_test.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		compiled = append(compiled, flat(string(text)))
	}
	for file, least := range map[string]int{"../README.md": 1, "../docs/localserver.md": 5} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), -1)
		if len(blocks) < least {
			t.Errorf("%s has %d blocks of Go, want %d at least", file, len(blocks), least)
		}
		for _, block := range blocks {
			code := flat(string(block[1]))
			if !slices.ContainsFunc(compiled, func(have string) bool { return strings.Contains(have, code) }) {
				t.Errorf("%s has code that no test or example here has:\n%s", file, block[1])
			}
		}
	}
}

// flat returns code without indentation and line ends.
func flat(code string) string {
	var words []string
	for line := range strings.Lines(code) {
		words = append(words, strings.Fields(line)...)
	}
	return strings.Join(words, " ")
}
