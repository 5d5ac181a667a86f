package zab

import (
	"encoding/binary"
	"runtime"
	"testing"
)

// TestQuickAcknowledgement: a learner may acknowledge a proposal as soon as it is queued; nothing is
// awaited from it then.
func TestQuickAcknowledgement(t *testing.T) {
	c := &learnerConn{id: 2, watched: true, queue: newSendQueue(nil, 1<<20)}
	acked := make(chan struct{})
	go func() {
		for n := 0; n < 50_000; {
			c.queue.mu.Lock()
			frames := c.queue.frames
			c.queue.frames, c.queue.size = nil, 0
			c.queue.mu.Unlock()
			for _, f := range frames {
				c.acknowledged(int64(binary.BigEndian.Uint64(f)))
				n++
				acked <- struct{}{}
			}
			runtime.Gosched()
		}
	}()
	for zxid := range int64(50_000) {
		f := binary.BigEndian.AppendUint64(nil, uint64(zxid+1))
		c.proposal(zxid+1, f)
		<-acked
		c.mu.Lock()
		awaiting := c.awaiting
		c.mu.Unlock()
		if awaiting != (sent{}) {
			t.Fatalf("the acknowledged proposal 0x%x is still awaited", zxid+1)
		}
	}
}
