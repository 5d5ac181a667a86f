package member

import (
	"time"

	"github.com/zkctl/zkctl/internal/proto"
)

// latency sums up how long requests took, from their arrival to their answer.
type latency struct {
	min, max, sum time.Duration
	count         int64
}

func (l *latency) add(d time.Duration) {
	if l.count == 0 || d < l.min {
		l.min = d
	}
	l.max = max(l.max, d)
	l.sum += d
	l.count++
}

// avg is in milliseconds.
func (l *latency) avg() float64 {
	if l.count == 0 {
		return 0
	}
	return float64(l.sum) / float64(l.count) / 1e6
}

// stats are the member's figures (ServerStats).
type stats struct {
	latency
	received, sent   int64 // packets
	expired          int64
	digestMismatches int64
	lastResponse     int // bytes of client responses
	minResponse      int
	maxResponse      int
	since            time.Time
}

func (s *stats) reset(now time.Time) {
	*s = stats{since: now, lastResponse: -1, minResponse: -1, maxResponse: -1}
}

// connStats are a connection's figures, as cons lists them.
type connStats struct {
	latency
	received, sent int64
	lastOp         string
	lastCxid       int32
	lastZxid       int64
	lastAt         time.Time
	lastLatency    time.Duration
}

// answered accounts for a request.
func (s *stats) answered(r *request, zxid int64, took time.Duration, c *connStats) {
	s.add(took)
	c.add(took)
	c.lastOp, c.lastCxid, c.lastZxid, c.lastAt, c.lastLatency = shortOp(r.Type), r.Cxid, zxid, time.Now(), took
}

// shortOp is ZooKeeper's four letters for an operation (FinalRequestProcessor's lastOp).
func shortOp(op proto.Op) string {
	switch op {
	case proto.OpPing:
		return "PING"
	case proto.OpCreateSession:
		return "SESS"
	case proto.OpMulti:
		return "MULT"
	case proto.OpMultiRead:
		return "MLTR"
	case proto.OpCreate, proto.OpCreate2, proto.OpCreateTTL, proto.OpCreateContainer:
		return "CREA"
	case proto.OpDelete, proto.OpDeleteContainer:
		return "DELE"
	case proto.OpSetData:
		return "SETD"
	case proto.OpReconfig:
		return "RECO"
	case proto.OpSetACL:
		return "SETA"
	case proto.OpCloseSession:
		return "CLOS"
	case proto.OpSync:
		return "SYNC"
	case proto.OpCheck:
		return "CHEC"
	case proto.OpExists:
		return "EXIS"
	case proto.OpGetData:
		return "GETD"
	case proto.OpSetWatches:
		return "SETW"
	case proto.OpSetWatches2:
		return "STW2"
	case proto.OpAddWatch:
		return "ADDW"
	case proto.OpGetACL:
		return "GETA"
	case proto.OpGetChildren, proto.OpGetChildren2:
		return "GETC"
	case proto.OpGetAllChildrenNumber:
		return "GETACN"
	case proto.OpCheckWatches:
		return "CHKW"
	case proto.OpRemoveWatches:
		return "REMW"
	case proto.OpWhoAmI:
		return "HOMI"
	case proto.OpGetEphemerals:
		return "GETE"
	}
	return "NA"
}
