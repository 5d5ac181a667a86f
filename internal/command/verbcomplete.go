package command

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

// Candidate is a word that can come next.
type Candidate struct {
	Text, Help string
	Open       bool // the word may continue
}

// Complete returns what can replace word, after words, which follow the verb's name: the words of
// the list or, unless it is Any, a value of the kind.
func (v *Verb) Complete(env *Env, words []string, word string) (list []Candidate, kind Kind) {
	c := v.Tree(env.Silent())
	var out strings.Builder
	c.Root().SetOut(&out)
	c.Root().SetErr(io.Discard)
	c.SetOut(&out)
	takeNothing(c)
	plainUsage(c)
	r := read(c, words)
	if strings.HasPrefix(word, "-") && !strings.Contains(word, "=") && !r.waiting && !r.ended {
		return r.options(word), Any
	}
	if r.waiting && strings.HasPrefix(word, "-") || !v.accepts(env, words) {
		return nil, Any
	}
	dash := ""
	if len(word) > 2 && word[0] == '-' && word[1] != '-' { // one dash is enough for a long option
		dash = "-"
	}
	request := []string{cobra.ShellCompRequestCmd}
	if c.HasParent() {
		request = append(request, c.Name())
	}
	c.Root().SetArgs(append(append(request, r.args...), dash+word))
	if c.Root().ExecuteContext(context.Background()) != nil {
		return nil, Any
	}
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	last := lines[len(lines)-1]
	code, err := strconv.Atoi(strings.TrimPrefix(last, ":"))
	if err != nil || !strings.HasPrefix(last, ":") {
		return nil, Any
	}
	directive := cobra.ShellCompDirective(code)
	for _, line := range lines[:len(lines)-1] {
		text, help, _ := strings.Cut(line, "\t")
		text = strings.TrimPrefix(text, dash)
		if text == "" || text == noHelp || strings.HasPrefix(text, "_activeHelp_") {
			continue
		}
		list = append(list, Candidate{Text: text, Help: help, Open: directive&cobra.ShellCompDirectiveNoSpace != 0})
	}
	switch kind = Kind(directive / takes); {
	case kind != Any && len(list) == 0:
		return nil, kind
	case directive&(cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveError) != 0:
	case directive&cobra.ShellCompDirectiveFilterDirs != 0:
		return nil, Folder
	case len(list) == 0:
		return nil, File
	}
	return list, Any
}

// accepts reports whether the verb has the options among words and takes their values; the last may lack its value. Cobra would
// print what is wrong in the middle of the line, and offer files.
func (v *Verb) accepts(env *Env, words []string) bool {
	r := read(v.Tree(env.Silent()), words)
	args := r.args[len(r.args)-len(r.rest):]
	if r.waiting {
		args = args[:len(args)-1]
	}
	return r.target.ParseFlags(args) == nil
}

// Silent returns an env like this one that prints nowhere.
func (env *Env) Silent() *Env {
	silent := *env
	silent.Streams = &ui.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}
	return &silent
}

// Role is what a word after a verb's name is.
type Role int

// The roles of words.
const (
	Argument   Role = iota // or the value of an option
	Subcommand             // also of a subcommand
	OptionName
	NoOption // it looks like one
)

// Roles says what the words after a verb's name are; c is the verb's tree.
func Roles(c *cobra.Command, words []string) []Role { return read(c, words).roles }

// BeginsOption reports whether an option begins with word, which follows the words after a verb's name.
func BeginsOption(c *cobra.Command, words []string, word string) bool {
	r := read(c, words)
	return len(r.options(word)) > 0
}

// options returns the target's options, with as many dashes as word has. An option already given
// that cannot be repeated is omitted.
func (r *reading) options(word string) (list []Candidate) {
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
			list = append(list, Candidate{Text: word, Help: f.Usage})
		}
		if strings.HasPrefix(dashes+f.Name, word) {
			list = append(list, Candidate{Text: dashes + f.Name, Help: f.Usage})
		}
	})
	return list
}

// takes is the directive for a value of the kind 1; cobra's own are smaller.
const takes cobra.ShellCompDirective = 1 << 10

// Takes completes the arguments of a verb's command with values of a kind, from index from to index
// to, or to the end if that is negative. It also completes the value of an option; without it, the
// usage counts, if it calls the value `file` or `folder`.
func Takes(kind Kind, from, to int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if n := len(args); n < from || to >= 0 && n > to {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return nil, takes * cobra.ShellCompDirective(kind)
	}
}

// znodeFlag marks an option whose value is a znode path.
const znodeFlag = "zkctl_znode"

// ZnodeFlag says that the value of an option of c is a znode path: it is completed, and a relative one starts at the
// current znode.
func ZnodeFlag(c *cobra.Command, name string) {
	_ = c.RegisterFlagCompletionFunc(name, Takes(Path, 0, -1))
	_ = c.Flags().SetAnnotation(name, znodeFlag, nil)
}

// takeNothing offers files only where they belong; cobra offers them wherever it knows nothing
// else. They belong in an option whose value is called file or folder, and where a command says
// so with Takes.
func takeNothing(c *cobra.Command) {
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
		takeNothing(sub)
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
