package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

var listQuotaCommand = &command.Command{
	Name: "listquota", Group: command.Quotas, Usage: "path",
	Short: "show the limits and the usage of a tree of znodes",
	Long: "count and bytes are the soft limits, countHardLimit and byteHardLimit the hard ones; -1 means no limit. " +
		"The stat is the current usage. `ls -R /zookeeper/quota` shows where quotas are.",
	Args: []command.Arg{{Name: "path", Kind: command.Path}},
	Examples: []command.Example{
		{"listquota /app", "show the limits and the usage of /app"},
		{"listquota -o json /app", "the same as JSON"},
	},
	Run: runListQuota,
}

func runListQuota(ctx context.Context, env *command.Env, in *command.Invocation) error {
	path := in.Args[0]
	conn, err := quotaConn(env)
	if err != nil {
		return err
	}
	if path == "/" {
		return errors.New("/ cannot have a quota; name a znode below it")
	}
	env.Note("absolute path is %s", proto.LimitsPath(path))
	quota, err := readStatsTrack(ctx, conn, proto.LimitsPath(path))
	var usage proto.StatsTrack
	if err == nil {
		usage, err = readStatsTrack(ctx, conn, proto.StatsPath(path))
	}
	none := errors.Is(err, proto.ErrNoNode)
	if none {
		quota, usage = nil, nil
	} else if err != nil {
		return err
	}
	switch {
	case env.Output == ui.JSON:
		return env.PrintJSON(command.Object{"path": path, "quota": quota, "stat": usage})
	case none:
		fmt.Fprintf(env.Streams.Err, "quota for %s does not exist.\n", path)
	default:
		fmt.Fprintf(env.Streams.Out, "Output quota for %s %v\nOutput stat for %s %v\n", path, quota, path, usage)
	}
	return nil
}
