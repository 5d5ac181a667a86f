package completions

import (
	"os"
	"slices"
	"testing"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/command"
)

// TestLocations: all forms of a location are offered.
func TestLocations(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"afile", "a@b"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	servers := []Suggestion{{Text: "prod", Help: ProfileHelp}, {Text: "dev", Help: LocalHelp}, {Text: "zk1:2181,zk2:2181/app"}, {Text: "zk1:2181,zk2:2181"}}
	c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(newFakeTree("/node/kid", "/prose")), Servers: func() []Suggestion { return servers }})
	for line, want := range map[string][]string{
		"find ":             {"/node", "/prose"},
		"find /no":          {"/node"},
		"find no":           {"node"},
		"find pro":          {"prose", "prod:/"},
		"find de":           {"dev:/"},
		"find zk":           {"zk://"},
		"find zk://":        {"zk://zk1:2181,zk2:2181/"},
		"find fi":           {"file:"},
		"find file:a":       {"file:a%40b", "file:afile"},
		"grep x file:af":    {"file:afile"},
		"find prod:/":       nil,
		"find file:afile:/": nil,
	} {
		if got := texts(c.Complete(testContext(t), line, len(line), "/")); !slices.Equal(got, want) {
			t.Errorf("%q offers %q, not %q", line, got, want)
		}
	}
}
