package outer

import (
	"path"
	"strings"
	"unicode/utf8"
)

// Line is a command line up to the cursor, split as its shell would.
type Line struct {
	Words []string // before the cursor, with quotes resolved; the first is the program's own name
	Word  string   // at the cursor
	File  bool     // the word is the file of a redirection

	raw      string // the word as typed
	quote    byte   // around the cursor: ' or ", or 0 for none
	dangling bool   // the line ends with a character that quotes the next one
}

// splitter splits a line. It resolves variables and the home folder, and evaluates nothing else.
type splitter struct {
	line   string
	lookup func(string) (string, bool)

	words    []string
	text     strings.Builder
	begun    bool // a word has begun
	start    int  // of the word
	redirect bool // the word is the file of a redirection
	quote    byte
	dangling bool
}

// split splits a line; ok is false in a comment, or if the line holds something that only the
// shell can evaluate.
func split(shell, line string, lookup func(string) (string, bool)) (Line, bool) {
	s := &splitter{line: line, lookup: lookup, start: len(line)}
	var ok bool
	switch shell {
	case "fish":
		ok = s.fish()
	case "powershell":
		ok = s.powershell()
	default:
		ok = s.posix(shell == "bash")
	}
	if !ok {
		return Line{}, false
	}
	l := Line{Words: s.words, Word: s.text.String(), File: s.redirect, quote: s.quote, dangling: s.dangling}
	if s.begun {
		l.raw = line[s.start:]
	}
	// What may precede the program: an assignment, `not`, `command`.
	for i, w := range l.Words {
		if strings.TrimSuffix(path.Base(w), ".exe") == "zkctl" {
			l.Words = l.Words[i:]
			break
		}
	}
	return l, len(l.Words) > 0
}

// begin starts a word at i, unless one has started.
func (s *splitter) begin(i int) {
	if !s.begun {
		s.begun, s.start = true, i
	}
}

func (s *splitter) end() {
	if s.begun && !s.redirect {
		s.words = append(s.words, s.text.String())
	}
	if s.begun {
		s.redirect = false
	}
	s.text.Reset()
	s.begun, s.start = false, len(s.line)
}

// operator handles one of | & ; < > ( ) and what belongs to it, and returns where the line
// continues, or 0 if only the shell can handle it.
func (s *splitter) operator(i int) int {
	rest := s.line[i:]
	switch {
	case strings.HasPrefix(rest, "<("), strings.HasPrefix(rest, ">("), rest[0] == '(', rest[0] == ')':
		return 0
	case rest[0] == '<' || rest[0] == '>' || strings.HasPrefix(rest, "&>"):
		if strings.Trim(s.text.String(), "0123456789") == "" {
			s.text.Reset() // 2>
			s.begun = false
		}
		s.end()
		s.redirect = true
		return i + len(rest) - len(strings.TrimLeft(rest, "<>&|"))
	}
	s.end()
	s.words, s.redirect = nil, false // another command starts
	return i + 1
}

// variable handles what follows a $ at i-1 and returns where the line continues; ok is false if
// only the shell can evaluate it.
func (s *splitter) variable(i int) (value string, next int, ok bool) {
	braces := i < len(s.line) && s.line[i] == '{'
	if braces {
		i++
	}
	end := i
	for end < len(s.line) && (isLetter(s.line[end]) || end > i && isDigit(s.line[end])) {
		end++
	}
	name := s.line[i:end]
	switch {
	case braces && (end == len(s.line) || s.line[end] != '}' || name == ""):
		return "", 0, false
	case braces:
		end++
	case name == "" && i < len(s.line) && strings.IndexByte("([{'\"$?!#*@-_0123456789`", s.line[i]) >= 0:
		return "", 0, false
	case name == "":
		return "$", i, true
	}
	value, _ = s.lookup(name)
	return value, end, true
}

func isLetter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_' }
func isDigit(b byte) bool  { return b >= '0' && b <= '9' }

// expand adds a variable's value to the word; fields says that the shell splits it if unquoted.
func (s *splitter) expand(at int, value string, fields bool) {
	if !fields {
		s.begin(at)
		s.text.WriteString(value)
		return
	}
	for i, field := range strings.Fields(value) {
		if i > 0 || strings.TrimLeft(value, " \t\n") != value {
			s.end()
		}
		s.begin(at)
		s.text.WriteString(field)
	}
	if strings.TrimRight(value, " \t\n") != value {
		s.end()
	}
}

// home adds the home folder for a ~ at the start of a word, alone or before a slash.
func (s *splitter) home(i int) bool {
	if s.begun || i+1 < len(s.line) && strings.IndexByte("/ \t", s.line[i+1]) < 0 {
		return false
	}
	home, ok := s.lookup("HOME")
	if ok {
		s.begin(i)
		s.text.WriteString(home)
	}
	return ok
}

// unquoted handles a character outside quotes, which POSIX shells and fish take alike, and returns
// where the line continues, or 0 if only the shell can handle it.
func (s *splitter) unquoted(i int) int {
	switch ch := s.line[i]; {
	case ch == '\'' || ch == '"':
		s.begin(i)
		s.quote = ch
	case ch == ' ' || ch == '\t':
		s.end()
	case ch == '\n':
		s.end()
		s.words = nil
	case strings.IndexByte("|&;<>()", ch) >= 0:
		return s.operator(i)
	case ch == '#' && !s.begun:
		return 0
	case ch == '~' && s.home(i):
	default:
		s.begin(i)
		s.text.WriteByte(ch)
	}
	return i + 1
}

func (s *splitter) posix(fields bool) bool {
	for i := 0; i < len(s.line); {
		ch := s.line[i]
		switch {
		case s.quote == '\'' && ch != '\'', s.quote == '"' && strings.IndexByte("\"\\$`", ch) < 0:
			s.text.WriteByte(ch)
			i++
		case ch == s.quote:
			s.quote = 0
			i++
		case ch == '\\' && i+1 == len(s.line):
			s.begin(i)
			s.dangling = true
			i++
		case ch == '\\':
			if s.line[i+1] == '\n' {
				i += 2
				continue
			}
			s.begin(i)
			if s.quote == '"' && strings.IndexByte("\"\\$`", s.line[i+1]) < 0 {
				s.text.WriteByte('\\')
			}
			s.text.WriteByte(s.line[i+1])
			i += 2
		case ch == '$':
			value, next, ok := s.variable(i + 1)
			if !ok {
				return false
			}
			s.expand(i, value, fields && s.quote == 0)
			i = next
		case ch == '`':
			return false
		default:
			if i = s.unquoted(i); i == 0 {
				return false
			}
		}
	}
	return true
}

func (s *splitter) fish() bool {
	for i := 0; i < len(s.line); {
		ch := s.line[i]
		switch {
		case ch == '\\' && i+1 == len(s.line):
			s.begin(i)
			s.dangling = true
			i++
		case ch == '\\' && s.quote != 0:
			if keeps := map[byte]string{'\'': `'\`, '"': `"\$`}[s.quote]; strings.IndexByte(keeps, s.line[i+1]) < 0 {
				s.text.WriteByte('\\')
			}
			s.text.WriteByte(s.line[i+1])
			i += 2
		case ch == '\\':
			if s.line[i+1] == '\n' {
				i += 2
				continue
			}
			if isLetter(s.line[i+1]) || isDigit(s.line[i+1]) {
				return false // such as \n or \x1b: not in a znode path
			}
			s.begin(i)
			s.text.WriteByte(s.line[i+1])
			i += 2
		case ch == s.quote:
			s.quote = 0
			i++
		case ch == '$' && s.quote != '\'':
			value, next, ok := s.variable(i + 1)
			if !ok {
				return false
			}
			s.expand(i, value, false)
			i = next
		case s.quote != 0:
			s.text.WriteByte(ch)
			i++
		default:
			if i = s.unquoted(i); i == 0 {
				return false
			}
		}
	}
	return true
}

// powershell splits as PowerShell does, which accepts several characters for each quote.
func (s *splitter) powershell() bool {
	for i := 0; i < len(s.line); {
		ch, n := utf8.DecodeRuneInString(s.line[i:])
		quote := powerShellQuote(ch)
		switch {
		case s.quote != 0 && quote == s.quote:
			if next, size := utf8.DecodeRuneInString(s.line[i+n:]); powerShellQuote(next) == s.quote {
				s.text.WriteRune(next)
				n += size
			} else {
				s.quote = 0
			}
		case s.quote == '\'':
			s.text.WriteString(s.line[i : i+n])
		case ch == '`' && i+1 == len(s.line):
			s.begin(i)
			s.dangling = true
		case ch == '`':
			if isLetter(s.line[i+1]) || isDigit(s.line[i+1]) {
				return false
			}
			next, size := utf8.DecodeRuneInString(s.line[i+1:])
			s.begin(i)
			s.text.WriteRune(next)
			n += size
		case ch == '$':
			// PowerShell's own variables are not environment variables.
			value, end, ok := s.powerShellVariable(i + 1)
			if !ok {
				return false
			}
			s.expand(i, value, false)
			n = end - i
		case s.quote == '"':
			s.text.WriteString(s.line[i : i+n])
		case quote != 0:
			s.begin(i)
			s.quote = quote
		case ch == ' ' || ch == '\t':
			s.end()
		case ch == '#' && !s.begun, strings.ContainsRune("(){}|&;\n", ch):
			return false
		case ch == '<' || ch == '>':
			n = s.operator(i) - i
		case ch == '~' && s.home(i):
		default:
			s.begin(i)
			s.text.WriteString(s.line[i : i+n])
		}
		i += n
	}
	return true
}

func (s *splitter) powerShellVariable(i int) (value string, next int, ok bool) {
	if i == len(s.line) || strings.IndexByte(" \t\"", s.line[i]) >= 0 {
		return "$", i, true
	}
	if len(s.line) < i+4 || !strings.EqualFold(s.line[i:i+4], "env:") {
		return "", 0, false
	}
	if i += 4; i == len(s.line) || !isLetter(s.line[i]) {
		return "", 0, false
	}
	return s.variable(i)
}

// powerShellQuote returns the quote that PowerShell takes a character for, or 0 for none.
func powerShellQuote(r rune) byte {
	switch r {
	case '\'', '\u2018', '\u2019', '\u201a', '\u201b':
		return '\''
	case '"', '\u201c', '\u201d', '\u201e':
		return '"'
	}
	return 0
}
