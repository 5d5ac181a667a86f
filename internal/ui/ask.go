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

// Ask asks a yes-or-no question on Err and reads the answer from In; only y and yes agree,
// the end of In does not. It ends with the context's error as soon as the context does, and
// then leaves what is typed later to others, where the system lets it wait without reading.
func (s *Streams) Ask(ctx context.Context, question string) (bool, error) {
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
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", nil
}
