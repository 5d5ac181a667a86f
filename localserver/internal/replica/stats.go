package replica

import (
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// latency sums up the times of requests from arrival to answer.
type latency struct {
	min, max, sum time.Duration
	count         int64
}

func (l *latency) add(d time.Duration) {
	d = d.Truncate(time.Millisecond) // as ServerStats counts, or the average could exceed the maximum
	if l.count == 0 || d < l.min {
		l.min = d
	}
	l.max = max(l.max, d)
	l.sum += d
	l.count++
}

// avg returns milliseconds.
func (l *latency) avg() float64 { return average(milliseconds(l.sum), l.count) }

// BufferSizes are the sizes in bytes of messages of one kind (BufferStats); all are -1 if there
// were none.
type BufferSizes struct{ Last, Min, Max int }

var noSizes = BufferSizes{-1, -1, -1}

// Add accounts for a message.
func (b *BufferSizes) Add(size int) {
	b.Last = size
	if b.Min == -1 || size < b.Min {
		b.Min = size
	}
	b.Max = max(b.Max, size)
}

// stats are the member's statistics (ServerStats). They belong to the loop.
type stats struct {
	latency
	received, sent   int64 // packets
	expired          int64
	digestMismatches int64
	responses        BufferSizes // to clients
	proposals        BufferSizes // of a leader
	led              time.Time   // when the member became leader
	since            time.Time
	metrics          *Metrics

	digests []zxidDigest // of every 128th transaction
	fired   firedWatches
}

// reset is what srst does; it keeps the start time.
func (s *stats) reset() {
	s.metrics.reset()
	*s = stats{since: s.since, metrics: s.metrics, digests: s.digests, led: s.led, responses: noSizes, proposals: noSizes}
}

// connStats are a connection's statistics, as cons lists them.
type connStats struct {
	latency
	received, sent int64
	lastOp         string
	lastCxid       int32
	lastZxid       int64
	lastAt         time.Time
	lastLatency    time.Duration
}

// reset is what crst does.
func (s *connStats) reset() { *s = connStats{lastCxid: -1, lastZxid: -1} }

// answered accounts for a request that was answered at a moment. The xid of a ping is not one of the client's.
func (s *stats) answered(r *request, zxid int64, at time.Time, took time.Duration, c *connStats) {
	s.add(took)
	c.add(took)
	if r.Cxid >= 0 {
		c.lastCxid = r.Cxid
	}
	c.lastOp, c.lastZxid, c.lastAt, c.lastLatency = word(r.Type), zxid, at, took
	if r.Type.Writes() {
		s.metrics.updateLatency.add(milliseconds(took))
		s.metrics.propagations.add(milliseconds(took))
	} else {
		s.metrics.readLatency.add(milliseconds(took))
	}
}

// opened accounts for a connect request and its answer, which ZooKeeper counts as packets and, if
// the session is new, as an operation.
func (s *stats) opened(c *conn, zxid int64, size int, valid bool) {
	s.received++
	c.stats.received++
	s.responded(&c.stats, proto.XidPing, size)
	if valid && !c.resumed {
		r := request{Request: zab.Request{Type: proto.OpCreateSession}}
		now := time.Now()
		s.answered(&r, zxid, now, now.Sub(c.asked), &c.stats)
	}
}

// responded accounts for a message to a client.
func (s *stats) responded(c *connStats, xid int32, size int) {
	c.sent++
	s.sent++
	s.responses.Add(size)
	if xid == proto.XidWatcherEvent {
		s.metrics.Add("watch_bytes", int64(size))
	} else {
		s.metrics.responseBytes.Add(int64(size))
	}
}

// proposed accounts for a leader's proposal.
func (s *stats) proposed(size int, ensemble bool) {
	if ensemble {
		s.proposals.Add(size)
		s.metrics.Add("proposal_count", 1)
	}
}

// zxidDigest is the tree's digest after a transaction (DataTree.ZxidDigest).
type zxidDigest struct{ zxid, digest int64 }

const (
	digestEvery = 128  // transactions (DIGEST_LOG_INTERVAL)
	digestsKept = 1024 // (DIGEST_LOG_LIMIT)
)

// applied records the digests that hash lists.
func (s *stats) applied(zxid int64, t *ztree.Tree) {
	if zxid%digestEvery != 0 {
		return
	}
	if len(s.digests) >= digestsKept {
		s.digests = append(s.digests[:0], s.digests[1:]...)
	}
	s.digests = append(s.digests, zxidDigest{zxid, t.Digest()})
}

// firedWatches counts the clients that one change notifies of one kind of event.
type firedWatches struct {
	round uint64
	event proto.EventType
	count int
}

var firedNames = map[proto.EventType]string{
	proto.EventNodeCreated: "node_created_watch_count", proto.EventNodeDeleted: "node_deleted_watch_count",
	proto.EventNodeDataChanged: "node_changed_watch_count", proto.EventNodeChildrenChanged: "node_children_watch_count",
}

// told accounts for an event to a client; round is the number of the change.
func (s *stats) told(round uint64, event proto.EventType) {
	if f := &s.fired; f.round != round || f.event != event {
		s.settleFired()
		f.round, f.event = round, event
	}
	s.fired.count++
}

// settleFired adds the last change's count to the metrics.
func (s *stats) settleFired() {
	if s.fired.count > 0 {
		s.metrics.Observe(firedNames[s.fired.event], float64(s.fired.count))
	}
	s.fired = firedWatches{}
}

// countLoss accounts for a connection ended by the client or by its silence.
func (c *conn) countLoss(err error) {
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if err == nil || closed {
		return
	}
	if c.sessionID() == 0 {
		if time.Since(c.started) >= c.s.opt.Sessionless {
			c.s.metrics.Add("sessionless_connections_expired", 1)
		}
		return
	}
	c.s.metrics.Add("connection_drop_count", 1)
}
