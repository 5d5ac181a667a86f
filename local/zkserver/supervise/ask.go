package supervise

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/fourletter"
	"github.com/zkctl/zkctl/internal/tlsstore"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// answer is what a server's client port said.
type answer struct {
	at    time.Time // when it was asked
	state State     // Serving, NotServing, Running, or Down if there was no answer
	addr  string    // where
	mode  string    // of one that serves: standalone, leader, follower, observer, read-only
	why   string    // why the state is not Serving
}

// door is where a server can be asked.
type door struct {
	addr string
	dial fourletter.Dial
}

// doors are the client ports of a configuration; there may be none.
func doors(cfg *zoocfg.Config, properties zoocfg.Properties) (list []door, err error) {
	if cfg.Client.Port != 0 {
		list = append(list, door{addr: local(cfg.Client)})
	} else if cfg.SecureClient.Port != 0 {
		tlsConfig, err := clientTLS(cfg, properties)
		if err != nil {
			return nil, err
		}
		list = append(list, door{local(cfg.SecureClient), fourletter.TLS(tlsConfig)})
	}
	return list, nil
}

// local is where the server's own machine reaches the address that it listens on.
func local(p zoocfg.HostPort) string {
	host := p.Host
	switch ip := net.ParseIP(host); {
	case host == "" || ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, strconv.Itoa(p.Port))
}

// clientTLS is what CLIENT_JVMFLAGS says or, if they say nothing of TLS, the server's own certificate.
func clientTLS(cfg *zoocfg.Config, properties zoocfg.Properties) (*tls.Config, error) {
	var p client.Properties
	if err := p.LoadSystem("CLIENT_JVMFLAGS", properties); err != nil {
		return nil, err
	}
	if p.TLS.KeyStore.File != "" || p.TLS.TrustStore.File != "" {
		return p.TLS.Config()
	}
	// The peer is this process's own child, and learns nothing but the word srvr.
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}
	if s := cfg.TLS.KeyStore; s.Location != "" {
		store := tlsstore.Store{File: s.Location, Type: s.Type, Password: s.Password, PasswordFile: s.PasswordPath}
		cert, err := store.Key()
		if err != nil {
			return nil, err
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	return c, nil
}

// ask asks at each door until one is answered. Any answer shows that the server is alive, even a refusal; only silence and
// a shut door do not.
func ask(ctx context.Context, list []door, patience time.Duration) answer {
	a := answer{at: time.Now(), state: Down}
	for _, d := range list {
		ctx, cancel := context.WithTimeout(ctx, patience)
		reply, err := fourletter.Ask(ctx, d.dial, d.addr, "srvr")
		cancel()
		a.addr = d.addr
		if a.state, a.mode, a.why = judge(string(reply), err, d.addr, patience); a.state != Down {
			return a
		}
	}
	return a
}

// judge says what a reply to srvr, or its absence, means.
func judge(reply string, err error, addr string, patience time.Duration) (state State, mode, why string) {
	var dns *net.DNSError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return Down, "", fmt.Sprintf("%s did not answer within %s", addr, brief(patience))
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, context.Canceled), errors.As(err, &dns), isDial(err):
		return Down, "", fmt.Sprintf("%s cannot be reached: %v", addr, cause(err))
	case err != nil && isTLS(err):
		return Running, "", fmt.Sprintf("%s refuses TLS without a certificate that it trusts: %v; name one in CLIENT_JVMFLAGS", addr, cause(err))
	case err != nil:
		return Running, "", fmt.Sprintf("%s closed the connection: %v", addr, cause(err))
	case strings.HasPrefix(reply, fourletter.NotServing):
		return NotServing, "", "it is not currently serving requests: it has no leader, or is loading or synchronising its data"
	}
	for line := range strings.Lines(reply) {
		if mode, ok := strings.CutPrefix(line, "Mode: "); ok {
			return Serving, strings.TrimSpace(mode), ""
		}
	}
	return Running, "", addr + " closed the connection without an answer"
}

// isDial reports that no connection was made.
func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// isTLS reports that one of both ends does not accept the other's certificate.
func isTLS(err error) bool {
	var alert tls.AlertError
	var mine *tls.CertificateVerificationError
	return errors.As(err, &alert) || errors.As(err, &mine) || strings.Contains(err.Error(), "remote error: tls: ")
}

// cause is what the system said, without the names of what was asked.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// askOften asks until ctx ends: at once, soon again while the server does not serve, and every opt.ask() in the end, because
// Apache's server logs each question.
func askOften(ctx context.Context, list []door, opt *Options, answers chan<- answer) {
	const soon = 100 * time.Millisecond
	last, pause := Down, min(soon, opt.ask())
	for {
		a := ask(ctx, list, opt.ask())
		select {
		case answers <- a:
		case <-ctx.Done():
			return
		}
		if a.state != last {
			last, pause = a.state, min(soon, opt.ask())
		}
		if pause = min(pause*3/2, opt.ask()); a.state == Serving {
			pause = opt.ask()
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}
