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

// locationForms explains locations in the help of a command.
const locationForms = "A location is a znode path, NAME:/path, zk://host:port/path, or file:PATH[@ZXID|@TIME][:/path]."

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

// notNegative reads a number of at least 0.
func notNegative(option string) func(text string) (int, error) {
	return func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("%s: %q is not a number of at least 0", option, text)
		}
		return n, nil
	}
}

// value reads an option into a variable.
func value[T any](in *command.Invocation, option command.Value[T], otherwise T, to *T) (err error) {
	*to, err = option.Or(in, otherwise)
	return err
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

// name writes a name or a path on a line.
func (l *lines) name(name string, mark byte) error {
	_, _ = l.WriteString(l.s.Name(name))
	return l.end(mark)
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

// walkLocation is env.Walk; it shows how many znodes were read, unless the answer goes to the terminal.
func walkLocation(ctx context.Context, env *command.Env, src *source.Source, opt source.Options, visit func(z *source.Znode) error) (missing, err error) {
	if !env.Streams.OutTTY {
		bar := env.Streams.NewProgress("read", 0)
		defer bar.Done()
		opt.Progress = func(found int) { bar.Set(int64(found)) }
	}
	return env.Walk(ctx, src, opt, visit)
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
