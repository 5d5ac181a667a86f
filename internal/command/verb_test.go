package command

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/ui"
)

// sample is a verb that prints what it was given.
var sample = Verb{Name: "sample", Short: "an example", New: newSample}

func newSample(env *Env) *cobra.Command {
	s := env.Streams
	c := &cobra.Command{Use: "sample COMMAND", RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	sub := &cobra.Command{Use: "show FILE", Short: "show it", RunE: func(c *cobra.Command, args []string) error {
		json, _ := c.Flags().GetBool("json")
		depth, _ := c.Flags().GetInt("depth")
		output, _ := c.Flags().GetString("output")
		if len(args) == 0 {
			return errors.New("a file is missing")
		}
		fmt.Fprint(s.Out, json, depth, output, args)
		if at, _ := c.Flags().GetString("at"); at != "" {
			fmt.Fprint(s.Out, at)
		}
		return nil
	}}
	sub.Flags().BoolP("json", "j", false, "as `form` of JSON")
	sub.Flags().IntP("depth", "d", 1, "how `n` deep")
	sub.Flags().StringP("output", "o", "text", "`format`")
	sub.Flags().String("since", "", "from a `time` on")
	sub.Flags().String("from", "", "read the `file`")
	sub.Flags().String("in", "", "read the files of the `folder`")
	sub.Flags().String("at", "", "look at the `path`")
	ZnodeFlag(sub, "at")
	sub.ValidArgsFunction = Takes(File, 0, 0)
	_ = sub.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	c.AddCommand(sub)
	return c
}

// shell is a Shell that does nothing.
type shell struct{ Shell }

func TestVerbRuns(t *testing.T) {
	for line, want := range map[string]string{
		"show x":                 "false 1text[x]",
		"show -json x":           "true 1text[x]",
		"show --json -depth 3 x": "true 3text[x]",
		"show -depth=3 x":        "false 3text[x]",
		"show -d -1 x":           "false -1text[x]",
		"show -j -o json x y":    "true 1json[x y]",
		"show -- -json":          "false 1text[-json]",
		"show -o -json x":        "false 1-json[x]",
		"show --at b x":          "false 1text[x]/a/b",
		"show -at=/b x":          "false 1text[x]/b",
		"-help":                  "an example\n\nUsage: zkctl sample COMMAND",
		"show -help":             "show it\n\nUsage: zkctl sample show FILE",
	} {
		var out bytes.Buffer
		err := sample.Run(t.Context(), &Env{Dir: "/a", Streams: &ui.Streams{In: strings.NewReader(""), Out: &out, Err: &out, Width: 60}}, strings.Fields(line))
		if err != nil || !strings.HasPrefix(out.String(), want) {
			t.Errorf("%s: %v, %q", line, err, out.String())
		}
	}
	var out bytes.Buffer
	inShell := &Env{Streams: &ui.Streams{Out: &out, Err: &out, Width: 60}, Shell: shell{}}
	if err := sample.Run(t.Context(), inShell, nil); err != nil || !strings.HasPrefix(out.String(), "an example\n\nUsage: sample COMMAND") {
		t.Errorf("in the shell: %v, %q", err, out.String())
	}
	out.Reset()
	s := &ui.Streams{Out: &out, Err: &out}
	if err := sample.Run(t.Context(), &Env{Streams: s, Output: ui.JSON, Yes: true}, []string{"show", "x"}); err != nil || out.String() != "false 1json[x]" {
		t.Errorf("%v, %q", err, out.String())
	}
	if err := sample.Run(t.Context(), &Env{Streams: s}, []string{"show", "-frob"}); err == nil || out.String() != "false 1json[x]" {
		t.Errorf("%v, %q", err, out.String())
	}
}

func TestVerbCompletes(t *testing.T) {
	for _, test := range []struct {
		line string // the last word is the one to complete
		want []string
		kind Kind
	}{
		{"s", []string{"show"}, Any},
		{"show ", nil, File},
		{"show x ", nil, Any},
		{"show --since ", nil, Any},
		{"show --from ", nil, File},
		{"show --at ", nil, Path},
		{"show --from=", nil, File},
		{"show -in ", nil, Folder},
		{"n", nil, Any},
		{"h", nil, Any},
		{"show --de", []string{"--depth"}, Any},
		{"show -de", []string{"-depth"}, Any},
		{"show -o ", []string{"text", "json"}, Any},
		{"show -output j", []string{"text", "json"}, Any},
		{"show --from -", nil, Any},
		{"show --depth x ", nil, Any},
		{"show --nosuch x ", nil, Any},
		{"show --depth 2 ", nil, File},
		{"show -- --nosuch", nil, File},
	} {
		words := strings.Split(test.line, " ")
		list, kind := silently(t, func() ([]Candidate, Kind) { return sample.Complete(&Env{}, words[:len(words)-1], words[len(words)-1]) })
		var texts []string
		for _, c := range list {
			texts = append(texts, c.Text)
			if strings.Contains(c.Help, "`") {
				t.Errorf("help %q", c.Help)
			}
		}
		if !slices.Equal(texts, test.want) || kind != test.kind {
			t.Errorf("%q: %q, kind %v", test.line, texts, kind)
		}
	}
}

// silently runs a completion, which must not print on the terminal.
func silently(t *testing.T, complete func() ([]Candidate, Kind)) ([]Candidate, Kind) {
	t.Helper()
	old := os.Stderr
	defer func() { os.Stderr = old }()
	var err error
	if os.Stderr, err = os.Create(filepath.Join(t.TempDir(), "stderr")); err != nil {
		t.Fatal(err)
	}
	defer os.Stderr.Close()
	list, kind := complete()
	if text, err := os.ReadFile(os.Stderr.Name()); err != nil || len(text) > 0 {
		t.Errorf("on the terminal: %s%v", text, err)
	}
	return list, kind
}

func TestReflow(t *testing.T) {
	const text = "Two lines\nof a paragraph.\n\nForms:\n  one    what it is, in more words than fit\n  three  short\n    indented text that is also too long"
	want := "Two lines of a paragraph.\n\nForms:\n  one    what it is, in more\n         words than fit\n  three  short\n    indented text that is also\n    too long"
	if got := Reflow(text, 30); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
