package client

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sasl"
)

// dialer opens connections and performs ZooKeeper's handshake on them.
type dialer struct {
	dial   func(ctx context.Context, network, addr string) (net.Conn, error) // nil means the system's
	tls    func(host string) (*tls.Config, error)                            // nil means a plain connection
	sasl   sasl.Mechanism                                                    // nil for none
	maxLen int
}

func newDialer(cfg *Config) *dialer {
	d := &dialer{dial: cfg.Dial, sasl: cfg.SASL, maxLen: cfg.MaxPacket}
	if cfg.TLS != nil {
		d.tls = cfg.secure
	}
	return d
}

// connected is the outcome of a successful attempt: a connection from which only the answer to the handshake has been read.
type connected struct {
	conn     *heardConn
	r        *bufio.Reader
	address  Address
	peer     string // as dialled
	response proto.ConnectResponse
	proven   bool // SASL succeeded
}

func (c *connected) close() { go c.conn.Close() } // TLS says goodbye first, which can take a while

// attempt connects to a server within ctx. It tries each IP address of a host name in turn; names
// are resolved anew each time. The error is an *AttemptError.
func (d *dialer) attempt(ctx context.Context, a Address, hello *proto.ConnectRequest) (*connected, error) {
	peers, err := d.resolve(ctx, a)
	if err != nil {
		return nil, &AttemptError{a, err}
	}
	var errs []error
	for i, peer := range peers {
		c, err := d.attemptPeer(ctx, a, peer, len(peers)-i, hello)
		if err == nil {
			return c, nil
		}
		if sasl.Refused(err) {
			return nil, &AttemptError{a, err}
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, &AttemptError{a, joined(peers, errs)}
}

// joined joins the errors of several peers into one, on one line.
func joined(peers []string, errs []error) error {
	same := true
	for _, err := range errs {
		same = same && err.Error() == errs[0].Error()
	}
	if same {
		return errs[0]
	}
	err := fmt.Errorf("%s: %w", peers[0], errs[0])
	for i, e := range errs[1:] {
		err = fmt.Errorf("%w; %s: %w", err, peers[i+1], e)
	}
	return err
}

// resolve returns the candidates for an address as ip:port. A configured dial function gets
// host:port unchanged.
func (d *dialer) resolve(ctx context.Context, a Address) ([]string, error) {
	if d.dial != nil || net.ParseIP(a.Host) != nil {
		return []string{a.String()}, nil
	}
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, a.Host)
	if err != nil {
		return nil, lookupFault(err)
	}
	peers := make([]string, len(ips))
	for i, ip := range ips {
		peers[i] = Address{ip.String(), a.Port}.String()
	}
	return peers, nil
}

// attemptPeer gets its share of the time that ctx leaves for the remaining peers.
func (d *dialer) attemptPeer(ctx context.Context, a Address, peer string, shares int, hello *proto.ConnectRequest) (*connected, error) {
	start := time.Now()
	deadline, _ := ctx.Deadline()
	deadline = start.Add(time.Until(deadline) / time.Duration(shares))
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	stage := stageDial
	c, err := d.handshake(ctx, a, peer, hello, &stage)
	if err != nil {
		return nil, attemptFault(err, stage, d.tls != nil, time.Since(start), ctx.Err())
	}
	return c, nil
}

// open dials and, if configured, performs the TLS handshake. Cancelling ctx later has no effect.
func (d *dialer) open(ctx context.Context, a Address, peer string, stage *stage) (net.Conn, error) {
	var secured *tls.Config
	if d.tls != nil {
		var err error
		if secured, err = d.tls(a.Host); err != nil {
			return nil, err // a store can no longer be read
		}
	}
	dial := d.dial
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext
	}
	conn, err := dial(ctx, "tcp", peer)
	if err != nil {
		return nil, err
	}
	if selfConnected(conn) {
		_ = conn.Close()
		return nil, errRefused
	}
	if secured == nil {
		return conn, nil
	}
	*stage = stageTLS
	secure := tls.Client(conn, secured)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// selfConnected reports whether a dial to a local port that nobody listens on was answered by the
// dialer's own port, which the system may choose.
func selfConnected(conn net.Conn) bool {
	local, ok := conn.LocalAddr().(*net.TCPAddr)
	return ok && local.String() == conn.RemoteAddr().String()
}

func (d *dialer) handshake(ctx context.Context, a Address, peer string, hello *proto.ConnectRequest, stage *stage) (*connected, error) {
	var exchange sasl.Exchange
	if d.sasl != nil {
		*stage = stageLogin
		var err error
		if exchange, err = d.startSASL(ctx, a, peer); err != nil {
			return nil, err
		}
		*stage = stageDial
	}
	raw, err := d.open(ctx, a, peer, stage)
	if err != nil {
		return nil, err
	}
	*stage = stageSession
	conn := &heardConn{Conn: raw}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	silence := d.suspect(ctx, conn, peer)
	response, r, err := greet(conn, hello)
	if foreign := silence(); foreign != nil {
		err = foreign
	}
	var proven bool
	if err == nil && exchange != nil && response.TimeOut > 0 {
		*stage = stageSASL
		if proven, err = d.authenticate(conn, r, exchange); err != nil && hello.SessionID == 0 {
			_ = writeRequest(conn, &proto.RequestHeader{Xid: maxSteps + 1, Type: proto.OpCloseSession}) // leave no session behind
		}
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	conn.last.Store(since())
	return &connected{conn: conn, r: r, address: a, peer: peer, response: *response, proven: proven}, nil
}

// suspect checks, if the server stays silent for a moment, whether it is a web server, which would
// wait for a line end that never comes. It does so on a separate connection, so that a slow
// ZooKeeper server is not disturbed. If it is one, reads from conn end at once. The returned
// function stops the check and returns the reason.
func (d *dialer) suspect(ctx context.Context, conn net.Conn, peer string) func() error {
	if d.tls != nil {
		return func() error { return nil }
	}
	ctx, cancel := context.WithCancel(ctx)
	deadline, _ := ctx.Deadline()
	var mu sync.Mutex
	var found error
	timer := time.AfterFunc(min(time.Second, time.Until(deadline)/2), func() {
		line := d.webServer(ctx, peer)
		mu.Lock()
		defer mu.Unlock()
		if line != "" && ctx.Err() == nil {
			found = httpFault(line)
			_ = conn.SetReadDeadline(time.Unix(1, 0))
		}
	})
	return func() error {
		timer.Stop()
		mu.Lock()
		defer mu.Unlock()
		cancel()
		return found
	}
}

// webServer returns the first line of the answer to an HTTP request, or "" if that is not HTTP. A
// ZooKeeper server closes the connection.
func (d *dialer) webServer(ctx context.Context, peer string) string {
	var at stage
	conn, err := d.open(ctx, Address{}, peer, &at)
	if err != nil {
		return ""
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return ""
	}
	line, err := bufio.NewReaderSize(io.LimitReader(conn, 100), 100).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/") {
		return ""
	}
	return strings.TrimSpace(line)
}

// maxHello is more than any server's answer to the session handshake needs.
const maxHello = 4 << 10

// errNoReadOnlySession is the refusal of a server that is cut off from the quorum and may not
// open local sessions (ReadOnlyRequestProcessor answers with a bare ReplyHeader).
var errNoReadOnlySession = &ProtocolError{What: "the server is cut off from the quorum and does not open sessions; " +
	"to allow read-only sessions, set localSessionsEnabled=true in zoo.cfg in addition to readonlymode.enabled=true"}

// greet sends the ConnectRequest and reads the answer.
func greet(conn net.Conn, hello *proto.ConnectRequest) (*proto.ConnectResponse, *bufio.Reader, error) {
	body := jute.Marshal(hello)
	frame := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	if _, err := conn.Write(frame); err != nil {
		return nil, nil, err
	}
	r := bufio.NewReaderSize(conn, 64<<10)
	head, err := r.Peek(4)
	if err != nil {
		return nil, nil, cutOff(err, len(head), 0)
	}
	if n := int32(binary.BigEndian.Uint32(head)); n < 0 || n > maxHello {
		return nil, nil, stranger(conn, r)
	}
	answer, err := readFrame(r, maxHello)
	if err != nil {
		return nil, nil, err
	}
	if len(answer) == replyHeaderSize && proto.Error(int32(binary.BigEndian.Uint32(answer[12:]))) == proto.ErrNotReadOnly {
		return nil, nil, errNoReadOnlySession
	}
	response := new(proto.ConnectResponse)
	if err := jute.Unmarshal(answer, response); err != nil {
		return nil, nil, &ProtocolError{What: fmt.Sprintf("the answer to the session handshake, %d bytes long, cannot be read", len(answer)), Err: err}
	}
	return response, r, nil
}
