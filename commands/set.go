package commands

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

var (
	setFilter = command.NewText("jq", "filter", command.Any, "set what a jq filter makes of the data, which is JSON")
	setPatch  = command.NewText("merge", "patch", command.Data, "apply a JSON merge patch (RFC 7386): text, @file, or -")
)

var dataVersion = command.NewText("v", "version", command.Number, "only if the znode has this version (dataVersion of stat)")

var setCommand = &command.Command{
	Name: "set", Group: command.Writing, Usage: "[-s] [-v version] [-b] [-file file] [--dry-run] path data | path --jq filter | path --merge patch",
	Short: "replace the data of a znode",
	Long: "Data is literal text, @file for the content of a file, or - for standard input. " +
		"Write @@ for text that starts with @.\n\n" +
		"--jq and --merge change JSON data, also inside gzip, zlib, zstd, snappy or lz4. The order of keys and the indentation stay. " +
		"If the znode changes meanwhile, its new data is changed; -v does not allow that. --dry-run shows the difference.",
	Options: command.Options{withStat, dataVersion, dataBase64, dataFile, setFilter, setPatch, dryRun},
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
		{"set /app/config --jq '.replicas += 1'", "change one value of a JSON document"},
		{"set /app/config --merge '{\"debug\":null}' --dry-run", "show what removing a key would change"},
	},
	Differs: "zkCli treats - and @file as the data itself (here @@file does that), and ignores an old-style version after the data.",
	Run:     runSet,
}

func runSet(ctx context.Context, env *command.Env, in *command.Invocation) error {
	u, err := newRevision(ctx, env, in)
	if err != nil {
		return err
	}
	conn, err := env.Conn()
	if err != nil {
		return err
	}
	if dryRun.On(in) {
		return u.rehearse(ctx, env, conn)
	}
	var stat proto.Stat
	wrote := true
	if u.skip == nil { // the data does not matter
		data, _ := u.change(nil)
		stat, err = conn.Set(ctx, u.path, data, u.version)
	} else {
		stat, wrote, err = u.run(ctx, conn)
	}
	if err != nil {
		return err
	}
	if env.Output == ui.JSON {
		answer := command.Object{"path": u.path, "stat": jsonStat(stat)}
		if u.skip != nil {
			answer["changed"] = wrote
		}
		return env.PrintJSON(answer)
	}
	if !wrote {
		env.Note("%s is unchanged", escape.Line(u.path))
	}
	if withStat.On(in) {
		printStat(env.Streams.Out, stat)
	}
	return nil
}

// newRevision returns the change that a set command asks for.
func newRevision(ctx context.Context, env *command.Env, in *command.Invocation) (*revision, error) {
	data, args, err := takeData(ctx, env, in, 1)
	if err != nil {
		return nil, err
	}
	u := &revision{path: args[0]}
	filter, patch := setFilter.Given(in), setPatch.Given(in)
	switch {
	case filter && patch:
		return nil, in.Problem("--jq and --merge exclude each other")
	case (filter || patch) && data != nil:
		return nil, in.Problem("--jq and --merge make the data from what the znode has; give no other")
	case filter:
		u.change, err = filtered(ctx, setFilter.In(in))
	case patch:
		u.change, err = patched(ctx, env, setPatch.In(in))
	case data == nil:
		return nil, in.Problem("missing data; use '' for empty data")
	default:
		u.change = func([]byte) ([]byte, error) { return data, nil }
	}
	if err != nil {
		return nil, err
	}
	if filter || patch {
		u.skip = bytes.Equal
	}
	u.version, err = expectedVersion(in, dataVersion, args, 1)
	return u, err
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
