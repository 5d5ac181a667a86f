package commands

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

var setQuotaCommand = &command.Command{
	Name: "setquota", Group: command.Quotas, Usage: "-n|-b|-N|-B val path",
	Short: "set a quota on a tree of znodes",
	Long: "If a tree exceeds a soft limit, a server logs a warning. It refuses writes that would exceed a hard limit " +
		"if enforceQuota=true is set (3.7). The znode itself counts. Limits that are not " +
		"named stay as they are. Quotas do not nest: no other quota may exist above or below.",
	Options: command.Options{quotaLimits[0].limit, quotaLimits[1].limit, quotaLimits[2].limit, quotaLimits[3].limit},
	Args:    []command.Arg{{Name: "path", Kind: command.Path}},
	Examples: []command.Example{
		{"setquota -n 1000 /app", "warn beyond 1000 znodes"},
		{"setquota -N 2000 -B 1048576 /app", "at most 2000 znodes and 1 MiB of data"},
	},
	Differs: "Several limits can be set at once. For an invalid limit or a path inside /zookeeper/quota the exit code is 1 (0 with zkCli).",
	Run:     runSetQuota,
}

func runSetQuota(ctx context.Context, env *command.Env, in *command.Invocation) error {
	path := in.Args[0]
	limits, err := quotaOptions(in)
	if err != nil {
		return err
	}
	switch {
	case path == proto.QuotaPath || strings.HasPrefix(path, proto.QuotaPath+"/"):
		return fmt.Errorf("cannot set a quota under the path: %s", proto.QuotaPath)
	case path == "/":
		return errors.New("/ cannot have a quota; name a znode below it")
	}
	conn, err := quotaConn(env)
	if err != nil {
		return err
	}
	if err := quotaPossible(ctx, conn, path); err != nil {
		return err
	}
	quota, usage, err := applyQuota(ctx, conn, path, limits)
	if err != nil {
		return err
	}
	warnings := quotaWarnings(quota, usage)
	if env.Output == ui.JSON {
		return env.PrintJSON(command.Object{"path": path, "quota": quota, "stat": usage, "warnings": append([]string{}, warnings...)})
	}
	for _, w := range warnings {
		fmt.Fprintln(env.Streams.Out, "[Warning]:", w)
	}
	return nil
}

func quotaOptions(in *command.Invocation) (proto.StatsTrack, error) {
	limits := proto.StatsTrack{}
	for _, l := range quotaLimits {
		if !l.limit.Given(in) {
			continue
		}
		n, err := strconv.ParseInt(l.limit.In(in), 10, 64)
		switch {
		case err != nil:
			return nil, fmt.Errorf("-%s: %q is not a number", l.limit.Name, l.limit.In(in))
		case n < l.least && l.least > 0:
			return nil, fmt.Errorf("the %s quota must be greater than zero", l.what)
		case n < l.least:
			return nil, fmt.Errorf("the %s quota must be greater than or equal to zero", l.what)
		}
		limits[l.key] = n
	}
	if len(limits) == 0 {
		return nil, in.Problem("missing limit; use -n (znodes, soft), -b (bytes, soft), -N (znodes, hard) or -B (bytes, hard)")
	}
	return limits, nil
}
