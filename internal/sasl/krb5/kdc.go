package krb5

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"

	"github.com/zkctl/zkctl/internal/escape"
)

const (
	kdcPort = "88"
	// kdcTimeout limits the attempt at one address.
	kdcTimeout = 5 * time.Second
	// maxReply is longer than a reply with the largest ticket.
	maxReply = 1 << 20
)

// kdcs returns the addresses of a realm's KDCs.
func (c *Config) kdcs(ctx context.Context, realm string) (list []string, err error) {
	for _, r := range c.Realms {
		if r.Realm != realm {
			continue
		}
		for _, kdc := range r.KDC {
			kdc = strings.TrimPrefix(strings.TrimPrefix(kdc, "tcp/"), "udp/")
			if _, _, err := net.SplitHostPort(kdc); err != nil {
				kdc = net.JoinHostPort(strings.Trim(kdc, "[]"), kdcPort)
			}
			list = append(list, kdc)
		}
	}
	if len(list) > 0 {
		return list, nil
	}
	if c.dns {
		_, records, _ := net.DefaultResolver.LookupSRV(ctx, "kerberos", "tcp", realm)
		if len(records) == 0 {
			_, records, _ = net.DefaultResolver.LookupSRV(ctx, "kerberos", "udp", realm)
		}
		for _, r := range records {
			list = append(list, net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port))))
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no KDC is known for the realm %s: it has no kdc in %s, and the DNS has none; is the realm right?",
			escape.Line(realm), c.named())
	}
	return list, nil
}

// ask sends a request to the realm's KDCs, one after the other until one answers. An error of the
// KDC itself is a *messages.KRBError.
func (c *Config) ask(ctx context.Context, realm string, request []byte) ([]byte, error) {
	list, err := c.kdcs(ctx, realm)
	if err != nil {
		return nil, err
	}
	var faults []string
	for _, kdc := range list {
		reply, err := askTCP(ctx, kdc, request)
		if err != nil && ctx.Err() == nil {
			if again, udpErr := askUDP(ctx, kdc, request); udpErr == nil {
				reply, err = again, nil
			}
		}
		if err == nil {
			var refused messages.KRBError
			if guard(func() error { return refused.Unmarshal(reply) }) == nil {
				return nil, &refused
			}
			return reply, nil
		}
		faults = append(faults, fmt.Sprintf("%s: %s", kdc, kdcFault(err)))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("no KDC of the realm %s can be reached (%s); check the network, and kdc in %s",
		escape.Line(realm), escape.Line(strings.Join(faults, "; ")), c.named())
}

func kdcFault(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns):
		return "unknown host"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &op) && op.Timeout():
		return "no answer"
	case errors.As(err, &op):
		return strings.TrimPrefix(op.Err.Error(), "connect: ")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it closed the connection"
	}
	return err.Error()
}

// dialKDC dials; the connection ends with ctx, or after kdcTimeout.
func dialKDC(ctx context.Context, network, addr string) (net.Conn, func(), error) {
	ctx, cancel := context.WithTimeout(ctx, kdcTimeout)
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return conn, func() { stop(); cancel(); _ = conn.Close() }, nil
}

func askTCP(ctx context.Context, addr string, request []byte) ([]byte, error) {
	conn, end, err := dialKDC(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer end()
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(request))), request...)); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxReply {
		return nil, fmt.Errorf("it announced a reply of %d bytes; is it a KDC?", n)
	}
	reply := make([]byte, n)
	_, err = io.ReadFull(conn, reply)
	return reply, err
}

func askUDP(ctx context.Context, addr string, request []byte) ([]byte, error) {
	conn, end, err := dialKDC(ctx, "udp", addr)
	if err != nil {
		return nil, err
	}
	defer end()
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	reply := make([]byte, 64<<10)
	n, err := conn.Read(reply)
	return reply[:n], err
}
