package verb

import (
	"context"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/internal/ui"
)

// Choice is a word that can come next.
type Choice struct {
	Text, Help string
	Open       bool // more of the word may follow
}

// Complete is what can stand in place of word, behind words, which are those behind the
// verb's name. files tells that a file can stand there.
func Complete(construct Constructor, words []string, word string) (list []Choice, files bool) {
	c := construct(&ui.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
	c.CompletionOptions.DisableDefaultCmd = true
	c.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	var out strings.Builder
	c.SetOut(&out)
	c.SetErr(io.Discard)
	c.SilenceErrors, c.SilenceUsage = true, true
	PlainUsage(c)
	dash := ""
	if len(word) > 2 && word[0] == '-' && word[1] != '-' { // one dash does for a long option
		dash = "-"
	}
	request := append([]string{cobra.ShellCompRequestCmd}, Normalize(c, words)...)
	c.SetArgs(append(request, dash+word))
	if c.ExecuteContext(context.Background()) != nil {
		return nil, false
	}
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	last := lines[len(lines)-1]
	code, err := strconv.Atoi(strings.TrimPrefix(last, ":"))
	if err != nil || !strings.HasPrefix(last, ":") {
		return nil, false
	}
	directive := cobra.ShellCompDirective(code)
	for _, line := range lines[:len(lines)-1] {
		text, help, _ := strings.Cut(line, "\t")
		text = strings.TrimPrefix(text, dash)
		if text == "" || strings.HasPrefix(text, "_activeHelp_") {
			continue
		}
		list = append(list, Choice{Text: text, Help: help, Open: directive&cobra.ShellCompDirectiveNoSpace != 0})
	}
	return list, directive&(cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveError) == 0
}

// PlainUsage takes the quotes off the options' descriptions, in which they mark the value's
// name for help: completion shows the text as it is.
func PlainUsage(c *cobra.Command) {
	c.LocalFlags().VisitAll(func(f *pflag.Flag) { _, f.Usage = pflag.UnquoteUsage(f) })
	for _, sub := range c.Commands() {
		PlainUsage(sub)
	}
}
