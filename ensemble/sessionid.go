package ensemble

import (
	"fmt"
	"strings"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
)

// decoded is the content of a session id (SessionTrackerImpl.initializeNextSessionId): the id of the server that
// issued it, 40 bits of that server's clock when its session tracker started, and a counter of 16 bits, which carries
// into the clock.
type decoded struct {
	Session answer.Hex        `json:"session"`
	Server  int64             `json:"serverId"`
	Started answer.Opt[int64] `json:"started"` // ms since 1970, if the clock is a calendar's
	Uptime  answer.Opt[int64] `json:"uptime"`  // ms since the machine's start, if the clock is monotonic
	Ordinal int64             `json:"ordinal"`
	Signed  bool              `json:"signExtended,omitempty"`
}

const (
	clockBits   = 40
	counterBits = 16
)

// firstZooKeeper is earlier than any session. A clock that shows less counts from the machine's start: newer servers
// use System.nanoTime.
var firstZooKeeper = time.Date(2007, 11, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

func decode(id int64) decoded {
	n := uint64(id)
	clock := int64(n >> counterBits & (1<<clockBits - 1))
	d := decoded{Session: answer.Hex(id), Server: int64(n >> (clockBits + counterBits)), Ordinal: int64(n & (1<<counterBits - 1))}
	// Only the low 40 bits of a date are stored; they repeat every 35 years, last in November 2004.
	if date := clock + 1<<clockBits; date >= firstZooKeeper {
		d.Started = answer.Some(date)
	} else {
		d.Uptime = answer.Some(clock)
	}
	// Before ZOOKEEPER-1622, the sign of the shifted time extended into the server's id.
	d.Signed = d.Server == 255
	return d
}

func (d decoded) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "session   %v\n", d.Session)
	server := fmt.Sprintf("server    %d", d.Server)
	if d.Signed {
		server += ", or any: servers before 3.4.6 lost their id here (ZOOKEEPER-1622)"
	}
	b.WriteString(server + "\n")
	if at, ok := d.Started.Get(); ok {
		fmt.Fprintf(&b, "started   %s, when its session tracker did, unless its machine was up that long\n", time.UnixMilli(at).Format(time.RFC3339))
	} else {
		fmt.Fprintf(&b, "started   %s after its machine, when its session tracker did\n", probe.Lasting(d.Uptime))
	}
	fmt.Fprintf(&b, "ordinal   %d of this server since then\n", d.Ordinal)
	return b.String()
}
