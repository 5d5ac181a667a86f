package command

import (
	"errors"
	"strings"
)

// Token is a word or operator of a line.
type Token struct {
	Word
	Start, End int  // its bytes in the line
	Operator   bool // |, > or >>
	Open       byte // the quote that is still open at the end of the line; otherwise 0
}

// Word is a word of a command: from a line, or an argument of the process.
type Word struct {
	Text   string // without the quotes around it
	Quoted bool   // it was quoted, so it is not a pattern
}

// ErrOpenQuote means that a line ends inside a quote.
var ErrOpenQuote = errors.New("unclosed quote")

// Lex splits a line as zkCli does (ZooKeeperMain.MyCommandOptions.parseCommand): a word that does
// not start with a quote ends at the next whitespace; a word that does ends at the closing quote,
// and another word may follow it without a space.
//
// A backslash as a separate word at the end of a row continues the line, too; it is not a word unless
// the row is the last.
//
// With ErrOpenQuote the tokens are still returned, the last one with Open set, for completion.
//
// Differs(open-quote): zkCli skips an open quote and treats what follows as words; here the line
// continues on the next row, so that data can have several.
//
// Differs(blank-line): zkCli's pattern finds a word in a line of spaces: the last space.
func Lex(line string) ([]Token, error) { return lex(line, false) }

// lex is Lex; begun says that a word precedes it on the same row.
func lex(line string, begun bool) (tokens []Token, err error) {
	for i := 0; i < len(line); {
		if isSpace(line[i]) {
			begun = begun && line[i] != '\n'
			i++
			continue
		}
		t := lexWord(line, i)
		if next, ok := rowBreak(line, t); ok && next <= len(line) {
			i, begun = next, true
			continue
		}
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
	// Differs(operators): to zkCli |, > and >> are data like other words, and there are no
	// comments. Pipes, files and comments are worth three words that nobody stores.
	operator := text == "|" || text == ">" || text == ">>"
	return Token{Word: Word{Text: text}, Start: start, End: end, Operator: operator}
}

func lexQuoted(line string, start int) Token {
	quote := line[start]
	t := Token{Word: Word{Quoted: true}, Start: start, End: len(line), Open: quote}
	var text strings.Builder
	i := start + 1
	for ; i < len(line); i++ {
		// Differs(escapes): to zkCli a backslash between double quotes is just a backslash, so no
		// word can contain a space and both kinds of quotes.
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

// escapes reports whether rest, inside the quote, starts with \" or \\.
func escapes(quote byte, rest string) bool {
	return quote == '"' && (strings.HasPrefix(rest, `\"`) || strings.HasPrefix(rest, `\\`))
}

// rowBreak reports whether the word is a backslash that ends its row, so that the line continues on
// the next, which starts at byte next; without a next row, that is after the end of the line.
//
// Differs(backslash-at-the-end): to zkCli a backslash is data, wherever it is. Here one that is a
// separate word at the end of a row continues the line, and elsewhere it is data, too.
func rowBreak(line string, t Token) (next int, ok bool) {
	if t.Quoted || t.Text != `\` {
		return 0, false
	}
	rest := strings.TrimPrefix(line[t.End:], "\r")
	return len(line) - len(rest) + 1, rest == "" || rest[0] == '\n'
}

// isComment reports whether the word starts a comment: # at the start of a row or as a separate
// word.
func isComment(t Token, begun bool) bool {
	return !t.Quoted && (t.Text == "#" || !begun && strings.HasPrefix(t.Text, "#"))
}

func endOfRow(line string, i int) int {
	if n := strings.IndexByte(line[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(line)
}

// isSpace reports whether Java's \s matches.
func isSpace(ch byte) bool {
	return ch == ' ' || '\t' <= ch && ch <= '\r'
}

// Quote quotes a word so that Lex reads it back anywhere, and no pattern is found in it.
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

// Words returns the words of a line for Run.
func Words(tokens []Token) []Word {
	words := make([]Word, len(tokens))
	for i, t := range tokens {
		words[i] = t.Word
	}
	return words
}

// Args returns the arguments of a process for Run; quotes were already resolved.
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
