package commands

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxData is the most that a data argument may bring, in bytes: the client's default jute.maxbuffer.
const maxData = 64 << 20

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
func dataArg(in io.Reader, arg string) ([]byte, error) {
	switch {
	case arg == "-":
		return readLimited(in, "standard input")
	case strings.HasPrefix(arg, "@@"):
		return []byte(arg[1:]), nil
	case strings.HasPrefix(arg, "@"):
		if arg == "@" {
			return nil, errors.New("@ names no file; write @file for a file's content, or @@ for data that begins with @")
		}
		return dataFile(arg[1:])
	}
	return []byte(arg), nil
}

func dataFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the data: %w (data that begins with @ is written @@)", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("read the data: %s is a directory", name)
	}
	return readLimited(f, name)
}

func readLimited(in io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, maxData+1))
	if err != nil {
		return nil, fmt.Errorf("read the data from %s: %w", name, err)
	}
	if len(data) > maxData {
		return nil, fmt.Errorf("%s has more than %d MiB, which no znode can hold", name, maxData>>20)
	}
	return data, nil
}

// takeData finds the data of an invocation: the -file option, or args[i] when there are so
// many arguments. It returns the arguments without it, and nil data when there is none.
func takeData(env *Env, in *Invocation, i int) (data []byte, args []string, err error) {
	args = in.Args
	switch {
	case in.Value("file") == "-":
		data, err = dataArg(env.Streams.In, "-")
	case in.Has("file"):
		data, err = dataFile(in.Value("file"))
	case i < len(args):
		data, err = dataArg(env.Streams.In, args[i])
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
