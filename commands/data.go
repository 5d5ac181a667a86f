package commands

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/infile"
)

// Options that every command with a data argument has.
var (
	fileOption   = Option{Name: "file", Value: "file", Kind: File, Help: "read the data from a file, - for standard input"}
	base64Option = Option{Name: "b", Help: "the data is base64"}
)

// dataArg reads a data argument: text as it stands, @file, or - for standard input; @@
// stands for a leading @.
//
// Differs(data-sources): zkCli stores what was typed; data of more than a line, or of bytes, has no
// other way in.
func (env *Env) dataArg(ctx context.Context, arg string) ([]byte, error) {
	switch {
	case arg == "-":
		return env.readInput(ctx, env.Streams.In, "standard input")
	case strings.HasPrefix(arg, "@@"):
		return []byte(arg[1:]), nil
	case strings.HasPrefix(arg, "@"):
		if arg == "@" {
			return nil, errors.New("@ names no file; write @file for a file's content, or @@ for data that begins with @")
		}
		return env.dataFile(ctx, arg[1:])
	}
	return []byte(arg), nil
}

func (env *Env) dataFile(ctx context.Context, name string) ([]byte, error) {
	f, err := infile.Open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read the data: %w (data that begins with @ is written @@)", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("read the data: %s is a directory", name)
	}
	return env.readInput(ctx, f, name)
}

// readInput reads data, at most as much as the client takes in one packet.
func (env *Env) readInput(ctx context.Context, in io.Reader, name string) ([]byte, error) {
	most := client.DefaultMaxPacket
	if env.Session != nil {
		most = env.Session.MaxPacket()
	}
	data, err := infile.All(ctx, in, name, most)
	if errors.Is(err, infile.ErrTooLong) {
		return nil, fmt.Errorf("%s has more than %d bytes, which is the limit of jute.maxbuffer (-jute-maxbuffer raises it)", name, most)
	}
	if err != nil {
		return nil, fmt.Errorf("read the data from %s: %w", name, err)
	}
	return data, nil
}

// takeData finds the data of an invocation: the -file option, or args[i] when there are so
// many arguments. It returns the arguments without it, and nil data when there is none.
func takeData(ctx context.Context, env *Env, in *Invocation, i int) (data []byte, args []string, err error) {
	args = in.Args
	switch {
	case in.Value("file") == "-":
		data, err = env.dataArg(ctx, "-")
	case in.Has("file"):
		data, err = env.dataFile(ctx, in.Value("file"))
	case i < len(args):
		data, err = env.dataArg(ctx, args[i])
		args = append(args[:i:i], args[i+1:]...)
	}
	if err == nil && in.Has("b") && data != nil {
		data, err = decodeBase64(data)
	}
	return data, args, err
}

// decodeBase64 reads standard base64, with or without padding, over any number of lines.
func decodeBase64(text []byte) ([]byte, error) {
	s := strings.NewReplacer("\r", "", "\n", "").Replace(strings.TrimSpace(string(text)))
	data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return nil, fmt.Errorf("the data is not base64, which -b asks for: %w", err)
	}
	return data, nil
}
