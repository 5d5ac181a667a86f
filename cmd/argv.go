package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/internal/nearest"
	"github.com/zkctl/zkctl/internal/ui"
)

// argv is a parsed command line. As in zkCli, options end at the first word that is not one. What
// follows belongs to the command, which has its own parser.
type argv struct {
	options []string // in the form for pflag: --name or --name=value
	words   []string
	pending string // the option that still lacks its value; completion needs it
}

// splitArgs reads options as zkCli does: a long one may have one dash or two, and its value
// follows '=' or is the next argument. One-letter options may be joined.
func splitArgs(fs *pflag.FlagSet, args []string) (argv, error) {
	var a argv
	var bad error
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			a.words = args[i+1:]
			return a, bad
		}
		if len(arg) < 2 || arg[0] != '-' {
			a.words = args[i:]
			return a, bad
		}
		flag, rest := findFlag(fs, arg)
		if flag != nil && rest != "" && rest[0] != '=' {
			if last := lastLetter(fs, arg); last == nil || last.NoOptDefVal != "" {
				a.options = append(a.options, arg) // -yv, -ojson
				continue
			}
			a.options = append(a.options, arg[:len(arg)-1])
			flag, rest = lastLetter(fs, arg), ""
		}
		switch {
		case flag == nil:
			if bad == nil {
				bad = unknownOption(fs, arg)
			}
		case rest != "":
			a.options = append(a.options, "--"+flag.Name+rest)
		case flag.NoOptDefVal != "":
			a.options = append(a.options, "--"+flag.Name)
		case i+1 == len(args):
			a.pending = flag.Name
			if bad == nil {
				bad = fmt.Errorf("%s needs a value: %s <%s>", arg, arg, valueName(flag))
			}
		default:
			i++
			a.options = append(a.options, "--"+flag.Name+"="+args[i])
		}
	}
	return a, bad
}

// findFlag finds the option at the start of arg; rest is what follows its name. A long name takes
// precedence over letters: -timeout is not -t.
func findFlag(fs *pflag.FlagSet, arg string) (flag *pflag.Flag, rest string) {
	name := strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-")
	if eq := strings.IndexByte(name, '='); eq >= 0 {
		name, rest = name[:eq], name[eq:]
	}
	if flag = fs.Lookup(name); flag != nil {
		return flag, rest
	}
	if strings.HasPrefix(arg, "--") || name == "" {
		return nil, ""
	}
	if flag = fs.ShorthandLookup(name[:1]); flag == nil || !isLetters(fs, name) {
		return nil, ""
	}
	return flag, name[1:] + rest
}

// isLetters reports whether name is joined one-letter options, the first that takes a value
// followed by it.
func isLetters(fs *pflag.FlagSet, name string) bool {
	for i := range len(name) {
		flag := fs.ShorthandLookup(name[i : i+1])
		if flag == nil {
			return false
		}
		if flag.NoOptDefVal == "" {
			return true
		}
	}
	return true
}

// lastLetter returns the option of the last of joined letters, or nil if the rest of arg is an
// option's value.
func lastLetter(fs *pflag.FlagSet, arg string) *pflag.Flag {
	var flag *pflag.Flag
	for i := 1; i < len(arg); i++ {
		if flag = fs.ShorthandLookup(arg[i : i+1]); flag == nil || flag.NoOptDefVal == "" && i < len(arg)-1 {
			return nil
		}
	}
	return flag
}

func unknownOption(fs *pflag.FlagSet, arg string) error {
	option := ui.OptionName(arg)
	var names []string
	fs.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if q := nearest.DidYouMean(strings.TrimLeft(option, "-"), "-", names); q != "" {
		return fmt.Errorf("unknown option %s; %s (zkctl --help lists the options)", option, q)
	}
	return fmt.Errorf("unknown option %s; zkctl --help lists the options", option)
}
