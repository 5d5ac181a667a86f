package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/port/porttest"
)

// A name may stand for several addresses, of which some are dead.
func TestDialAny(t *testing.T) {
	addr := porttest.Serve(t, words(map[string]string{"srvr": follower}))
	_, port, _ := net.SplitHostPort(addr)
	refused := errors.New("refused")
	for name, test := range map[string]struct {
		list []string // s is silent, r refuses, 1 answers
		want error
	}{
		"silent first":     {[]string{"192.0.2.1", "192.0.2.2", "127.0.0.1"}, nil},
		"refused first":    {[]string{"192.0.2.9", "127.0.0.1"}, nil},
		"alive first":      {[]string{"127.0.0.1", "192.0.2.1"}, nil},
		"all refuse":       {[]string{"192.0.2.9", "192.0.2.8"}, refused},
		"silent and dead":  {[]string{"192.0.2.1", "192.0.2.9"}, refused},
		"all are silent":   {[]string{"192.0.2.1", "192.0.2.2"}, context.DeadlineExceeded},
		"alive and mapped": {[]string{"::ffff:127.0.0.1", "192.0.2.9"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dialing{
				lookup: func(context.Context, string) (list []netip.Addr, err error) {
					for _, a := range test.list {
						list = append(list, netip.MustParseAddr(a))
					}
					return list, nil
				},
				dial: func(ctx context.Context, network, a string) (net.Conn, error) {
					switch host, _, _ := net.SplitHostPort(a); host {
					case "192.0.2.8", "192.0.2.9":
						return nil, refused
					case "192.0.2.1", "192.0.2.2":
						<-ctx.Done()
						return nil, ctx.Err()
					}
					return new(net.Dialer).DialContext(ctx, network, a)
				},
			}
			p := prober("zk.example:" + port)
			p.Client.Dial = d.any
			timeout := 20 * time.Second
			if test.want != nil && test.want != refused || name == "silent and dead" {
				timeout = time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			start := time.Now()
			members, _ := p.Members()
			_, err := p.Word(ctx, &members[0], "srvr")
			if (err == nil) != (test.want == nil) || time.Since(start) > timeout/2+time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	}
}
