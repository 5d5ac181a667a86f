package cmd

import (
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/local/zkserver"
)

// filePlaces are the words of a usage that stand for files.
var filePlaces = regexp.MustCompile(`FILE|DIR|SOURCE|SRC|DST|OLD|NEW|zoo\.cfg`)

// TestEveryPlaceOfEveryVerb walks the verbs with their subcommands and options, and those of zkctl
// itself: each is offered, and files only where a file is expected.
func TestEveryPlaceOfEveryVerb(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("afile", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("afolder", 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", t.TempDir())
	offered := func(words []string, word string) (texts []string) {
		a := newApp(&ui.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
		for _, s := range a.candidates(t.Context(), words, word).Suggestions {
			texts = append(texts, s.Text)
		}
		return texts
	}
	// files checks whether files are offered, and folders.
	files := func(words []string, wantFile, wantFolder bool) {
		t.Helper()
		got := offered(words, "")
		if slices.Contains(got, "afile") != wantFile || slices.Contains(got, "afolder"+string(os.PathSeparator)) != wantFolder {
			t.Errorf("zkctl %s <Tab> offers %q", strings.Join(words, " "), got)
		}
	}
	option := func(words []string, f *pflag.Flag) {
		t.Helper()
		if f.Hidden || f.Name == "help" {
			return
		}
		for _, dashes := range []string{"-", "--"} {
			if got := offered(words, dashes+f.Name[:1]); !slices.Contains(got, dashes+f.Name) && !(dashes == "-" && len(f.Name) == 1) {
				t.Errorf("zkctl %s %s%s<Tab> offers %q", strings.Join(words, " "), dashes, f.Name[:1], got)
			}
		}
		if f.NoOptDefVal == "" {
			value, _ := pflag.UnquoteUsage(f)
			files(append(words[:len(words):len(words)], "--"+f.Name), value == "file", value == "file" || value == "folder")
		}
	}
	a := newApp(&ui.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
	a.flags.VisitAll(func(f *pflag.Flag) { option(nil, f) })
	var walk func(c *cobra.Command, words []string)
	walk = func(c *cobra.Command, words []string) {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) { option(words, f) })
		var subs []string
		for _, sub := range c.Commands() {
			if !sub.IsAvailableCommand() {
				continue
			}
			subs = append(subs, sub.Name())
			walk(sub, append(words[:len(words):len(words)], sub.Name()))
		}
		if c.Name() == "server" {
			for _, own := range zkserver.Commands {
				name, _, _ := strings.Cut(own, "\t")
				subs = append(subs, name)
			}
		}
		if len(subs) > 0 {
			if got := offered(words, ""); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(subs))) {
				t.Errorf("zkctl %s <Tab> offers %q, not %q", strings.Join(words, " "), got, subs)
			}
			if c.Name() != "server" {
				return
			}
		}
		// The arguments, as the usage names them.
		usage := regexp.MustCompile(`\[?--?[a-z]+[^\]]*\]|-[a-zA-Z] [A-Z]\S*`).ReplaceAllString(c.Use, "")
		for i, place := range strings.Fields(usage)[1:] {
			if (c.Name() == "server" || c.Name() == "completion") && i == 0 {
				place = "COMMAND"
			}
			file := filePlaces.MatchString(place)
			files(words, file, file)
			words = append(words[:len(words):len(words)], "start")
		}
	}
	env := a.env()
	for _, v := range env.Listed() {
		walk(v.Tree(env), []string{v.Name})
	}
}

// A verb's znode argument completes on the servers that the options name.
func TestVerbsCompleteZnodes(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	server := apachetest.Shared(t).Addr()
	a := newApp(discard())
	r := a.candidates(t.Context(), []string{"-server", server, "session", "owner"}, "/zookeeper/q")
	if len(r.Suggestions) != 1 || r.Suggestions[0].Text != "/zookeeper/quota" {
		t.Errorf("%+v", r)
	}
}
