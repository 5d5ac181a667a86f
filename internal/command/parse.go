package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/lazyre"
	"github.com/zkctl/zkctl/internal/nearest"
	"github.com/zkctl/zkctl/internal/ui"
)

// Invocation is a parsed line: a command with its options and arguments.
type Invocation struct {
	Command  *Command
	Called   string   // the name as typed, possibly an alias
	Args     []string // without options; znode paths are absolute once Run has resolved them
	options  map[*Option][]string
	Words    []Word   // Args as typed
	patterns []string // of the Args that are paths and patterns, as for path.Match; "" for others
}

// Arg returns the i-th argument, or "" if it was not given.
func (in *Invocation) Arg(i int) string {
	if i < len(in.Args) {
		return in.Args[i]
	}
	return ""
}

// The options of every command.
var (
	output = Value[ui.Format]{Text{&Option{Name: "output", Aliases: []string{"o"}, Value: "format", Kind: Choice, Values: []string{"text", "json"},
		Help: "print as text (like zkCli) or json"}}, ui.ParseFormat}
	yes   = NewFlag("yes", "do not ask for confirmation", "y")
	quiet = NewFlag("quiet", "print only the answer, errors and warnings", "q")
	help  = NewFlag("help", "show this help", "?")
)

// GlobalOptions are the options of every command, unless it uses the name for something else.
var GlobalOptions = Options{output, yes, quiet, help}

// FindOption returns the option of the command, or the global one, named by a word like -t,
// --members or -? (without a value), or nil.
func (c *Command) FindOption(word string) *Option {
	name := strings.TrimPrefix(strings.TrimPrefix(word, "-"), "-")
	for _, list := range []Options{c.Options, GlobalOptions} {
		for _, o := range list.List() {
			if o.Name == name || slices.Contains(o.Aliases, name) {
				return o
			}
		}
	}
	return nil
}

// UsageError describes what is wrong with a command's options or arguments.
type UsageError struct {
	Command *Command
	Problem string
}

// Error returns the usage as zkCli prints it, and the problem.
func (e *UsageError) Error() string {
	return e.Command.UsageLine() + "\n" + e.Problem
}

// UsageLine returns the command's name and usage.
func (c *Command) UsageLine() string { return strings.TrimRight(c.Name+" "+c.Usage, " ") }

var negativeNumber = lazyre.New(`^-(\d+\.?\d*|\.\d+)$`)

// ErrNoCommand means that the first word is not a command.
var ErrNoCommand = errors.New("command not found")

// Parse parses options and arguments; words[0] is the command's name. Options may appear
// anywhere; "--" ends them. As in commons-cli's DefaultParser, which zkCli uses, -t 5, -t5 and
// -t=5 are the same, one-letter flags may be joined (-sw), and what looks like an option but is
// not one of this command's may be an option's value.
//
// Differs(more-accepted): zkCli accepts options only before the arguments, and names in one case
// only.
func (s Set) Parse(words []Word) (*Invocation, error) {
	if len(words) == 0 || words[0].Text == "" {
		return nil, errors.New("no command entered; `help` lists them")
	}
	cmd := s.Lookup(words[0].Text)
	if cmd == nil {
		return nil, ErrNoCommand
	}
	in := &Invocation{Command: cmd, Called: words[0].Text, options: map[*Option][]string{}}
	for rest := words[1:]; len(rest) > 0; {
		word, text := rest[0], rest[0].Text
		rest = rest[1:]
		switch {
		case text == "--":
			in.Words = append(in.Words, rest...)
			rest = nil
		case cmd.Verbatim && (len(text) < 2 || text[0] != '-'):
			in.Words = append(append(in.Words, word), rest...)
			rest = nil
		case len(text) < 2 || text[0] != '-':
			in.Words = append(in.Words, word)
		default:
			var err error
			if rest, err = in.option(word, rest); err != nil {
				return nil, err
			}
		}
	}
	for _, w := range in.Words {
		in.Args = append(in.Args, w.Text)
	}
	return in, in.count()
}

// option parses the option at the start of word and returns the words after it.
func (in *Invocation) option(word Word, rest []Word) ([]Word, error) {
	name, value, hasValue := strings.Cut(word.Text, "=")
	if opt := in.Command.FindOption(name); opt != nil {
		switch {
		case opt.Value == "" && hasValue:
			return nil, in.Problem("option %s takes no value", name)
		case opt.Value == "":
			in.set(opt, "")
			return rest, nil
		case hasValue:
			in.set(opt, value)
			return rest, nil
		case len(rest) == 0 || in.isOption(rest[0].Text):
			return nil, in.Problem("option %s needs a value: %s", name, opt.Value)
		}
		in.set(opt, rest[0].Text)
		return rest[1:], nil
	}
	if in.Command.Dashed != nil && in.Command.Dashed(word.Text) {
		in.Words = append(in.Words, word)
		return rest, nil
	}
	if !strings.HasPrefix(word.Text, "--") {
		if in.joined(word.Text[1:]) {
			return rest, nil
		}
		if negativeNumber().MatchString(word.Text) {
			in.Words = append(in.Words, word)
			return rest, nil
		}
	}
	return nil, in.unknown(word.Text)
}

// joined parses one-letter flags, the last of which may have its value attached.
func (in *Invocation) joined(letters string) bool {
	type found struct {
		opt   *Option
		value string
	}
	var all []found
	for i, r := range letters {
		opt := in.Command.FindOption("-" + string(r))
		if opt == nil {
			return false
		}
		if after := letters[i+len(string(r)):]; opt.Value != "" {
			if after == "" {
				return false
			}
			all = append(all, found{opt, after})
			break
		}
		all = append(all, found{opt, ""})
	}
	for _, f := range all {
		in.set(f.opt, f.value)
	}
	return true
}

// isOption reports whether the word, where a value is expected, is an option of the command.
func (in *Invocation) isOption(word string) bool {
	if len(word) < 2 || word[0] != '-' || negativeNumber().MatchString(word) {
		return false
	}
	name, _, _ := strings.Cut(word, "=")
	return word == "--" || in.Command.FindOption(name) != nil
}

func (in *Invocation) set(opt *Option, value string) {
	in.options[opt] = append(in.options[opt], value)
}

func (in *Invocation) unknown(word string) error {
	word = ui.OptionName(word)
	var takes, names []string
	for _, list := range []Options{in.Command.Options, GlobalOptions} {
		for _, o := range list.List() {
			takes = append(takes, o.Spelling())
			names = append(append(names, o.Name), o.Aliases...)
		}
	}
	hint := fmt.Sprintf("%s takes %s", in.Command.Name, strings.Join(takes, ", "))
	if q := nearest.DidYouMean(strings.TrimLeft(word, "-"), "-", names); q != "" {
		hint = q
	}
	return in.Problem("unknown option %s; %s (put an argument that starts with a dash after --)", word, hint)
}

// Spelling returns the option as help prints it: "-t ttl", "--output format".
func (o *Option) Spelling() string {
	s := "-" + o.Name
	for _, global := range GlobalOptions.List() {
		if o.Name == global.Name && len(o.Aliases) > 0 {
			s = "-" + o.Aliases[0]
		}
	}
	if o.Value != "" {
		s += " " + o.Value
	}
	return s
}

// Problem returns the error for wrong options or arguments.
func (in *Invocation) Problem(format string, a ...any) error {
	return &UsageError{Command: in.Command, Problem: fmt.Sprintf(format, a...)}
}

// count checks the number of arguments.
//
// Differs(strict-arguments): zkCli ignores excess arguments.
func (in *Invocation) count() error {
	if help.On(in) {
		return nil
	}
	args := in.Command.Args
	for i, a := range args {
		if !a.Optional && i >= len(in.Args) {
			return in.Problem("missing argument: %s; see `help %s`", a.Name, in.Command.Name)
		}
	}
	if len(in.Args) > len(args) && (len(args) == 0 || !args[len(args)-1].Repeat) {
		return in.tooMany(in.Words[len(args):])
	}
	return nil
}

// tooMany reports the first of the excess words, and what may have been meant.
func (in *Invocation) tooMany(words []Word) error {
	if in.Command.Secret {
		return in.Problem("too many arguments; quote a credential that contains spaces")
	}
	hint := "quote an argument that contains spaces"
	for _, w := range words {
		if !w.Quoted && strings.ContainsAny(w.Text[:min(1, len(w.Text))], "|>") {
			hint = fmt.Sprintf("%s only works with a space after it", w.Text[:1])
		}
	}
	return in.Problem("unexpected argument %q (%s)", words[0].Text, hint)
}

// kind returns the kind of the i-th argument.
func (c *Command) kind(i int) Kind {
	if i >= len(c.Args) {
		i = len(c.Args) - 1
	}
	if i < 0 {
		return Any
	}
	return c.Args[i].Kind
}
