package commands

import (
	"context"
	"fmt"
	"strconv"

	"github.com/zkctl/zkctl/internal/ui"
)

var versionOption = Option{Name: "v", Value: "version", Kind: Number, Help: "only if the znode has this version (dataVersion of stat)"}

var setCommand = &Command{
	Name: "set", Group: Writing, Usage: "[-s] [-v version] [-b] [-file file] path data",
	Short: "replace the data of a znode",
	Long: "The data is text as it stands, @file for the content of a file, or - for standard input. " +
		"Text that begins with @ is written with two.",
	Options: []Option{withStatOption, versionOption, base64Option, fileOption},
	Args: []Arg{
		{Name: "path", Kind: Path},
		{Name: "data", Kind: Data, Optional: true, Help: "text, @file, or - for standard input; not with -file"},
		{Name: "version", Kind: Number, Optional: true, Old: true},
	},
	Examples: []Example{
		{"set /app/config 'two words'", "set text"},
		{"set -v 3 /app/config new", "only if nobody else has changed it since"},
		{"set /app/config @config.json", "set what a file holds"},
		{"set -b /app/key AAEC/w==", "set binary data"},
	},
	Differs: "zkCli takes - and @file for the data itself (write @@file for that), and ignores an old-style version after the data.",
	Run:     runSet,
}

func runSet(ctx context.Context, env *Env, in *Invocation) error {
	data, args, err := takeData(ctx, env, in, 1)
	if err != nil {
		return err
	}
	if data == nil {
		return in.problem("data is missing; '' is empty data")
	}
	version, err := expectedVersion(in, args, 1)
	if err != nil {
		return err
	}
	conn, err := env.conn()
	if err != nil {
		return err
	}
	stat, err := conn.Set(ctx, args[0], data, version)
	if err != nil {
		return err
	}
	if env.Output == ui.JSON {
		return env.printJSON(object{"path": args[0], "stat": jsonStat(stat)})
	}
	if in.Has("s") {
		printStat(env.Streams.Out, stat)
	}
	return nil
}

// expectedVersion is -v or, as zkCli of 3.4 had it, the argument at i; -1 without either.
func expectedVersion(in *Invocation, args []string, i int) (int32, error) {
	text := in.Value("v")
	switch {
	case in.Has("v") && i < len(args):
		return 0, in.problem("the version is given twice, as -v %s and as %q", text, args[i])
	case i < len(args):
		text = args[i]
	case !in.Has("v"):
		return -1, nil
	}
	v, err := strconv.ParseInt(text, 10, 32)
	if err != nil || v < -1 {
		return 0, fmt.Errorf("%q is not a version: a number as in dataVersion of stat, or -1 for any", text)
	}
	return int32(v), nil
}
