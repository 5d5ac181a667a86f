package commands

import (
	"errors"
	"strings"
)

// Token is one word or operator of a line.
type Token struct {
	Text       string // quotes and backslashes resolved
	Start, End int    // bytes of the line that it came from
	Operator   bool   // |, > or >>, unquoted
	Open       byte   // the quote, or backslash, that the line ends inside of; 0 otherwise
	Quoted     bool   // a part of the word was quoted or escaped: no glob, no comment
}

// ErrOpenQuote says that a line ends inside a quote or after a backslash.
var ErrOpenQuote = errors.New("the quote is not closed")

// Lex splits a line as a POSIX shell does: blanks separate, single quotes keep all, double
// quotes keep all but \" and \\, a backslash keeps the next character, # at the start of a
// word begins a comment. |, > and >> are operators. With ErrOpenQuote the tokens are still
// returned, the last with Open set: completion works on them.
//
// Differs(quoting): see parseCommand of zkCli's ZooKeeperMain.
func Lex(line string) ([]Token, error) {
	var tokens []Token
	for i := 0; i < len(line); {
		switch ch := line[i]; {
		case ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n':
			i++
		case ch == '#':
			return tokens, nil
		case ch == '|':
			tokens = append(tokens, Token{Text: "|", Start: i, End: i + 1, Operator: true})
			i++
		case ch == '>':
			n := 1
			if strings.HasPrefix(line[i:], ">>") {
				n = 2
			}
			tokens = append(tokens, Token{Text: line[i : i+n], Start: i, End: i + n, Operator: true})
			i += n
		default:
			t := lexWord(line, i)
			tokens = append(tokens, t)
			if t.Open != 0 {
				return tokens, ErrOpenQuote
			}
			i = t.End
		}
	}
	return tokens, nil
}

func lexWord(line string, start int) Token {
	t := Token{Start: start}
	var text strings.Builder
	var quote byte
	i := start
word:
	for ; i < len(line); i++ {
		ch := line[i]
		switch {
		case quote == '\'':
			if ch == '\'' {
				quote = 0
			} else {
				text.WriteByte(ch)
			}
		case ch == '\\':
			if i+1 == len(line) {
				t.Open = '\\'
				continue
			}
			if next := line[i+1]; quote == '"' && next != '"' && next != '\\' {
				text.WriteByte(ch)
			} else {
				i++
				t.Quoted = true
				text.WriteByte(next)
			}
		case quote == '"':
			if ch == '"' {
				quote = 0
			} else {
				text.WriteByte(ch)
			}
		case ch == '\'' || ch == '"':
			quote, t.Quoted = ch, true
		case strings.IndexByte(" \t\r\n|>", ch) >= 0:
			break word
		default:
			text.WriteByte(ch)
		}
	}
	if quote != 0 {
		t.Open = quote
	}
	t.Text, t.End = text.String(), i
	return t
}

// Quote writes a word so that Lex reads it back.
func Quote(word string) string {
	if word == "" {
		return "''"
	}
	if !strings.ContainsAny(word, " \t\r\n|>#'\"\\*?[") {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
