package check

import (
	"fmt"
	"time"
)

const (
	// perTick is how many round trips should fit into a tick, even slow ones: members exchange heartbeats twice a tick. It is
	// etcd's rule for its election timeout; ZooKeeper has no such rule.
	perTick = 10
	// repeated is when TCP sends a packet again that was lost while connecting (RFC 6298).
	repeated = time.Second
	// far is a round trip that a client notices in every write.
	far = 10 * time.Millisecond
)

// judgeNet says whether the network to a host is fit, from what was found.
func judgeNet(r *netResult, timeout time.Duration) *verdict {
	v := new(verdict)
	switch {
	case r.Err != nil:
		v.fault("cannot connect: %v", r.Err)
		return v
	case r.Lost > 0 && r.Lost == r.Sent:
		if r.Connect.Count > 0 {
			v.fault("its server accepts connections, but does not answer within %v; it may hang, or expect TLS (-tls)", timeout)
		} else {
			v.fault("it does not answer within %v", timeout)
		}
		return v
	case r.Lost > 0:
		v.fault("%d of %d round trips got no answer within %v", r.Lost, r.Sent, timeout)
	}
	most := r.Limits.Tick / perTick
	limit := r.Limits.Tick * time.Duration(r.Limits.SyncTicks)
	c, a := r.Connect, r.Answer
	switch {
	case c.P99 > most && c.Slowest >= repeated && c.Median < repeated/2:
		v.fault("a connection took %s: packets are lost, and sent again after %v", brief(c.Slowest), repeated)
	case c.P99 > most:
		v.fault("%s; %d should fit into tickTime, which is %s for each", c.rare("round trip"), perTick, brief(most))
	}
	if slowest := max(c.Slowest, a.Slowest); slowest >= limit {
		v.fault("the slowest round trip took %s: a leader drops a follower that does not acknowledge within tickTime × syncLimit, %v", brief(slowest), limit)
	}
	if c.Count > 0 && c.Median >= far {
		v.warn("the host is far: each write waits for a round trip to a majority of the members, so a client that waits for its answers gets at most %s writes/s", perSecond(c.Median))
	}
	if c.Count >= 10 && c.P99 <= most && c.P99 >= far && c.P99 >= 10*c.Median {
		v.warn("round trips are unsteady: %s is usual, but %s", brief(c.Median), c.rare("round trip"))
	}
	if a.Count > 0 && a.P99 > most && c.P99 <= most {
		v.warn("the server is slower than the network: %s; it may be busy, or paused to collect garbage", a.rare("answer"))
	}
	switch {
	case r.Refused > 0:
		v.doubt("nothing listens on the port: the round trips are those of refusals, which may be a firewall's")
	case r.Empty > 0 && a.Count == 0 && r.Reply != nil:
		v.doubt("the server ends the connection without an answer: %v", r.Reply)
	case r.Empty > 0 && a.Count == 0:
		v.doubt("the server ends the connection without an answer; a port that expects TLS does (-tls)")
	case r.Strange:
		v.doubt("what listens on the port answers ruok otherwise than a ZooKeeper server does")
	}
	return v
}

func perSecond(d time.Duration) string { return fmt.Sprintf("%.0f", float64(time.Second)/float64(d)) }
