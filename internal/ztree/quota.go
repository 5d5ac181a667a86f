package ztree

import "github.com/zkctl/zkctl/internal/proto"

// Quota limits the znodes at and below a path. A number of -1 means no limit; a hard limit, if
// there is one, replaces the other.
type Quota struct {
	Path      string
	Count     int64 // znodes
	Bytes     int64 // of data
	HardCount int64
	HardBytes int64
	UsedCount int64
	UsedBytes int64
}

// QuotaOf returns the nearest quota that applies to a path; nil if there is none, or if one of
// its two znodes is missing. ok is false if a znode's content is not that of a quota.
func (t *Tree) QuotaOf(path string) (q *Quota, ok bool) {
	t.settle()
	top := t.quotas.above(path)
	if top == "" {
		return nil, true
	}
	limit, stats := t.find(proto.LimitsPath(top)), t.find(proto.StatsPath(top))
	if limit == nil || stats == nil {
		return nil, true
	}
	limits, okLimits := parseStats(limit.Data())
	used, okUsed := parseStats(stats.Data())
	if !okLimits || !okUsed {
		return nil, false
	}
	return &Quota{
		Path: top, Count: limits.Get(proto.QuotaCount), Bytes: limits.Get(proto.QuotaBytes),
		HardCount: limits.Get(proto.QuotaHardCount), HardBytes: limits.Get(proto.QuotaHardBytes),
		UsedCount: used.Get(proto.QuotaCount), UsedBytes: used.Get(proto.QuotaBytes),
	}, true
}

// charge adds to the usage of the quota that applies to the path, if any.
func (t *Tree) charge(path string, bytes, count int64) {
	quota := t.quotas.above(path)
	if quota == "" {
		return
	}
	n := t.find(proto.StatsPath(quota))
	if n == nil {
		return // as when its deletion is replayed before that of the limit
	}
	st, ok := parseStats(n.Data())
	if !ok {
		return
	}
	st[proto.QuotaCount] = st.Get(proto.QuotaCount) + count
	st[proto.QuotaBytes] = st.Get(proto.QuotaBytes) + bytes
	t.fill(n, []byte(st.String()))
}

// MaxQuotaText is more bytes than limits and usage need.
//
// Differs(quota-text-bounded): each write below a quota reads and rewrites its usage, whatever a
// client has put there. Apache does so even for a megabyte.
const MaxQuotaText = 1 << 10

// parseStats parses limits or a usage. If ok is false, ZooKeeper would fail to start.
func parseStats(data []byte) (st proto.StatsTrack, ok bool) {
	if len(data) > MaxQuotaText {
		return nil, false
	}
	st, err := proto.ParseStatsTrack(string(data))
	return st, err == nil
}

// recount recomputes and writes the usage of a path's quota.
func (t *Tree) recount(path string) {
	stats := t.find(proto.StatsPath(path))
	if stats == nil {
		return
	}
	st := proto.StatsTrack{proto.QuotaCount: 0, proto.QuotaBytes: 0}
	if path != "/" { // the path is "" for a quota on the root
		if top := t.find(path); top != nil {
			st[proto.QuotaCount] = 1 + int64(top.Descendants())
			st[proto.QuotaBytes] = int64(top.size()) + top.bytesBelow()
		}
	}
	t.fill(stats, []byte(st.String()))
}

// restoreQuotas finds the limits in a restored tree and counts what they apply to.
func (t *Tree) restoreQuotas() {
	top := t.find(proto.QuotaPath)
	if top == nil {
		return
	}
	top.under(func(n *Node) {
		if n.name() == proto.LimitsNode && n.NumChildren() == 0 && n != top {
			path := n.parent.Path()[len(proto.QuotaPath):]
			t.recount(path)
			t.quotas.add(path)
		}
	})
}
