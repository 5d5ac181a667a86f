package client

import (
	"context"
	"io"
	"time"
)

// The search for a server with a quorum starts with a short pause, which doubles.
// (ClientCnxn.pingRwServer)
const (
	minSeekPause = 100 * time.Millisecond
	maxSeekPause = time.Minute
	seekTimeout  = time.Second
)

// seekRW asks one server after another whether it has a quorum, until ctx ends, and reports the
// first that does.
func seekRW(ctx context.Context, d *dialer, addrs []Address, found chan<- Address) {
	pause := minSeekPause
	for i := 0; ; i = (i + 1) % len(addrs) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if d.isRW(ctx, addrs[i]) {
			select {
			case found <- addrs[i]:
			case <-ctx.Done():
			}
			return
		}
		pause = min(2*pause, maxSeekPause)
	}
}

// isRW asks with the four-letter word isro.
func (d *dialer) isRW(ctx context.Context, a Address) bool {
	ctx, cancel := context.WithTimeout(ctx, seekTimeout)
	defer cancel()
	peers, err := d.resolve(ctx, a)
	if err != nil {
		return false
	}
	var at stage
	conn, err := d.open(ctx, a, peers[0], &at)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(seekTimeout))
	if _, err := io.WriteString(conn, "isro"); err != nil {
		return false
	}
	answer, err := io.ReadAll(io.LimitReader(conn, 16))
	return err == nil && (string(answer) == "rw" || string(answer) == "rw\n")
}
