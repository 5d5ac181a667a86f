package shell

import (
	"errors"
	"fmt"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
)

// line is a typed line, parsed: a command, and where its output goes.
type line struct {
	words   []command.Word // for command.Run; none for a blank line or a comment
	program string         // after |, for the user's shell, as typed
	file    string         // after > or >>
	adds    bool           // >>
}

// parseLine parses a line. Everything after the first | belongs to the user's shell, including
// quotes, further pipes and redirections.
func parseLine(text string) (line, error) {
	var l line
	tokens, err := command.Lex(text)
	for i, t := range tokens {
		if t.Operator && t.Text == "|" {
			l.program = strings.TrimSpace(text[t.End:])
			if l.program == "" {
				return line{}, errors.New("missing program after |, as in: ls -R / | grep name")
			}
			tokens, err = tokens[:i], nil
			break
		}
	}
	if err != nil {
		return line{}, openQuote(text, tokens)
	}
	var words []command.Token
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		switch {
		case !t.Operator:
			words = append(words, t)
		case i+1 == len(tokens) || tokens[i+1].Operator || tokens[i+1].Text == "":
			return line{}, fmt.Errorf("missing file after %s; to use it as a character, quote it: '%s'", t.Text, t.Text)
		case l.file != "":
			return line{}, errors.New("the output can go to only one file")
		default:
			i++
			l.file, l.adds = tokens[i].Text, t.Text == ">>"
		}
	}
	switch {
	case l.file != "" && l.program != "":
		return line{}, errors.New("the output can go to a file or to a program, but not to both; use tee, as in: ls / | tee file")
	case len(words) == 0 && l.program != "":
		return line{}, errors.New("missing command before |")
	case len(words) == 0 && l.file != "":
		return line{}, errors.New("missing command before >")
	}
	l.words = command.Words(words)
	return l, nil
}

// CheckLine returns what keeps a line from being run, apart from its command.
func CheckLine(text string) error {
	l, err := parseLine(text)
	if err == nil && len(l.words) == 0 {
		err = errors.New("it is empty")
	}
	if err == nil && command.Continues(text) {
		err = errors.New("it must be complete")
	}
	return err
}

// openQuoteError means that a line ends inside a quote.
type openQuoteError struct {
	quote       byte
	row, column int // where it starts, counted from 0
}

func (e *openQuoteError) Error() string {
	return fmt.Sprintf("unclosed quote %c at column %d", e.quote, e.column+1)
}

func openQuote(text string, tokens []command.Token) error {
	t := tokens[len(tokens)-1]
	before := text[:t.Start]
	return &openQuoteError{t.Open, strings.Count(before, "\n"), len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))}
}
