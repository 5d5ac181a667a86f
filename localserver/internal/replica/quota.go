package replica

import (
	"fmt"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// quotaCheck refuses what exceeds a hard quota, and logs what exceeds a soft one
// (ZooKeeperServer.checkQuota). Like ZooKeeper, it does neither unless enforceQuota is set.
type quotaCheck struct {
	enforce bool
	warn    rateLog
}

// check is called before bytes more data and count more znodes are added at a path.
func (q *quotaCheck) check(t *ztree.Tree, path string, bytes, count int64) proto.Error {
	if !q.enforce {
		return proto.OK
	}
	quota, ok := t.QuotaOf(path)
	if !ok {
		return proto.ErrMarshallingError // the outcome of StatsTrack's NumberFormatException
	}
	if quota == nil {
		return proto.OK
	}
	if q.exceeded(quota.Path, "count", "Count", count, quota.UsedCount, quota.Count, quota.HardCount) ||
		q.exceeded(quota.Path, "bytes", "Byte", bytes, quota.UsedBytes, quota.Bytes, quota.HardBytes) {
		return proto.ErrQuotaExceeded
	}
	return proto.OK
}

// exceeded reports whether more exceeds a hard limit.
func (q *quotaCheck) exceeded(path, what, name string, more, used, soft, hard int64) bool {
	if more == 0 || soft < 0 && hard < 0 {
		return false
	}
	limit, kind := soft, "soft"
	if hard >= 0 {
		limit, kind = hard, "hard"
	}
	if used+more <= limit {
		return false
	}
	q.warn.log(fmt.Sprintf("Quota exceeded: %s [current %s=%d, %s%sLimit=%d]", path, what, used+more, kind, name, limit))
	return hard >= 0
}

// rateLog logs a repeated message at most ten times a second (RateLogger).
type rateLog struct {
	warn func(string)     // to the log
	now  func() time.Time // time.Now when nil

	last  string
	since time.Time
	count int
}

func (r *rateLog) log(message string) {
	now := time.Now
	if r.now != nil {
		now = r.now
	}
	at := now()
	if message != r.last {
		r.flush()
		r.last, r.since = message, at
		r.say("Message:" + message + " Value:null")
		return
	}
	r.count++
	if at.Sub(r.since) >= 100*time.Millisecond {
		r.flush()
		r.last, r.since = message, at
	}
}

// flush logs how often the last message was suppressed.
func (r *rateLog) flush() {
	switch {
	case r.count > 1:
		r.say(fmt.Sprintf("[%d times] Message: %s", r.count, r.last))
	case r.count == 1:
		r.say("Message: " + r.last)
	}
	r.last, r.count = "", 0
}

func (r *rateLog) say(message string) {
	if r.warn != nil {
		r.warn(message)
	}
}
