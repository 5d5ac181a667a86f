package completions

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zkctl/zkctl/internal/command"
)

// token is a word before or at the cursor, with quotes resolved.
type token struct {
	text     string
	quoted   bool
	redirect bool // the file after > or >>
	outer    bool // an outer shell split the line, so quoting is unknown
}

// split returns the words up to the cursor, the last of which (possibly empty) is the one at the
// cursor, and the byte where that starts. ok is false if nothing can be completed: in a comment,
// and in what belongs to the outer shell.
func split(line string, pos int) (words []token, start int, ok bool) {
	pos = max(0, min(pos, len(line)))
	for pos > 0 && pos < len(line) && !utf8.RuneStart(line[pos]) {
		pos--
	}
	head := line[:pos]
	tokens, _ := command.Lex(head)
	redirect := false
	for _, t := range tokens {
		switch {
		case t.Operator && t.Text == "|":
			return nil, 0, false
		case t.Operator:
			redirect = true
		default:
			words = append(words, token{text: t.Text, quoted: t.Quoted, redirect: redirect})
			redirect = false
		}
	}
	last := len(tokens) - 1
	if last >= 0 && tokens[last].End == pos {
		return words, tokens[last].Start, !tokens[last].Operator // a file needs a space before it
	}
	if inComment(head, tokens) {
		return nil, 0, false
	}
	return append(words, token{redirect: redirect}), pos, true
}

// inComment reports whether anything but spaces follows the last token.
func inComment(head string, tokens []command.Token) bool {
	end := 0
	if len(tokens) > 0 {
		end = tokens[len(tokens)-1].End
	}
	return strings.TrimSpace(head[end:]) != ""
}

// quote quotes the texts as a line needs them.
func (r *Result) quote() {
	open := false
	for i := range r.Suggestions {
		switch s := &r.Suggestions[i]; {
		case s.Open:
			s.Text, open = openQuote(s.Text), true
		case s.Text != "-?": // would also work quoted
			s.Text = command.Quote(s.Text)
		}
	}
	if r.Total == 0 || r.Common == "" {
		return
	}
	quoted := command.Quote(r.Common)
	switch {
	case open:
		r.Common = openQuote(r.Common)
	case quoted == r.Common:
	case r.Total == 1:
		r.Common = quoted
	default: // more of the word follows: the quote stays open
		r.Common = quoted[:len(quoted)-1]
	}
}

// openQuote returns text with an opening quote, for more to follow.
func openQuote(text string) string {
	quoted := command.Quote(text + " ") // a space forces quotes
	return quoted[:len(quoted)-2]
}

// Below is the suggestion's text followed by a slash, to continue with the znodes below.
func Below(s Suggestion) string {
	if s.Open {
		return s.Text + "/"
	}
	if s.Text[0] == '\'' || s.Text[0] == '"' {
		return s.Text[:len(s.Text)-1] + "/"
	}
	return s.Text + "/"
}

// words completes the last of the words.
func (c *Completer) words(words []token, dir string) Result {
	at := words[len(words)-1]
	if at.redirect {
		return c.files(at.text, "")
	}
	var line []token // without redirections
	for _, w := range words {
		if !w.redirect {
			line = append(line, w)
		}
	}
	if len(line) == 1 {
		return c.commandNames(at.text)
	}
	if v := c.cfg.Env.Verb(line[0].text); v != nil {
		return c.verb(v, line[1:len(line)-1], at.text, dir)
	}
	cmd := c.cfg.Env.Commands.Lookup(line[0].text)
	if cmd == nil {
		return Result{}
	}
	return c.argument(cmd, line[1:len(line)-1], at, dir)
}

// argument completes an argument of a command; before are the words in between.
func (c *Completer) argument(cmd *command.Command, before []token, at token, dir string) Result {
	w := walker{cmd: cmd}
	for _, word := range before {
		w.next(word.text)
	}
	position, given := w.position, w.given
	if waiting := w.waiting; waiting != nil {
		return c.ofOption(waiting, at.text, "", dir)
	}
	if !w.onlyArgs && strings.HasPrefix(at.text, "-") && !(at.text == "-" && takesDash(cmd, position)) {
		if name, value, hasValue := strings.Cut(at.text, "="); hasValue {
			if opt := cmd.FindOption(name); opt != nil && opt.Value != "" {
				return c.ofOption(opt, value, name+"=", dir)
			}
			return Result{}
		}
		return options(cmd, at.text, given)
	}
	arg := argAt(cmd, position)
	if arg == nil {
		return Result{}
	}
	if arg.Kind == command.Line {
		return c.words(append(slices.Clone(before[len(before)-position+len(cmd.Args)-1:]), at), dir)
	}
	if arg.Kind == command.Operation {
		return c.operation(cmd.Operations, before[len(before)-position:], at, dir)
	}
	return c.value(arg.Kind, arg.Values, at.text, "", dir)
}

// ofOption completes the value of an option.
func (c *Completer) ofOption(opt *command.Option, typed, lead, dir string) Result {
	if len(opt.Hints) > 0 {
		var all []Suggestion
		for _, h := range opt.Hints {
			all = append(all, Suggestion{Text: h[0], Help: h[1], Final: true})
		}
		return Among(all, typed, lead)
	}
	return c.value(opt.Kind, opt.Values, typed, lead, dir)
}

// walker follows the words of a command after its name.
type walker struct {
	cmd      *command.Command
	position int // of the next argument
	onlyArgs bool
	given    map[string]bool // names of options
	waiting  *command.Option // for its value
}

// What a word after a command's name can be.
const (
	isArgument = iota
	isValue    // of the option
	isOption
	noOption // it looks like one
	endsOptions
)

// next takes the next word and says what it is.
func (w *walker) next(text string) (opt *command.Option, what int) {
	switch {
	case w.waiting != nil:
		opt, w.waiting = w.waiting, nil
		return opt, isValue
	case w.onlyArgs || len(text) < 2 || text[0] != '-':
		w.position++
		w.onlyArgs = w.onlyArgs || w.cmd.Verbatim
		return nil, isArgument
	case text == "--":
		w.onlyArgs = true
		return nil, endsOptions
	}
	name, _, hasValue := strings.Cut(text, "=")
	if opt = w.cmd.FindOption(name); opt == nil {
		return nil, noOption
	}
	if w.given == nil {
		w.given = map[string]bool{}
	}
	w.given[opt.Name] = true
	if opt.Value != "" && !hasValue {
		w.waiting = opt
	}
	return opt, isOption
}

// verb completes a word of a verb, which says what can be there.
func (c *Completer) verb(v *command.Verb, before []token, typed, dir string) Result {
	words := make([]string, len(before))
	for i, w := range before {
		words[i] = w.text
	}
	lead := ""
	if strings.HasPrefix(typed, "-") {
		if eq := strings.IndexByte(typed, '='); eq >= 0 {
			lead = typed[:eq+1]
		}
	}
	candidates, kind := v.Complete(c.cfg.Env, words, typed)
	if kind != command.Any {
		return c.value(kind, nil, typed[len(lead):], lead, dir)
	}
	var list []Suggestion
	for _, o := range candidates {
		list = append(list, Suggestion{Text: o.Text, Help: o.Help, Final: !o.Open})
	}
	return Among(list, typed[len(lead):], lead)
}

// takesDash reports whether a lone - means data from standard input there.
func takesDash(cmd *command.Command, position int) bool {
	arg := argAt(cmd, position)
	return arg != nil && arg.Kind == command.Data
}

func argAt(cmd *command.Command, i int) *command.Arg {
	if n := len(cmd.Args); i >= n && n > 0 && cmd.Args[n-1].Repeat {
		i = n - 1
	}
	if i >= len(cmd.Args) || cmd.Args[i].Old {
		return nil
	}
	return &cmd.Args[i]
}

// value completes a value of a kind; suggestions follow lead in the word.
func (c *Completer) value(kind command.Kind, values []string, typed, lead, dir string) Result {
	switch kind {
	case command.Path, command.NewPath:
		return c.paths(typed, lead, dir)
	case command.Location:
		return c.locations(typed, lead, dir)
	case command.Data:
		if name, ok := strings.CutPrefix(typed, "@"); ok && !strings.HasPrefix(name, "@") {
			return c.files(name, lead+"@")
		}
		return Result{}
	case command.File:
		return c.files(typed, lead)
	case command.Folder:
		return c.onlyFolders(typed, lead)
	case command.ACLs:
		if entry, adds := strings.CutPrefix(typed, "+"); adds {
			return acls(entry, lead+"+")
		}
		return acls(typed, lead)
	case command.AuthScheme:
		return Among(authSchemes, typed, lead)
	case command.Servers:
		return c.servers(typed, lead)
	case command.Members:
		return c.members(typed, lead)
	case command.MemberIDs:
		return c.memberIDs(typed, lead)
	case command.CommandName:
		r := c.commandNames(typed)
		r.prepend(lead)
		return r
	case command.Choice:
		var all []Suggestion
		for _, v := range values {
			all = append(all, Suggestion{Text: v, Final: true})
		}
		return Among(all, typed, lead)
	}
	return Result{}
}
