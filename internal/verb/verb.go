// Package verb runs a tree of cobra commands, such as txnlog with its subcommands, in the same
// way on the command line and in the shell: options with one dash, help, completion.
package verb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/internal/ui"
)

// Constructor creates a verb that uses the streams.
type Constructor func(*ui.Streams) *cobra.Command

// Run runs a standalone verb, outside any tree. shared holds values for options that the verb has
// but that were not given: {"output": "json"}.
func Run(ctx context.Context, construct Constructor, s *ui.Streams, args []string, shared map[string]string) error {
	c := construct(s)
	Suggest(c)
	c.CompletionOptions.DisableDefaultCmd = true
	c.SetHelpCommand(&cobra.Command{Use: noHelp, Hidden: true})
	c.SetIn(s.In)
	c.SetOut(s.Out)
	c.SetErr(s.Err)
	var helpErr error
	c.SetHelpFunc(func(c *cobra.Command, _ []string) { helpErr = PrintHelp(s.Out, c, s.Width) })
	c.SilenceErrors, c.SilenceUsage = true, true
	Share(c, func() map[string]string { return shared })
	c.SetArgs(Normalize(c, args))
	if ran, err := c.ExecuteContextC(ctx); err != nil {
		return InFormat(ran, err)
	}
	return helpErr
}

// InFormat makes the error print in the format that the command's options ask for.
func InFormat(c *cobra.Command, err error) error {
	for _, name := range []string{"output", "format"} {
		if f := c.Flags().Lookup(name); f != nil && strings.EqualFold(f.Value.String(), string(ui.JSON)) {
			return ui.InFormat(err, ui.JSON)
		}
	}
	return err
}

// Suggest makes the errors about unknown options of c and its subcommands suggest the option that
// was meant.
func Suggest(c *cobra.Command) {
	wrong := c.FlagErrorFunc()
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		var unknown *pflag.NotExistError
		if errors.As(err, &unknown) {
			err = unknownOption(c, unknown)
		}
		return wrong(c, err)
	})
}

func unknownOption(c *cobra.Command, unknown *pflag.NotExistError) error {
	word, dashes := unknown.GetSpecifiedName(), "--"
	if letters := unknown.GetSpecifiedShortnames(); letters != "" { // or a long name with one dash
		word, dashes = ui.OptionName(letters), "-"
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	hint := c.CommandPath() + " --help lists the options"
	if q := ui.DidYouMean(word, "--", names); q != "" {
		hint = q
	}
	return fmt.Errorf("unknown option %s%s; %s", dashes, word, hint)
}

// Unknown is the error for a word that is not a subcommand of c; what says what else it is not.
func Unknown(c *cobra.Command, word, what string) error {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	hint := c.CommandPath() + " --help lists them"
	if q := ui.DidYouMean(word, "", names); q != "" {
		hint = q
	}
	return fmt.Errorf("%s has no command %q%s; %s", c.CommandPath(), word, what, hint)
}

// Share gives values to the options of c and its subcommands that were not given on the command
// line.
func Share(c *cobra.Command, shared func() map[string]string) {
	c.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		for name, value := range shared() {
			if f := c.Flags().Lookup(name); f != nil && !f.Changed {
				if err := c.Flags().Set(name, value); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// Normalize rewrites a verb's arguments for pflag: a long option may have one dash, as in
// Apache's tools.
func Normalize(c *cobra.Command, args []string) []string { return read(c, args).args }

// reading is the result of reading a verb's arguments.
type reading struct {
	args    []string       // as pflag reads them
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
	r.target = target
	fs := target.Flags()
	path := len(args) - len(rest)
	r.args = append(r.args, args[:path]...)
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
			if flag != nil {
				r.given = append(r.given, flag)
				r.waiting = flag.NoOptDefVal == "" && !hasValue
			}
		}
		r.args = append(r.args, arg)
	}
	return r
}

// PrintHelp explains a command: what it does, its subcommands, options and examples.
func PrintHelp(w io.Writer, c *cobra.Command, width int) error {
	out := &strings.Builder{}
	text := c.Long
	if text == "" {
		text = c.Short
	}
	fmt.Fprintf(out, "%s\n\nUsage: %s\n", strings.TrimSpace(text), c.UseLine())
	var rows [][2]string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			rows = append(rows, [2]string{sub.Name(), sub.Short})
		}
	}
	if len(rows) > 0 {
		fmt.Fprintln(out)
		Columns(out, rows, width)
	}
	if rows = OptionRows(c.LocalFlags()); len(rows) > 0 {
		fmt.Fprint(out, "\nOptions:\n")
		Columns(out, rows, width)
	}
	if c.HasExample() {
		fmt.Fprintf(out, "\nExamples:\n%s\n", strings.TrimRight(c.Example, "\n"))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// OptionRows lists options with what they do.
func OptionRows(fs *pflag.FlagSet) (rows [][2]string) {
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if value != "" {
			name += " " + value
		}
		switch f.DefValue {
		case "", "[]", "0", "-1", "false":
		default:
			usage += " (default " + f.DefValue + ")"
		}
		rows = append(rows, [2]string{name, usage})
	})
	return rows
}

// Columns prints a term and its explanation side by side, wrapped to the width; a long term gets
// its own line.
func Columns(w io.Writer, rows [][2]string, width int) {
	const indent, gap, widest = 2, 2, 24
	left := 0
	for _, r := range rows {
		if len(r[0]) <= widest {
			left = max(left, len(r[0]))
		}
	}
	left += indent + gap
	for _, r := range rows {
		line := strings.Repeat(" ", indent) + r[0]
		if len(line)+gap > left {
			fmt.Fprintln(w, line)
			line = ""
		}
		for _, text := range Wrap(r[1], max(width, 40)-left) {
			fmt.Fprintf(w, "%-*s%s\n", left, line, text)
			line = ""
		}
	}
}

// Wrap breaks text between words so that no line is longer than width.
func Wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
