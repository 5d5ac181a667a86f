package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/infile"
)

// Data reads a data argument: literal text, @file, or - for standard input; @@ stands for a
// leading @.
//
// Differs(data-sources): zkCli stores what was typed; it has no other way to enter several lines
// or binary data.
func (env *Env) Data(ctx context.Context, arg string) ([]byte, error) {
	switch {
	case arg == "-":
		return env.ReadInput(ctx, env.Streams.In, "standard input")
	case strings.HasPrefix(arg, "@@"):
		return []byte(arg[1:]), nil
	case strings.HasPrefix(arg, "@"):
		if arg == "@" {
			return nil, errors.New("missing file name after @; write @file for a file's content, or @@ for data that starts with @")
		}
		return env.DataFile(ctx, arg[1:])
	}
	return []byte(arg), nil
}

// DataFile reads data from a file.
func (env *Env) DataFile(ctx context.Context, name string) ([]byte, error) {
	f, err := infile.Open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read the data: %w (write @@ for data that starts with @)", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("read the data: %s is a directory", name)
	}
	return env.ReadInput(ctx, f, name)
}

// ReadInput reads data, up to the size that the client accepts in a packet.
func (env *Env) ReadInput(ctx context.Context, in io.Reader, name string) ([]byte, error) {
	most := client.DefaultMaxPacket
	if env.Session != nil {
		most = env.Session.MaxPacket()
	}
	data, err := infile.All(ctx, in, name, most)
	if errors.Is(err, infile.ErrTooLong) {
		return nil, fmt.Errorf("%s is longer than %d bytes, the limit of jute.maxbuffer (raise it with -jute-maxbuffer)", name, most)
	}
	if err != nil {
		return nil, fmt.Errorf("read the data from %s: %w", name, err)
	}
	return data, nil
}
