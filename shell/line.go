package shell

import (
	"errors"
	"fmt"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
)

// line is what was typed, taken apart: a command, and where its output goes.
type line struct {
	words   []command.Word // for command.Run; none for a blank line or a comment
	program string         // behind |, for the user's shell, as it was typed
	file    string         // behind > or >>
	adds    bool           // >>
}

// parseLine takes a line apart. All behind the first | belongs to the user's shell, quotes,
// further pipes and redirections included.
func parseLine(text string) (line, error) {
	var l line
	tokens, err := command.Lex(text)
	for i, t := range tokens {
		if t.Operator && t.Text == "|" {
			l.program = strings.TrimSpace(text[t.End:])
			if l.program == "" {
				return line{}, errors.New("a program is missing behind |; as in: ls -R / | grep name")
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
			return line{}, fmt.Errorf("a file is missing behind %s; quote it to mean the character: '%s'", t.Text, t.Text)
		case l.file != "":
			return line{}, errors.New("the output can go to one file only")
		default:
			i++
			l.file, l.adds = tokens[i].Text, t.Text == ">>"
		}
	}
	switch {
	case l.file != "" && l.program != "":
		return line{}, errors.New("the output can go to a file or to a program, not to both; as in: ls / | tee file")
	case len(words) == 0 && l.program != "":
		return line{}, errors.New("a command is missing before |")
	case len(words) == 0 && l.file != "":
		return line{}, errors.New("a command is missing before >")
	}
	l.words = command.Words(words)
	return l, nil
}

// openQuoteError says that a line ends within a quote.
type openQuoteError struct {
	quote       byte
	row, column int // where it begins, counted from 0
}

func (e *openQuoteError) Error() string {
	return fmt.Sprintf("the quote %c that begins at column %d is not closed", e.quote, e.column+1)
}

func openQuote(text string, tokens []command.Token) error {
	t := tokens[len(tokens)-1]
	before := text[:t.Start]
	return &openQuoteError{t.Open, strings.Count(before, "\n"), len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))}
}
