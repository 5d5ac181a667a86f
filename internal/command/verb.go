package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/internal/nearest"
	"github.com/zkctl/zkctl/internal/ui"
)

// Verb is a tree of cobra commands, such as txnlog with its subcommands. It runs the same way on
// the command line and in the shell: options with one dash, help, completion. A room declares it,
// and the list in cmd names it.
type Verb struct {
	Name, Short string
	Group       Group
	// New builds the tree for one run. Its Use starts with Name; its Short is filled in. It prints to
	// env.Streams. env.Session is the shell's session or, on the command line, the session that the
	// options describe, which opens on first use.
	New     func(env *Env) *cobra.Command
	Outside bool // only outside the shell
	Hidden  bool // not listed
}

// Listed returns the verbs that can run here, in the order in which help lists them.
func (env *Env) Listed() (verbs []*Verb) {
	for i := range env.Verbs {
		if v := &env.Verbs[i]; !v.Hidden && env.takes(v) {
			verbs = append(verbs, v)
		}
	}
	return verbs
}

func (env *Env) takes(v *Verb) bool { return env.Shell == nil || !v.Outside }

// Verb finds a verb that can run here by its name, ignoring case, or returns nil.
func (env *Env) Verb(name string) *Verb {
	for i := range env.Verbs {
		if v := &env.Verbs[i]; strings.EqualFold(v.Name, name) && env.takes(v) {
			return v
		}
	}
	return nil
}

// noHelp disables a verb's help command, which cobra would otherwise add.
const noHelp = "no-help"

// Tree builds the verb's tree for a run in env. Outside the shell its parent is zkctl, so that the
// usage names it.
func (v *Verb) Tree(env *Env) *cobra.Command {
	c := v.New(env)
	c.Short = v.Short
	if env.Shell == nil {
		top := &cobra.Command{Use: "zkctl", TraverseChildren: true}
		top.AddCommand(c)
	}
	top := c.Root()
	top.CompletionOptions.DisableDefaultCmd = true
	top.SetHelpCommand(&cobra.Command{Use: noHelp, Hidden: true})
	top.SilenceErrors, top.SilenceUsage = true, true
	return c
}

// setArgs makes the tree of c run with the arguments after the verb's name.
func setArgs(c *cobra.Command, args ...string) {
	all := []string{} // cobra takes nil for the arguments of the process
	if c.HasParent() {
		all = append(all, c.Name())
	}
	c.Root().SetArgs(append(all, args...))
}

// Run runs the verb with the words that follow its name. If the verb has an option -o or -y that is
// not given, it takes the value from the shell or from before the verb.
func (v *Verb) Run(ctx context.Context, env *Env, words []string) error {
	c := v.Tree(env)
	s := env.Streams
	nameOptions(c)
	c.SetIn(s.In)
	c.SetOut(s.Out)
	c.SetErr(s.Err)
	var helpErr error
	c.SetHelpFunc(func(c *cobra.Command, _ []string) { helpErr = PrintVerbHelp(s.Out, c, s.Width) })
	c.PersistentPreRunE = func(c *cobra.Command, _ []string) error { return env.share(c.Flags()) }
	setArgs(c, read(c, words).args...)
	if ran, err := c.Root().ExecuteContextC(ctx); err != nil {
		return inFormat(ran, Ended(ran, env.Explain(ctx, err)))
	}
	return helpErr
}

// share gives the env's values to those options that were not given on the verb's own line. The verb's -y is the env's.
func (env *Env) share(fs *pflag.FlagSet) error {
	shared := map[string]string{}
	if env.Output != "" && env.Output != ui.Text {
		shared["output"] = string(env.Output)
	}
	if env.Yes {
		shared["yes"] = "true"
	}
	for name, value := range shared {
		if f := fs.Lookup(name); f != nil && !f.Changed {
			if err := fs.Set(name, value); err != nil {
				return err
			}
		}
	}
	if f := fs.Lookup("yes"); f != nil && f.Value.String() == "true" {
		env.Yes = true
	}
	return env.resolve(fs)
}

// resolve makes the znode paths among the options absolute.
func (env *Env) resolve(fs *pflag.FlagSet) (err error) {
	fs.Visit(func(f *pflag.Flag) {
		if _, is := f.Annotations[znodeFlag]; !is || f.Value.String() == "" || err != nil {
			return
		}
		var path string
		if path, err = Absolute(env.Dir, f.Value.String()); err == nil {
			err = f.Value.Set(path)
		}
	})
	return err
}

// inFormat makes the error print in the format that the command's options ask for.
func inFormat(c *cobra.Command, err error) error {
	for _, name := range []string{"output", "format"} {
		if f := c.Flags().Lookup(name); f != nil && strings.EqualFold(f.Value.String(), string(ui.JSON)) {
			return ui.InFormat(err, ui.JSON)
		}
	}
	return err
}

// Parent makes c a command that only has subcommands: without one, it prints its help.
func Parent(c *cobra.Command, subcommands ...*cobra.Command) *cobra.Command {
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, words []string) error {
		if len(words) > 0 {
			return NoSubcommand(c, words[0], "")
		}
		return c.Help()
	}
	c.AddCommand(subcommands...)
	return c
}

// NoSubcommand is the error for a word that is not a subcommand of c; what says what else it is not.
func NoSubcommand(c *cobra.Command, word, what string) error {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	hint := c.CommandPath() + " --help lists them"
	if q := nearest.DidYouMean(word, "", names); q != "" {
		hint = q
	}
	return fmt.Errorf("%s has no command %q%s; %s", c.CommandPath(), word, what, hint)
}

// reading is the result of reading a verb's arguments.
type reading struct {
	args    []string       // as pflag reads them
	rest    []string       // of the words, those after the subcommand
	roles   []Role         // of the words
	target  *cobra.Command // the subcommand, or the verb itself
	given   []*pflag.Flag
	waiting bool // the last option waits for its value
	ended   bool // no options follow, after --
}

func read(c *cobra.Command, args []string) (r reading) {
	target, rest, err := c.Find(args)
	if err != nil {
		target, rest = c, args
	}
	target.InitDefaultHelpFlag()
	r.target, r.rest = target, rest
	fs := target.Flags()
	path := len(args) - len(rest)
	r.args = append(r.args, args[:path]...)
	r.roles = make([]Role, len(args))
	for i := range path {
		r.roles[i] = Subcommand
	}
	for i, arg := range rest {
		switch {
		case r.waiting:
			r.waiting = false
		case arg == "--":
			r.ended = true
			r.args = append(r.args, rest[i:]...)
			return r
		case len(arg) > 1 && arg[0] == '-':
			name, _, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
			flag := fs.Lookup(name)
			if flag != nil && len(name) > 1 && !strings.HasPrefix(arg, "--") {
				arg = "-" + arg
			}
			if flag == nil && len(name) == 1 {
				flag = fs.ShorthandLookup(name)
			}
			if r.roles[path+i] = NoOption; flag != nil || joined(fs, arg) {
				r.roles[path+i] = OptionName
			}
			if flag != nil {
				r.given = append(r.given, flag)
				r.waiting = flag.NoOptDefVal == "" && !hasValue
			}
		}
		r.args = append(r.args, arg)
	}
	return r
}

// joined reports whether the word consists of one-letter options, the last of which may have its value attached, or is a number.
func joined(fs *pflag.FlagSet, word string) bool {
	if negativeNumber().MatchString(word) {
		return true
	}
	for i := 1; i < len(word); i++ {
		f := fs.ShorthandLookup(word[i : i+1])
		if f == nil {
			return false
		}
		if f.NoOptDefVal == "" {
			return true
		}
	}
	return true
}
