package ui

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Ahead is an In in which lines may have been pasted or typed ahead of a question.
type Ahead interface {
	// Answer returns the next of them if is accepts it. Otherwise it keeps them for later, and
	// the answer is what is typed from now on.
	Answer(is func(line string) bool) (line string, ok bool)
}

// answers are the answers to a yes-or-no question; true means yes.
var answers = map[string]bool{"y": true, "yes": true, "n": false, "no": false}

func agrees(line string) (yes, isAnswer bool) {
	yes, isAnswer = answers[strings.ToLower(strings.TrimSpace(line))]
	return yes, isAnswer
}

// Ask asks a yes-or-no question on Err and reads the answer from In. Only y and yes mean yes; the
// end of In does not. Ask returns the context's error as soon as the context ends and, if the
// system can wait without reading, leaves what is typed later unread.
func (s *Streams) Ask(ctx context.Context, question string) (bool, error) {
	answer, err := s.answer(ctx, question+" [y/N]", func(line string) bool { _, ok := agrees(line); return ok })
	yes, _ := agrees(answer)
	return yes, err
}

// AskName asks on Err for a name to be typed, and reports whether the answer from In is that. It is otherwise like Ask.
func (s *Streams) AskName(ctx context.Context, question, name string) (bool, error) {
	is := func(line string) bool { return strings.TrimSpace(line) == name }
	answer, err := s.answer(ctx, question, is)
	return is(answer), err
}

// answer asks a question and reads the answer, which is "" after an error.
func (s *Streams) answer(ctx context.Context, question string, is func(line string) bool) (string, error) {
	if in, ok := s.In.(Ahead); ok {
		if line, ok := in.Answer(is); ok {
			fmt.Fprintf(s.Err, "%s %s\n", question, line)
			return line, nil
		}
	}
	fmt.Fprintf(s.Err, "%s ", question)
	if f, ok := s.In.(*os.File); ok {
		if err := awaitInput(ctx, f); err != nil {
			fmt.Fprintln(s.Err)
			return "", err
		}
	}
	answer, err := bufio.NewReader(s.In).ReadString('\n')
	if err != nil {
		fmt.Fprintln(s.Err)
	} else if t := terminalOf(s.Err); t != nil {
		t.newRow()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return answer, nil
}
