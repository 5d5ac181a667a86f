package commands

import (
	"context"
	"fmt"
	"strconv"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

var dataVersion = command.NewText("v", "version", command.Number, "only if the znode has this version (dataVersion of stat)")

var setCommand = &command.Command{
	Name: "set", Group: command.Writing, Usage: "[-s] [-v version] [-b] [-file file] path data",
	Short: "replace the data of a znode",
	Long: "Data is literal text, @file for the content of a file, or - for standard input. " +
		"Write @@ for text that starts with @.",
	Options: command.Options{withStat, dataVersion, dataBase64, dataFile},
	Args: []command.Arg{
		{Name: "path", Kind: command.Path},
		{Name: "data", Kind: command.Data, Optional: true, Help: "text, @file, or - for standard input; not with -file"},
		{Name: "version", Kind: command.Number, Optional: true, Old: true},
	},
	Examples: []command.Example{
		{"set /app/config 'two words'", "set text"},
		{"set -v 3 /app/config new", "only if it still has version 3"},
		{"set /app/config @config.json", "set the content of a file"},
		{"set -b /app/key AAEC/w==", "set binary data"},
	},
	Differs: "zkCli treats - and @file as the data itself (here @@file does that), and ignores an old-style version after the data.",
	Run:     runSet,
}

func runSet(ctx context.Context, env *command.Env, in *command.Invocation) error {
	data, args, err := takeData(ctx, env, in, 1)
	if err != nil {
		return err
	}
	if data == nil {
		return in.Problem("missing data; use '' for empty data")
	}
	version, err := expectedVersion(in, dataVersion, args, 1)
	if err != nil {
		return err
	}
	conn, err := env.Conn()
	if err != nil {
		return err
	}
	stat, err := conn.Set(ctx, args[0], data, version)
	if err != nil {
		return err
	}
	if env.Output == ui.JSON {
		return env.PrintJSON(command.Object{"path": args[0], "stat": jsonStat(stat)})
	}
	if withStat.On(in) {
		printStat(env.Streams.Out, stat)
	}
	return nil
}

// expectedVersion returns -v or, as in zkCli 3.4, the argument at i; -1 without either.
func expectedVersion(in *command.Invocation, option command.Text, args []string, i int) (int32, error) {
	text := option.In(in)
	switch {
	case option.Given(in) && i < len(args):
		return 0, in.Problem("two versions are given: -v %s and %q", text, args[i])
	case i < len(args):
		text = args[i]
	case !option.Given(in):
		return -1, nil
	}
	v, err := strconv.ParseInt(text, 10, 32)
	if err != nil || v < -1 {
		return 0, fmt.Errorf("invalid version %q; use a number, as in dataVersion of stat, or -1 for any", text)
	}
	return int32(v), nil
}
