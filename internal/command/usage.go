package command

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/internal/nearest"
	"github.com/zkctl/zkctl/internal/ui"
)

// UseLine returns how to call the verb's command, as help prints it.
func UseLine(c *cobra.Command) string { return strings.Replace(c.UseLine(), "[flags]", "[options]", 1) }

// ArgCount accepts from least to most arguments, without a limit if most is negative. cobra's own
// checks count the arguments but do not name them.
func ArgCount(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			missing := "argument"
			if names := required(c.Use); len(args) < len(names) {
				missing = strings.TrimRight(names[len(args)], ".…")
			}
			return fmt.Errorf("missing %s; usage: %s", missing, UseLine(c))
		case most >= 0 && len(args) > most:
			return fmt.Errorf("unexpected argument %q; usage: %s", args[most], UseLine(c))
		}
		return nil
	}
}

// required returns the arguments in a line of usage that are not in brackets.
func required(use string) (names []string) {
	depth := 0
	for _, word := range strings.Fields(use)[1:] {
		depth += strings.Count(word, "[")
		if depth == 0 {
			names = append(names, word)
		}
		depth -= strings.Count(word, "]")
	}
	return names
}

// nameOptions makes the errors about the options of c and its subcommands read like those of the
// znode commands.
func nameOptions(c *cobra.Command) {
	wrong := c.FlagErrorFunc()
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		var unknown *pflag.NotExistError
		var missing *pflag.ValueRequiredError
		switch {
		case errors.As(err, &unknown):
			err = unknownFlag(c, unknown)
		case errors.As(err, &missing):
			f := missing.GetFlag()
			value, _ := pflag.UnquoteUsage(f)
			err = fmt.Errorf("--%s needs a value: --%s %s", f.Name, f.Name, value)
		default:
			err = OptionError(err, "--")
		}
		return wrong(c, err)
	})
}

func unknownFlag(c *cobra.Command, unknown *pflag.NotExistError) error {
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
	if q := nearest.DidYouMean(word, "--", names); q != "" {
		hint = q
	}
	return fmt.Errorf("unknown option %s%s; %s", dashes, word, hint)
}

// OptionError rewords pflag's errors about an option's value and its syntax. dashes come before the
// option's name.
func OptionError(err error, dashes string) error {
	var invalid *pflag.InvalidValueError
	var syntax *pflag.InvalidSyntaxError
	switch {
	case errors.As(err, &invalid):
		f := invalid.GetFlag()
		return fmt.Errorf("%s%s: %w", dashes, f.Name, InvalidValue(f, invalid.GetValue(), invalid.Unwrap()))
	case errors.As(err, &syntax):
		return fmt.Errorf("invalid option %s; write --name=value", ui.OptionName(syntax.GetSpecifiedFlag()))
	}
	return err
}

// InvalidValue says what an option accepts, for a value that it refused with err. The Set of a
// type of ours returns that part of the sentence.
func InvalidValue(f *pflag.Flag, value string, err error) error {
	accepts := err.Error()
	switch f.Value.Type() {
	case "bool":
		accepts = "use true or false"
	case "duration":
		accepts = "use a number with a unit, such as 500ms, 10s or 5m"
	case "int", "int64", "uint16":
		accepts = "use a whole number"
	case "float64":
		accepts = "use a number"
	}
	if errors.Is(err, strconv.ErrRange) {
		accepts = "the number is too large"
	}
	return fmt.Errorf("invalid value %q; %s", value, accepts)
}
