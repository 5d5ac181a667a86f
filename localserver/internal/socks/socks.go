// Package socks is a SOCKS proxy between a server of Apache ZooKeeper and the other members.
package socks

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/things-go/go-socks5"
	"github.com/zkctl/zkctl/localserver/internal/engine"
)

// Proxy carries a server's connections to the other members, so that its links can be cut like
// those of an embedded one. It speaks SOCKS, which a JVM can use for all its connections.
type Proxy struct {
	ln     net.Listener
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// dialPatience limits dialling over a cut link. A JVM gives up much sooner.
const dialPatience = time.Minute

// Start starts a proxy that connects through dial.
func Start(dial engine.Dial) (*Proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the proxy of a member: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{ln: ln, cancel: cancel}
	p.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				select { // perhaps too many open files
				case <-ctx.Done():
					return
				case <-time.After(100 * time.Millisecond):
				}
				continue
			}
			p.wg.Go(func() { serveProxied(ctx, dial, c) })
		}
	})
	return p, nil
}

// serveProxied connects one connection to the address that it requests. An error closes it.
func serveProxied(ctx context.Context, through engine.Dial, c net.Conn) {
	ctx, done := context.WithCancel(ctx)
	defer done()
	context.AfterFunc(ctx, func() { c.Close() })
	dial := func(_ context.Context, _, addr string) (net.Conn, error) {
		patient, over := context.WithTimeout(ctx, dialPatience)
		defer over()
		to, err := through(patient, addr)
		if err == nil {
			context.AfterFunc(ctx, func() { to.Close() })
		}
		return to, err
	}
	connect := &socks5.PermitCommand{EnableConnect: true} // UDP would make it listen on every interface
	_ = socks5.NewServer(socks5.WithDial(dial), socks5.WithRule(connect)).ServeConn(c)
}

// Addr returns the address that the proxy listens on.
func (p *Proxy) Addr() net.Addr { return p.ln.Addr() }

// JVM implements engine.Proxy. The proxy serves connections to this machine, too.
func (p *Proxy) JVM() []string {
	a := p.ln.Addr().(*net.TCPAddr)
	return []string{
		"-DsocksProxyHost=" + a.IP.String(),
		fmt.Sprintf("-DsocksProxyPort=%d", a.Port),
		"-DsocksNonProxyHosts=",
	}
}

// Close implements engine.Proxy.
func (p *Proxy) Close() {
	p.cancel()
	_ = p.ln.Close()
	p.wg.Wait()
}
