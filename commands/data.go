package commands

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
)

// The options of every command with a data argument.
var (
	dataFile   = command.NewText("file", "file", command.File, "read the data from a file, - for standard input")
	dataBase64 = command.NewFlag("b", "decode the data from base64")
)

// takeData finds the data of an invocation: the -file option, or args[i] if there are that many
// arguments. It returns the arguments without it, and nil data if there is none.
func takeData(ctx context.Context, env *command.Env, in *command.Invocation, i int) (data []byte, args []string, err error) {
	args = in.Args
	switch {
	case dataFile.In(in) == "-":
		data, err = env.Data(ctx, "-")
	case dataFile.Given(in):
		data, err = env.DataFile(ctx, dataFile.In(in))
	case i < len(args):
		data, err = env.Data(ctx, args[i])
		args = append(args[:i:i], args[i+1:]...)
	}
	if err == nil && dataBase64.On(in) && data != nil {
		data, err = decodeBase64(data)
	}
	return data, args, err
}

// decodeBase64 decodes standard base64, with or without padding, on any number of lines.
func decodeBase64(text []byte) ([]byte, error) {
	s := strings.NewReplacer("\r", "", "\n", "").Replace(strings.TrimSpace(string(text)))
	data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return nil, fmt.Errorf("-b: the data is not valid base64: %w", err)
	}
	return data, nil
}
