package commands

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
)

// What the commands that read any location share.
var (
	locationArg = command.Arg{Name: "location", Kind: command.Location, Optional: true} // without it: the current znode
	readRate    = command.NewValue("rate", "N", command.Number, "make at most N requests a second", positive("--rate"))
)

// positive reads a number above 0.
func positive(option string) func(text string) (int, error) {
	return func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n <= 0 {
			return 0, fmt.Errorf("%s: %q is not a number above 0", option, text)
		}
		return n, nil
	}
}

// pathJSON is a znode's path in JSON. A name that is not UTF-8 is base64.
type pathJSON struct {
	Path     string `json:"path"`
	Encoding string `json:"pathEncoding,omitempty"`
}

func jsonPath(path string) pathJSON {
	if utf8.ValidString(path) {
		return pathJSON{Path: path}
	}
	return pathJSON{base64.StdEncoding.EncodeToString([]byte(path)), "base64"}
}

// lines writes an answer line by line. On a terminal, none is held back for long.
type lines struct {
	*bufio.Writer
	s       *ui.Streams
	json    bool
	count   int
	flushed time.Time
}

func newLines(env *command.Env) *lines {
	return &lines{Writer: bufio.NewWriterSize(env.Streams.Out, 64<<10), s: env.Streams, json: env.Output == ui.JSON, flushed: time.Now()}
}

// object writes a JSON document.
func (l *lines) object(v any) error {
	text, err := escape.MarshalJSON(v)
	if err != nil {
		return err
	}
	_, _ = l.Write(text)
	return l.end('\n')
}

// end ends a line; its error is that of the stream.
func (l *lines) end(mark byte) error {
	err := l.WriteByte(mark)
	l.count++
	if l.s.OutTTY && time.Since(l.flushed) > flushEvery {
		err = l.Flush()
		l.flushed = time.Now()
	}
	return err
}

// walkProgress shows how many znodes were read, unless the answer goes to the terminal.
func walkProgress(s *ui.Streams, opt *source.Options) (done func()) {
	if s.OutTTY {
		return func() {}
	}
	bar := s.NewProgress("read", 0)
	opt.Progress = func(found int) { bar.Set(int64(found)) }
	return bar.Done
}

// walked is the error of a command after a walk: what ended it, with what an interruption leaves, or what is missing.
func walked(ctx context.Context, missing, err error, text string) error {
	if interrupted := command.Stopped(ctx, err, text); interrupted != nil {
		return interrupted
	}
	if err != nil {
		return err
	}
	return missing
}
