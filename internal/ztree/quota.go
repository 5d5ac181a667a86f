package ztree

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The names of the znodes below /zookeeper/quota/<path> (Quotas).
const (
	limitNode = "zookeeper_limits"
	statsNode = "zookeeper_stats"
)

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
	limit, stats := t.find(quotaPath+top+"/"+limitNode), t.find(quotaPath+top+"/"+statsNode)
	if limit == nil || stats == nil {
		return nil, true
	}
	limits, okLimits := parseStats(string(limit.Data))
	used, okUsed := parseStats(string(stats.Data))
	if !okLimits || !okUsed {
		return nil, false
	}
	hard := func(key string) int64 {
		if v, ok := limits[key]; ok {
			return v
		}
		return -1
	}
	return &Quota{
		Path: top, Count: limits["count"], Bytes: limits["bytes"], HardCount: hard("countHardLimit"),
		HardBytes: hard("byteHardLimit"), UsedCount: used["count"], UsedBytes: used["bytes"],
	}, true
}

// charge adds to the usage of the quota that applies to the path, if any.
func (t *Tree) charge(path string, bytes, count int64) {
	quota := t.quotas.above(path)
	if quota == "" {
		return
	}
	n := t.find(quotaPath + quota + "/" + statsNode)
	if n == nil {
		return // as when its deletion is replayed before that of the limit
	}
	s, ok := parseStats(string(n.Data))
	if !ok {
		return
	}
	s["count"] += count
	s["bytes"] += bytes
	t.fill(n, s.encode())
}

// usage is the content of a zookeeper_stats znode (StatsTrack).
type usage map[string]int64

// MaxQuotaText is more bytes than limits and usage need.
//
// Differs(quota-text-bounded): each write below a quota reads and rewrites its usage, whatever a
// client has put there. Apache does so even for a megabyte.
const MaxQuotaText = 1 << 10

// parseStats parses "count=1,bytes=2" and the form with more keys, "count=1,bytes=2=;…". If ok is
// false, ZooKeeper would fail to start.
func parseStats(text string) (s usage, ok bool) {
	if len(text) > MaxQuotaText {
		return nil, false
	}
	s = usage{"count": -1, "bytes": -1}
	if text == "" {
		return s, true
	}
	for _, pair := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' }) {
		kv := strings.Split(pair, "=")
		if len(kv) < 2 {
			return nil, false
		}
		value := int64(-1)
		if kv[1] != "" {
			var err error
			if value, err = strconv.ParseInt(kv[1], 10, 64); err != nil {
				return nil, false
			}
		}
		s[kv[0]] = value
	}
	return s, true
}

func (s usage) encode() []byte {
	var rest []string
	for key, value := range s {
		if key != "count" && key != "bytes" {
			rest = append(rest, fmt.Sprintf(";%s=%d", key, value))
		}
	}
	text := fmt.Sprintf("count=%d,bytes=%d", s["count"], s["bytes"])
	if len(rest) > 0 {
		slices.Sort(rest)
		text += "=" + strings.Join(rest, "")
	}
	return []byte(text)
}

// recount recomputes and writes the usage of a path's quota.
func (t *Tree) recount(path string) {
	stats := t.find(quotaPath + path + "/" + statsNode)
	if stats == nil {
		return
	}
	s := usage{}
	if path != "/" { // the path is "" for a quota on the root
		if top := t.find(path); top != nil {
			s["count"] = 1 + int64(top.Descendants())
			s["bytes"] = int64(len(top.Data)) + top.bytesBelow()
		}
	}
	t.fill(stats, s.encode())
}

// restoreQuotas finds the limits in a restored tree and counts what they apply to.
func (t *Tree) restoreQuotas() {
	top := t.find(quotaPath)
	if top == nil {
		return
	}
	top.under(func(n *Node) {
		if n.name() == limitNode && n.NumChildren() == 0 && n != top {
			path := n.parent.Path()[len(quotaPath):]
			t.recount(path)
			t.quotas.add(path)
		}
	})
}
