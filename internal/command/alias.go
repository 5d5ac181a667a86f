package command

// Alias is a name that a person has given to the start of a line.
type Alias struct{ Name, Line string }

// Alias returns what a word stands for as the name of a command; ok is false if it is no alias. A
// command or a verb of the same name wins.
func (env *Env) Alias(w Word) (a Alias, ok bool) {
	if w.Quoted || env.Commands.Lookup(w.Text) != nil || env.Verb(w.Text) != nil {
		return a, false
	}
	for _, a := range env.Aliases {
		if a.Name == w.Text {
			return a, true
		}
	}
	return a, false
}

// Expand replaces an alias at the start of the line, or after a command such as time that runs the rest of it. What it stands
// for is not expanded again. The bytes of the line from at on are grown further right in text; without an alias, at is 0.
func (env *Env) Expand(line string) (text string, at, grown int) {
	if len(env.Aliases) == 0 {
		return line, 0, 0
	}
	tokens, _ := Lex(line)
	for len(tokens) > 0 && !tokens[0].Operator {
		t := tokens[0]
		if a, ok := env.Alias(t.Word); ok {
			return line[:t.Start] + a.Line + line[t.End:], t.End, len(a.Line) - (t.End - t.Start)
		}
		n := env.Commands.Inner(Words(tokens))
		if n == 0 {
			break
		}
		tokens = tokens[n:]
	}
	return line, 0, 0
}

// Inner returns the index of the command that the first of the words runs, as time does, or 0 if it runs none.
func (s Set) Inner(words []Word) int {
	if len(words) == 0 {
		return 0
	}
	c := s.Lookup(words[0].Text)
	if c == nil || len(c.Args) == 0 || c.Args[len(c.Args)-1].Kind != Line {
		return 0
	}
	in, _ := s.Parse(words) // what is missing does not matter
	if before := len(c.Args) - 1; in != nil && len(in.Words) > before {
		return len(words) - len(in.Words) + before
	}
	return 0
}
