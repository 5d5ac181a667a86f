package verb

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/internal/ui"
)

// Choice is a word that can come next.
type Choice struct {
	Text, Help string
	Open       bool // the word may continue
}

// Place is what can replace a word, besides the choices.
type Place int

// The places.
const (
	Nothing Place = iota
	AFile         // a file, or a folder on the way to it
	AFolder
)

// noHelp disables a verb's help command, which cobra would otherwise add.
const noHelp = "no-help"

// Complete returns what can replace word, after words, which follow the verb's name.
func Complete(construct Constructor, words []string, word string) (list []Choice, place Place) {
	c := construct(&ui.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
	c.CompletionOptions.DisableDefaultCmd = true
	c.SetHelpCommand(&cobra.Command{Use: noHelp, Hidden: true})
	var out strings.Builder
	c.SetOut(&out)
	c.SetErr(io.Discard)
	c.SilenceErrors, c.SilenceUsage = true, true
	placeFiles(c)
	plainUsage(c)
	r := read(c, words)
	if strings.HasPrefix(word, "-") && !strings.Contains(word, "=") && !r.waiting && !r.ended {
		return r.options(word), Nothing
	}
	dash := ""
	if len(word) > 2 && word[0] == '-' && word[1] != '-' { // one dash is enough for a long option
		dash = "-"
	}
	request := append([]string{cobra.ShellCompRequestCmd}, r.args...)
	c.SetArgs(append(request, dash+word))
	if c.ExecuteContext(context.Background()) != nil {
		return nil, Nothing
	}
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	last := lines[len(lines)-1]
	code, err := strconv.Atoi(strings.TrimPrefix(last, ":"))
	if err != nil || !strings.HasPrefix(last, ":") {
		return nil, Nothing
	}
	directive := cobra.ShellCompDirective(code)
	for _, line := range lines[:len(lines)-1] {
		text, help, _ := strings.Cut(line, "\t")
		text = strings.TrimPrefix(text, dash)
		if text == "" || text == noHelp || strings.HasPrefix(text, "_activeHelp_") {
			continue
		}
		list = append(list, Choice{Text: text, Help: help, Open: directive&cobra.ShellCompDirectiveNoSpace != 0})
	}
	switch {
	case directive&(cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveError) != 0:
	case directive&cobra.ShellCompDirectiveFilterDirs != 0:
		return nil, AFolder
	case len(list) == 0:
		return nil, AFile
	}
	return list, Nothing
}

// options returns the target's options, with as many dashes as word has. An option already given
// that cannot be repeated is omitted.
func (r *reading) options(word string) (list []Choice) {
	dashes := "-"
	if strings.HasPrefix(word, "--") {
		dashes = "--"
	}
	r.target.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			f.Usage = "show this help"
		}
		_, repeats := f.Value.(pflag.SliceValue)
		if f.Hidden || slices.Contains(r.given, f) && !repeats {
			return
		}
		if "-"+f.Shorthand == word {
			list = append(list, Choice{Text: word, Help: f.Usage})
		}
		if strings.HasPrefix(dashes+f.Name, word) {
			list = append(list, Choice{Text: dashes + f.Name, Help: f.Usage})
		}
	})
	return list
}

// Files completes a command's arguments with files, from index from to index to, or to the end if
// that is negative.
func Files(from, to int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if n := len(args); n < from || to >= 0 && n > to {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveDefault
	}
}

// placeFiles offers files only where they belong; cobra offers them wherever it knows nothing
// else. They belong in an option whose value is called file or folder, and where a command says
// so with Files.
func placeFiles(c *cobra.Command) {
	nothing := cobra.FixedCompletions(nil, cobra.ShellCompDirectiveNoFileComp)
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		switch value, _ := pflag.UnquoteUsage(f); value {
		case "file":
		case "folder":
			_ = c.MarkFlagDirname(f.Name)
		default:
			_ = c.RegisterFlagCompletionFunc(f.Name, nothing) // unless it has one
		}
	})
	if c.ValidArgsFunction == nil && len(c.ValidArgs) == 0 {
		c.ValidArgsFunction = nothing
	}
	for _, sub := range c.Commands() {
		placeFiles(sub)
	}
}

// plainUsage removes the quotes from the options' descriptions, which mark the value's name for
// help: completion shows the text as it is.
func plainUsage(c *cobra.Command) {
	c.LocalFlags().VisitAll(func(f *pflag.Flag) { _, f.Usage = pflag.UnquoteUsage(f) })
	for _, sub := range c.Commands() {
		plainUsage(sub)
	}
}
