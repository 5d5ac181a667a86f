package probe

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// DialAny opens a connection to any of the addresses that a name resolves to, as net.Dialer does, but tries the next one while
// one is silent: a net.Dialer waits two seconds, which may be all the time there is. TCP keep-alive is off: connections are short,
// and sessions send pings.
func DialAny(ctx context.Context, network, addr string) (net.Conn, error) {
	return dialing{lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}, dial: (&net.Dialer{KeepAlive: -1}).DialContext}.any(ctx, network, addr)
}

// stagger is the time between attempts at two addresses.
const stagger = 200 * time.Millisecond

type dialing struct {
	lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
}

func (d dialing) any(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || net.ParseIP(host) != nil {
		return d.dial(ctx, network, addr)
	}
	list, err := d.lookup(ctx, host)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	if len(list) < 2 {
		return d.dial(ctx, network, addr)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		conn net.Conn
		err  error
	}
	outcomes := make(chan outcome, len(list))
	started, ended := 0, 0
	start := func() {
		a := net.JoinHostPort(list[started].Unmap().String(), port)
		started++
		go func() {
			conn, err := d.dial(ctx, network, a)
			outcomes <- outcome{conn, err}
		}()
	}
	start()
	next := time.NewTimer(stagger)
	defer next.Stop()
	defer func() { // close connections that come too late
		late := started - ended
		go func() {
			for range late {
				if o := <-outcomes; o.conn != nil {
					_ = o.conn.Close()
				}
			}
		}()
	}()
	var first error
	for {
		select {
		case o := <-outcomes:
			ended++
			if o.err == nil {
				return o.conn, nil
			}
			if first == nil {
				first = o.err
			}
			if ended == len(list) {
				return nil, first
			}
			if started == ended {
				start()
				next.Reset(stagger)
			}
		case <-next.C:
			if started < len(list) {
				start()
				next.Reset(stagger)
			}
		}
	}
}
