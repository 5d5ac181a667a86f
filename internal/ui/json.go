package ui

import (
	"io"

	"github.com/zkctl/zkctl/internal/escape"
)

// PrintJSON writes a document on one line, in one write.
func PrintJSON(w io.Writer, v any) error {
	text, err := escape.MarshalJSON(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
