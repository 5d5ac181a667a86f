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
	if in, ok := s.In.(Ahead); ok {
		if line, ok := in.Answer(func(line string) bool { _, ok := agrees(line); return ok }); ok {
			fmt.Fprintf(s.Err, "%s [y/N] %s\n", question, line)
			yes, _ := agrees(line)
			return yes, nil
		}
	}
	fmt.Fprintf(s.Err, "%s [y/N] ", question)
	if f, ok := s.In.(*os.File); ok {
		if err := awaitInput(ctx, f); err != nil {
			fmt.Fprintln(s.Err)
			return false, err
		}
	}
	answer, err := bufio.NewReader(s.In).ReadString('\n')
	if err != nil {
		fmt.Fprintln(s.Err)
	} else if t := terminalOf(s.Err); t != nil {
		t.newRow()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	yes, _ := agrees(answer)
	return yes, nil
}
