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
func applyQuota(ctx context.Context, conn *client.Conn, path string, limits StatsTrack) (quota, usage StatsTrack, err error) {
	data, stat, err := conn.Get(ctx, limitsPath(path), false)
	switch {
	case errors.Is(err, proto.ErrNoNode):
		if quota, err = createQuota(ctx, conn, path, limits); err != nil {
			return nil, nil, err
		}
	case err != nil:
		return nil, nil, err
	default:
		if quota, err = ParseStatsTrack(string(data)); err != nil {
			return nil, nil, fmt.Errorf("read %s: %w (delquota removes it)", limitsPath(path), err)
		}
		for key, n := range limits {
			quota[key] = n
		}
		if _, err = conn.Set(ctx, limitsPath(path), []byte(quota.String()), stat.Version); err != nil {
			return nil, nil, err
		}
	}
	usage, err = readStatsTrack(ctx, conn, statsPath(path))
	return quota, usage, err
}

// createQuota makes both znodes of a quota at once, and those above them that are missing.
// The server fills in the usage.
func createQuota(ctx context.Context, conn *client.Conn, path string, limits StatsTrack) (StatsTrack, error) {
	quota := StatsTrack{countKey: -1, bytesKey: -1, countHardKey: -1, bytesHardKey: -1}
	for key, n := range limits {
		quota[key] = n
	}
	above := creation{path: quotaRoot + path, acl: proto.OpenACL}
	if _, _, err := above.run(ctx, conn, true); err != nil && !errors.Is(err, proto.ErrNodeExists) {
		return nil, err
	}
	_, err := conn.Multi(ctx, []proto.MultiOp{
		client.CreateOp(limitsPath(path), []byte(quota.String()), proto.OpenACL, proto.Persistent, 0),
		client.CreateOp(statsPath(path), []byte(StatsTrack{countKey: 0, bytesKey: 0}.String()), proto.OpenACL, proto.Persistent, 0),
	})
	return quota, err
}

// quotaWarnings are zkCli's words for limits that the tree is beyond already.
func quotaWarnings(quota, usage StatsTrack) (warnings []string) {
	beyond := func(soft, hard, key string) bool {
		return quota.Get(soft) > -1 && quota.Get(soft) < usage.Get(key) || quota.Get(hard) > -1 && quota.Get(hard) < usage.Get(key)
	}
	if beyond(countKey, countHardKey, countKey) {
		warnings = append(warnings, fmt.Sprintf("the count quota you create is less than the existing count:%d", usage.Get(countKey)))
	}
	if beyond(bytesKey, bytesHardKey, bytesKey) {
		warnings = append(warnings, fmt.Sprintf("the bytes quota you create is less than the existing bytes:%d", usage.Get(bytesKey)))
	}
	return warnings
}
