package proto

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Znodes that every server has (DataTree, Quotas, ZooDefs).
const (
	ZookeeperPath = "/zookeeper"
	QuotaPath     = "/zookeeper/quota"
	ConfigPath    = "/zookeeper/config"
)

// IsSpecialPath reports whether servers refuse to delete the znode (DataTree.isSpecialPath).
func IsSpecialPath(path string) bool {
	return path == "/" || path == ZookeeperPath || path == QuotaPath || path == ConfigPath
}

// The znodes of a quota (Quotas): those of /app are /zookeeper/quota/app/zookeeper_limits and …/zookeeper_stats.
const (
	LimitsNode = "zookeeper_limits"
	StatsNode  = "zookeeper_stats"
)

// LimitsPath returns the znode with the limits of path; "" is the root.
func LimitsPath(path string) string { return QuotaPath + path + "/" + LimitsNode }

// StatsPath returns the znode with the usage of path; "" is the root.
func StatsPath(path string) string { return QuotaPath + path + "/" + StatsNode }

// Keys of a StatsTrack.
const (
	QuotaCount     = "count"
	QuotaBytes     = "bytes"
	QuotaHardCount = "countHardLimit"
	QuotaHardBytes = "byteHardLimit"
)

// StatsTrack is the content of a limits or stats znode (org.apache.zookeeper.StatsTrack): a number
// per key, -1 for no limit. It keeps unknown keys.
type StatsTrack map[string]int64

// ParseStatsTrack reads "count=4,bytes=5=;byteHardLimit=10;countHardLimit=10".
func ParseStatsTrack(text string) (StatsTrack, error) {
	st := StatsTrack{}
	for _, pair := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' }) {
		key, value, ok := strings.Cut(pair, "=")
		value, _, _ = strings.Cut(value, "=")
		n := int64(-1)
		var err error
		if value != "" {
			n, err = strconv.ParseInt(value, 10, 64)
		}
		if !ok || err != nil {
			return nil, fmt.Errorf("%q is not a quota: %q is not key=number", text, pair)
		}
		st[key] = n
	}
	return st, nil
}

// Get returns the key's number, or -1 if it is absent.
func (st StatsTrack) Get(key string) int64 {
	if n, ok := st[key]; ok {
		return n
	}
	return -1
}

// String writes count and bytes first and further keys after "=;": servers before 3.7
// read only the first two and stop at the spare "=".
func (st StatsTrack) String() string {
	b := make([]byte, 0, 64)
	b = strconv.AppendInt(append(b, QuotaCount+"="...), st.Get(QuotaCount), 10)
	b = strconv.AppendInt(append(b, ","+QuotaBytes+"="...), st.Get(QuotaBytes), 10)
	var more []string
	for key := range st {
		if key != QuotaCount && key != QuotaBytes {
			more = append(more, key)
		}
	}
	slices.Sort(more)
	if len(more) > 0 {
		b = append(b, '=')
	}
	for _, key := range more {
		b = append(append(append(b, ';'), key...), '=')
		b = strconv.AppendInt(b, st[key], 10)
	}
	return string(b)
}
