package verb

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/ui"
)

// sample is a verb that prints what it was given.
func sample(s *ui.Streams) *cobra.Command {
	c := &cobra.Command{Use: "sample COMMAND", Short: "an example", RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	sub := &cobra.Command{Use: "show FILE", Short: "show it", RunE: func(c *cobra.Command, args []string) error {
		json, _ := c.Flags().GetBool("json")
		depth, _ := c.Flags().GetInt("depth")
		output, _ := c.Flags().GetString("output")
		if len(args) == 0 {
			return errors.New("a file is missing")
		}
		fmt.Fprint(s.Out, json, depth, output, args)
		return nil
	}}
	sub.Flags().BoolP("json", "j", false, "as `form` of JSON")
	sub.Flags().IntP("depth", "d", 1, "how `n` deep")
	sub.Flags().StringP("output", "o", "text", "`format`")
	sub.Flags().String("since", "", "from a `time` on")
	sub.Flags().String("from", "", "read the `file`")
	sub.Flags().String("in", "", "read the files of the `folder`")
	sub.ValidArgsFunction = Files(0, 0)
	_ = sub.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	c.AddCommand(sub)
	return c
}

func TestRun(t *testing.T) {
	for line, want := range map[string]string{
		"show x":                 "false 1text[x]",
		"show -json x":           "true 1text[x]",
		"show --json -depth 3 x": "true 3text[x]",
		"show -depth=3 x":        "false 3text[x]",
		"show -d -1 x":           "false -1text[x]",
		"show -j -o json x y":    "true 1json[x y]",
		"show -- -json":          "false 1text[-json]",
		"show -o -json x":        "false 1-json[x]",
		"-help":                  "an example\n\nUsage: sample COMMAND",
		"show -help":             "show it\n\nUsage: sample show FILE",
	} {
		var out bytes.Buffer
		err := Run(t.Context(), sample, &ui.Streams{In: strings.NewReader(""), Out: &out, Err: &out, Width: 60}, strings.Fields(line), nil)
		if err != nil || !strings.HasPrefix(out.String(), want) {
			t.Errorf("%s: %v, %q", line, err, out.String())
		}
	}
	var out bytes.Buffer
	s := &ui.Streams{Out: &out, Err: &out}
	shared := map[string]string{"output": "json", "yes": "true"}
	if err := Run(t.Context(), sample, s, []string{"show", "x"}, shared); err != nil || out.String() != "false 1json[x]" {
		t.Errorf("%v, %q", err, out.String())
	}
	if err := Run(t.Context(), sample, s, []string{"show", "-frob"}, nil); err == nil || out.String() != "false 1json[x]" {
		t.Errorf("%v, %q", err, out.String())
	}
}

func TestComplete(t *testing.T) {
	for _, test := range []struct {
		line  string // the last word is the one to complete
		want  []string
		place Place
	}{
		{"s", []string{"show"}, Nothing},
		{"show ", nil, AFile},
		{"show x ", nil, Nothing},
		{"show --since ", nil, Nothing},
		{"show --from ", nil, AFile},
		{"show --from=", nil, AFile},
		{"show -in ", nil, AFolder},
		{"n", nil, Nothing},
		{"h", nil, Nothing},
		{"show --de", []string{"--depth"}, Nothing},
		{"show -de", []string{"-depth"}, Nothing},
		{"show -o ", []string{"text", "json"}, Nothing},
		{"show -output j", []string{"text", "json"}, Nothing},
	} {
		words := strings.Split(test.line, " ")
		list, place := Complete(sample, words[:len(words)-1], words[len(words)-1])
		var texts []string
		for _, c := range list {
			texts = append(texts, c.Text)
			if strings.Contains(c.Help, "`") {
				t.Errorf("help %q", c.Help)
			}
		}
		if !slices.Equal(texts, test.want) || place != test.place {
			t.Errorf("%q: %q, place %v", test.line, texts, place)
		}
	}
}
