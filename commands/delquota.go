package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

var delQuotaCommand = &command.Command{
	Name: "delquota", Group: command.Quotas, Usage: "[-n|-b|-N|-B] path",
	Short:   "remove the quota of a tree of znodes",
	Long:    "Without options all limits are removed, otherwise only those named.",
	Options: command.Options{quotaLimits[0].remove, quotaLimits[1].remove, quotaLimits[2].remove, quotaLimits[3].remove},
	Args:    []command.Arg{{Name: "path", Kind: command.Path}},
	Examples: []command.Example{
		{"delquota /app", "remove all limits"},
		{"delquota -N -B /app", "remove the hard limits"},
	},
	Differs: "Several limits can be removed at once.",
	Run:     runDelQuota,
}

func runDelQuota(ctx context.Context, env *command.Env, in *command.Invocation) error {
	path := in.Args[0]
	conn, err := quotaConn(env)
	if err != nil {
		return err
	}
	data, stat, err := conn.Get(ctx, proto.LimitsPath(path), false)
	if errors.Is(err, proto.ErrNoNode) {
		if env.Output == ui.JSON {
			return env.PrintJSON(command.Object{"path": path, "quota": nil, "deleted": false})
		}
		_, err = fmt.Fprintln(env.Streams.Out, "Quota does not exist for", path)
		return err
	} else if err != nil {
		return err
	}
	named := false
	for _, l := range quotaLimits {
		named = named || l.remove.On(in)
	}
	var quota proto.StatsTrack
	if named {
		if quota, err = proto.ParseStatsTrack(string(data)); err != nil {
			return fmt.Errorf("read %s: %w (delquota without options removes it)", proto.LimitsPath(path), err)
		}
		for _, l := range quotaLimits {
			if l.remove.On(in) {
				quota[l.key] = -1
			}
		}
		_, err = conn.Set(ctx, proto.LimitsPath(path), []byte(quota.String()), stat.Version)
	} else {
		err = removeQuota(ctx, conn, proto.QuotaPath+path)
	}
	if err == nil && env.Output == ui.JSON {
		err = env.PrintJSON(command.Object{"path": path, "quota": quota, "deleted": true})
	}
	return err
}

// removeQuota deletes the znodes of a quota, and those above them that hold no other quota.
func removeQuota(ctx context.Context, conn *client.Conn, path string) error {
	for _, name := range []string{proto.StatsNode, proto.LimitsNode} {
		if err := conn.Delete(ctx, path+"/"+name, -1); err != nil && !errors.Is(err, proto.ErrNoNode) {
			return err
		}
	}
	for path != proto.QuotaPath {
		switch err := conn.Delete(ctx, path, -1); {
		case errors.Is(err, proto.ErrNotEmpty):
			return nil
		case err != nil && !errors.Is(err, proto.ErrNoNode):
			return err
		}
		path = path[:strings.LastIndexByte(path, '/')]
	}
	return nil
}
