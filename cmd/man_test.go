package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// Every command that help lists has a manual page, and every page referred to exists.
func TestManPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	s := &ui.Streams{In: strings.NewReader(""), Out: &strings.Builder{}, Err: &strings.Builder{}}
	if code := Execute(t.Context(), []string{"man", dir}, s); code != 0 {
		t.Fatalf("exit code %d: %s", code, s.Err)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	main := read("zkctl")
	for _, word := range []string{`\-server`, `\-waitforconnection`, "txnlog", "zkctl \\-\\-local"} {
		if !strings.Contains(main, word) {
			t.Errorf("zkctl.1 does not mention %s", word)
		}
	}
	for _, c := range commands.All {
		if c.Group != command.ShellCmd && !strings.Contains(read("zkctl-"+c.Name), `\- `) {
			t.Errorf("the page of %s has no name line", c.Name)
		}
	}
	a := newApp(s)
	for _, p := range a.manPages() {
		for _, other := range p.SeeAlso {
			read(other)
		}
		if p.Short == "" || len(p.Sections) == 0 {
			t.Errorf("%s says nothing", p.Name)
		}
	}
	read("zkctl-txnlog-dump")
	read("zkctl-local-start")
}
