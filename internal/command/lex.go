package command

import (
	"errors"
	"strings"
)

// Token is one word or operator of a line.
type Token struct {
	Word
	Start, End int  // bytes of the line that it came from
	Operator   bool // |, > or >>
	Open       byte // the quote that the line ends inside of; 0 otherwise
}

// Word is a word of a command: of a line, or an argument of the process.
type Word struct {
	Text   string // without the quotes around it
	Quoted bool   // it had them: it is no pattern
}

// ErrOpenQuote says that a line ends inside a quote.
var ErrOpenQuote = errors.New("the quote is not closed")

// Lex splits a line as zkCli does (ZooKeeperMain.MyCommandOptions.parseCommand): a word that
// does not begin with a quote is what stands there up to the next whitespace, a word that does
// is what stands between the quotes, and another word may follow it without a space.
//
// With ErrOpenQuote the tokens are still returned, the last with Open set: completion works on
// them.
//
// Differs(open-quote): zkCli skips an open quote and takes what follows for words; here the line
// goes on in the next row, so that data can have several.
// Differs(blank-line): zkCli's pattern finds a word in a line of spaces, the last of them.
func Lex(line string) ([]Token, error) { return lex(line, false) }

// lex is Lex; begun says that a word stands before on the same row.
func lex(line string, begun bool) (tokens []Token, err error) {
	for i := 0; i < len(line); {
		if isSpace(line[i]) {
			begun = begun && line[i] != '\n'
			i++
			continue
		}
		t := lexWord(line, i)
		if isComment(t, begun) {
			i = endOfRow(line, i)
			continue
		}
		tokens = append(tokens, t)
		if t.Open != 0 {
			return tokens, ErrOpenQuote
		}
		i, begun = t.End, true
	}
	return tokens, nil
}

func lexWord(line string, start int) Token {
	if quote := line[start]; quote == '\'' || quote == '"' {
		return lexQuoted(line, start)
	}
	end := start
	for end < len(line) && !isSpace(line[end]) {
		end++
	}
	text := line[start:end]
	// Differs(operators): to zkCli |, > and >> are data as other words are, and no line has a
	// comment. Pipes, files and comments are worth three words that nobody stores.
	operator := text == "|" || text == ">" || text == ">>"
	return Token{Word: Word{Text: text}, Start: start, End: end, Operator: operator}
}

func lexQuoted(line string, start int) Token {
	quote := line[start]
	t := Token{Word: Word{Quoted: true}, Start: start, End: len(line), Open: quote}
	var text strings.Builder
	i := start + 1
	for ; i < len(line); i++ {
		// Differs(escapes): to zkCli a backslash between double quotes is a backslash, so that no
		// word can hold a space and both kinds of quotes.
		if escapes(quote, line[i:]) {
			i++
		} else if line[i] == quote {
			t.End, t.Open = i+1, 0
			break
		}
		text.WriteByte(line[i])
	}
	t.Text = text.String()
	return t
}

// escapes tells whether rest, within the quote, begins with \" or \\.
func escapes(quote byte, rest string) bool {
	return quote == '"' && (strings.HasPrefix(rest, `\"`) || strings.HasPrefix(rest, `\\`))
}

// isComment tells whether the word begins one: # at the start of a row or as a word of its own.
func isComment(t Token, begun bool) bool {
	return !t.Quoted && (t.Text == "#" || !begun && strings.HasPrefix(t.Text, "#"))
}

func endOfRow(line string, i int) int {
	if n := strings.IndexByte(line[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(line)
}

// isSpace tells whether Java's \s matches.
func isSpace(ch byte) bool {
	return ch == ' ' || '\t' <= ch && ch <= '\r'
}

// Quote writes a word so that Lex reads it back wherever it stands, and no pattern is found in it.
func Quote(word string) string {
	switch {
	case word != "" && strings.IndexByte(`'"#`, word[0]) < 0 && word != "|" && word != ">" && word != ">>" &&
		!strings.ContainsAny(word, " \t\n\v\f\r*?["):
		return word
	case !strings.Contains(word, "'"):
		return "'" + word + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
}

// Words are the words of a line for Run.
func Words(tokens []Token) []Word {
	words := make([]Word, len(tokens))
	for i, t := range tokens {
		words[i] = t.Word
	}
	return words
}

// Args are the arguments of a process for Run; whoever split them has dealt with quotes.
func Args(args ...string) []Word {
	words := make([]Word, len(args))
	for i, a := range args {
		words[i].Text = a
	}
	return words
}

func texts(words []Word) []string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = w.Text
	}
	return all
}
