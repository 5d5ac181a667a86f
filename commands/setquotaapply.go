package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
)

// quotaPossible checks that the znode exists and that its tree has no other quota.
func quotaPossible(ctx context.Context, conn *client.Conn, path string) error {
	if _, err := conn.Exists(ctx, path, false); errors.Is(err, proto.ErrNoNode) {
		return fmt.Errorf("%s does not exist.", path) //nolint:staticcheck // zkCli's words
	} else if err != nil {
		return err
	}
	below, err := quotaBelow(ctx, conn, path)
	if err != nil {
		return err
	}
	if below != "" {
		return fmt.Errorf("%s has a child %s which has a quota", path, escape.Line(below))
	}
	above, err := quotaAbove(ctx, conn, path)
	if err == nil && above != "" {
		err = fmt.Errorf("%s has a parent %s which has a quota", path, above)
	}
	return err
}

// applyQuota writes the limits and returns all limits and the usage.
func applyQuota(ctx context.Context, conn *client.Conn, path string, limits proto.StatsTrack) (quota, usage proto.StatsTrack, err error) {
	data, stat, err := conn.Get(ctx, proto.LimitsPath(path), false)
	switch {
	case errors.Is(err, proto.ErrNoNode):
		if quota, err = createQuota(ctx, conn, path, limits); err != nil {
			return nil, nil, err
		}
	case err != nil:
		return nil, nil, err
	default:
		if quota, err = proto.ParseStatsTrack(string(data)); err != nil {
			return nil, nil, fmt.Errorf("read %s: %w (delquota removes it)", proto.LimitsPath(path), err)
		}
		for key, n := range limits {
			quota[key] = n
		}
		if _, err = conn.Set(ctx, proto.LimitsPath(path), []byte(quota.String()), stat.Version); err != nil {
			return nil, nil, err
		}
	}
	usage, err = readStatsTrack(ctx, conn, proto.StatsPath(path))
	return quota, usage, err
}

// createQuota creates both znodes of a quota at once, and those above them that are missing. The
// server fills in the usage.
func createQuota(ctx context.Context, conn *client.Conn, path string, limits proto.StatsTrack) (proto.StatsTrack, error) {
	quota := proto.StatsTrack{proto.QuotaCount: -1, proto.QuotaBytes: -1, proto.QuotaHardCount: -1, proto.QuotaHardBytes: -1}
	for key, n := range limits {
		quota[key] = n
	}
	above := creation{path: proto.QuotaPath + path, acl: proto.OpenACL}
	if _, _, err := above.run(ctx, conn, true); err != nil && !errors.Is(err, proto.ErrNodeExists) {
		return nil, err
	}
	_, err := conn.Multi(ctx, []proto.MultiOp{
		client.CreateOp(proto.LimitsPath(path), []byte(quota.String()), proto.OpenACL, proto.Persistent, 0),
		client.CreateOp(proto.StatsPath(path), []byte(proto.StatsTrack{proto.QuotaCount: 0, proto.QuotaBytes: 0}.String()), proto.OpenACL, proto.Persistent, 0),
	})
	return quota, err
}

// quotaWarnings are zkCli's words for limits that the tree already exceeds.
func quotaWarnings(quota, usage proto.StatsTrack) (warnings []string) {
	beyond := func(soft, hard, key string) bool {
		return quota.Get(soft) > -1 && quota.Get(soft) < usage.Get(key) || quota.Get(hard) > -1 && quota.Get(hard) < usage.Get(key)
	}
	if beyond(proto.QuotaCount, proto.QuotaHardCount, proto.QuotaCount) {
		warnings = append(warnings, fmt.Sprintf("the count quota you create is less than the existing count:%d", usage.Get(proto.QuotaCount)))
	}
	if beyond(proto.QuotaBytes, proto.QuotaHardBytes, proto.QuotaBytes) {
		warnings = append(warnings, fmt.Sprintf("the bytes quota you create is less than the existing bytes:%d", usage.Get(proto.QuotaBytes)))
	}
	return warnings
}
