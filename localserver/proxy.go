package localserver

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/things-go/go-socks5"
)

// proxy is the way from an Apache member to the others, so that its links can be cut like
// those of an embedded one. It speaks SOCKS, which a JVM can be told to use for all that it
// connects to.
type proxy struct {
	ln     net.Listener
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// dialPatience is for a connection over a link that is cut. A JVM has given up long before.
const dialPatience = time.Minute

// startProxy listens for the member whose gate it is.
func startProxy(g *gate) (*proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the proxy of member %d: %w", g.id, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &proxy{ln: ln, cancel: cancel}
	p.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				select { // too many open files, maybe
				case <-ctx.Done():
					return
				case <-time.After(100 * time.Millisecond):
				}
				continue
			}
			p.wg.Go(func() { serveProxied(ctx, g, c) })
		}
	})
	return p, nil
}

// serveProxied leads one connection to where it asks for. What goes wrong shows at its end.
func serveProxied(ctx context.Context, g *gate, c net.Conn) {
	ctx, done := context.WithCancel(ctx)
	defer done()
	context.AfterFunc(ctx, func() { c.Close() })
	dial := func(_ context.Context, _, addr string) (net.Conn, error) {
		patient, over := context.WithTimeout(ctx, dialPatience)
		defer over()
		to, err := g.Dial(patient, addr)
		if err == nil {
			context.AfterFunc(ctx, func() { to.Close() })
		}
		return to, err
	}
	connect := &socks5.PermitCommand{EnableConnect: true} // for UDP it would listen on every interface
	_ = socks5.NewServer(socks5.WithDial(dial), socks5.WithRule(connect)).ServeConn(c)
}

// jvm are the options by which a JVM uses the proxy, also for this machine.
func (p *proxy) jvm() []string {
	a := p.ln.Addr().(*net.TCPAddr)
	return []string{
		"-DsocksProxyHost=" + a.IP.String(),
		fmt.Sprintf("-DsocksProxyPort=%d", a.Port),
		"-DsocksNonProxyHosts=",
	}
}

func (p *proxy) close() {
	if p == nil {
		return
	}
	p.cancel()
	_ = p.ln.Close()
	p.wg.Wait()
}
