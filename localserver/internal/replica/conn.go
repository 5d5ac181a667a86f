package replica

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

const (
	// parting is how long a client may take to read what was sent before the member closes its
	// connection.
	parting = 5 * time.Second

	// frameStep is the buffer allocated for a request before its bytes arrive.
	frameStep = 16 << 10

	// outstandingByConn bounds the unanswered requests of one connection.
	outstandingByConn = 4096
)

// conn is a client's connection. Its reader and its writer are goroutines; fields belong to the
// loop unless stated otherwise.
type conn struct {
	s       *Replica
	nc      net.Conn
	r       *bufio.Reader // the reader's
	remote  string        // as Java prints it, "/host:port"
	sasl    SASLExchange  // nil before the first SASL token; the reader's
	large   int64         // length of the frame being read, if it is large; the reader's
	address string        // as Java prints it
	subject string        // of the client's verified certificate
	secure  bool
	started time.Time

	established func(ok bool) // called once, when the session is set up or refused
	session     int64         // 0 until a session is set up
	timeout     time.Duration
	oldest      bool // the client predates 3.4 and neither sends nor receives the read-only byte
	auth        []proto.ID
	queue       []*request  // unanswered, in order of arrival
	first       [8]*request // the queue's memory while it is short
	gone        bool        // closed; nothing more is read or answered
	leaving     bool        // will be closed once all output is sent
	stats       connStats
	asked       time.Time // when it asked for a session
	resumed     bool      // the session existed before
	probe       bool      // it sent a four-letter word

	outstanding atomic.Int32 // requests read and not answered
	held        int          // writes in queue that are not submitted yet
	reads       int          // requests in queue that need no transaction
	weighed     int          // how many of the queue are counted in dueBytes
	dueBytes    int          // bytes of the replies to the reads among them
	turn        turn
	late        []lateFrame // held back by a fault
	output

	mu     sync.Mutex
	paused bool // the reader waits for resume
	resume *sync.Cond
	closed bool
}

// errHangUp ends a reader without a log line.
var errHangUp = errors.New("closed")

// serveConn reads a client's requests until it is gone.
func (s *Replica) serveConn(nc net.Conn, secure bool) {
	c := &conn{s: s, nc: nc, r: bufio.NewReaderSize(nc, 4<<10), secure: secure, started: time.Now()}
	c.resume = sync.NewCond(&c.mu)
	c.address = plainIP(hostOf(nc))
	c.remote = javaAddress(nc.RemoteAddr())
	c.auth = addID(nil, proto.ID{Scheme: schemeIP, ID: c.address})
	if t, ok := nc.(*tls.Conn); ok {
		if chain := t.ConnectionState().PeerCertificates; len(chain) > 0 {
			c.subject = subjectName(chain[0])
			if ids, ok := s.auth.authenticate(c.auth, schemeX509, nil, c.address, c.subject); ok {
				c.auth = ids
			}
		}
	}
	s.box.put(event{run: func() { s.all[c] = struct{}{} }})
	err := c.read()
	c.countLoss(err)
	leaving := false
	s.do(func() {
		if !c.gone {
			c.logLoss(err)
		}
		c.close()
		leaving = c.leaving
	})
	if leaving {
		c.awaitEnd() // the answer that the session has expired, for example, has yet to be sent
	}
	c.hangUp()
}

// logLoss logs that the client ended the connection (NIOServerCnxn.doIO).
func (c *conn) logLoss(err error) {
	var timeout net.Error
	var network *net.OpError
	switch {
	case err == nil, errors.Is(err, errHangUp), errors.Is(err, net.ErrClosed), errors.As(err, &timeout) && timeout.Timeout():
		return
	case errors.Is(err, io.EOF):
		c.s.log.Infof("Unable to read additional data from client, it probably closed the socket: address = %s, session = 0x%x", c.remote, uint64(c.session))
		return
	case errors.As(err, &network):
		err = network.Err
	}
	c.s.log.Warnf("Close of session 0x%x: %v", uint64(c.session), err)
}

// awaitEnd waits until the writer has sent everything and closed the connection, or has run out of
// time.
func (c *conn) awaitEnd() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed {
		c.resume.Wait()
	}
}

// sessionID may be called by the reader when it is done.
func (c *conn) sessionID() (id int64) {
	c.s.do(func() { id = c.session })
	return id
}

// plainIP formats an address as Java does: IPv6 in full, without leading zeros
// (Inet6Address.getHostAddress).
func plainIP(host string) string {
	bare, zone, _ := strings.Cut(host, "%")
	ip := net.ParseIP(bare)
	if ip == nil || ip.To4() != nil {
		return host
	}
	groups := make([]string, 8)
	for i := range groups {
		groups[i] = strconv.FormatUint(uint64(binary.BigEndian.Uint16(ip[2*i:])), 16)
	}
	if zone != "" {
		return strings.Join(groups, ":") + "%" + zone
	}
	return strings.Join(groups, ":")
}

// read is the reader.
func (c *conn) read() error {
	if err := c.nc.SetReadDeadline(time.Now().Add(c.s.opt.Sessionless)); err != nil {
		return err
	}
	if handled, err := c.greet(); handled || err != nil {
		return err
	}
	first := true
	var (
		batch   []event
		bytes   int64 // of the requests in it
		arrived time.Time
		spare   []request
	)
	defer func() { c.s.dropLarge(&c.large) }()
	for {
		body, err := c.frame()
		if err != nil {
			return err
		}
		if first {
			if err := c.connect(body); err != nil {
				return err
			}
			first = false
			c.s.dropLarge(&c.large)
			if err := c.nc.SetReadDeadline(time.Time{}); err != nil {
				return err
			}
			continue
		}
		if len(body) < requestHeaderSize {
			return fmt.Errorf("a request is too short for its header: it has %d bytes", len(body))
		}
		if len(batch) == 0 {
			arrived = time.Now() // with all that is buffered
		}
		if len(spare) == 0 { // enough for what is buffered, if that is alike
			spare = make([]request, 1+min(31, c.r.Buffered()/(4+len(body))))
		}
		r := &spare[0]
		spare = spare[1:]
		r.conn, r.received, r.size = c, arrived, int64(len(body))
		r.Cxid, r.Type, r.Body = int32(binary.BigEndian.Uint32(body)), proto.Op(binary.BigEndian.Uint32(body[4:])), body[requestHeaderSize:]
		if r.large, c.large = c.large, 0; r.Type == proto.OpSASL {
			r.sasl = c.evaluateSASL(r.Body)
		}
		bytes += r.size
		if r.fault = r.struck(true); r.fault.Delay > 0 {
			c.count(len(batch), bytes-r.size)
			if !c.s.box.put(batch...) || !c.s.holdUp(r.fault.Delay) {
				return errHangUp
			}
			clear(batch)
			batch, bytes = batch[:0], r.size
		}
		batch = append(batch, event{request: r})
		// Complete frames that have already arrived go to the loop together.
		if len(batch) < 128 && c.another() {
			continue
		}
		c.count(len(batch), bytes)
		if !c.s.box.put(batch...) {
			return errHangUp
		}
		clear(batch)
		batch, spare, bytes = batch[:0], nil, 0
		if err := c.throttle(); err != nil {
			return err
		}
	}
}

// requestHeaderSize is the size of a RequestHeader.
const requestHeaderSize = 4 + 4

// count counts requests as in process, before the loop can answer them.
func (c *conn) count(n int, bytes int64) {
	c.outstanding.Add(int32(n))
	c.s.shared.inProcess.Add(int64(n))
	c.s.shared.inBytes.Add(bytes)
}

// greet reads the first four bytes, which may be a four-letter word.
func (c *conn) greet() (handled bool, err error) {
	head, err := c.r.Peek(4)
	if err != nil {
		return true, err
	}
	if word := string(head); isWord(word) {
		c.r.Discard(4)
		_ = c.nc.SetWriteDeadline(time.Now().Add(c.s.opt.Sessionless))
		c.s.answerWord(c, word)
		return true, nil
	}
	return false, nil
}

// admitLarge admits a large request if the total of large ones stays within the limit
// (ZooKeeperServer.checkRequestSizeWhenReceivingMessage).
//
// Differs(large-requests-announced): Apache counts a large request only once it is complete, so
// half-sent ones can take any amount of memory.
func (c *conn) admitLarge(length int64) error {
	s := c.s
	if s.opt.LargeThreshold == 0 || length <= int64(s.opt.LargeThreshold) {
		return nil
	}
	c.large = length
	if s.shared.largeBytes.Add(length) > s.opt.LargeMax {
		s.metrics.Add("large_requests_rejected", 1)
		return errors.New("Rejecting large request")
	}
	return nil
}

// dropLarge undoes admitLarge.
func (s *Replica) dropLarge(n *int64) {
	if *n != 0 {
		s.shared.largeBytes.Add(-*n)
		*n = 0
	}
}

// frame reads a length and as many bytes.
func (c *conn) frame() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.EOF
		}
		return nil, err
	}
	n := int32(binary.BigEndian.Uint32(head[:]))
	if n < 0 || int(n) > c.s.opt.MaxPacket {
		return nil, fmt.Errorf("Len error. A message from %s with advertised length of %d is either a malformed message or too large to process"+
			" (length is greater than jute.maxbuffer=%d)", c.remote, n, c.s.opt.MaxPacket)
	}
	if err := c.admitLarge(int64(n)); err != nil {
		return nil, err
	}
	// Memory is allocated for what has arrived, not for what was announced.
	body := make([]byte, 0, min(int(n), frameStep))
	for {
		have := len(body)
		body = body[:cap(body)]
		if _, err := io.ReadFull(c.r, body[have:]); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = io.EOF
			}
			return nil, err
		}
		if len(body) == int(n) {
			return body, nil
		}
		more := make([]byte, len(body), min(int(n), 2*len(body)))
		copy(more, body)
		body = more
	}
}

// another reports whether a whole frame has been read from the network already.
func (c *conn) another() bool {
	if c.r.Buffered() < 4 {
		return false
	}
	head, _ := c.r.Peek(4)
	n := int(binary.BigEndian.Uint32(head))
	return n <= c.r.Size() && c.r.Buffered() >= 4+n
}

// connect passes the session request to the loop and waits until it is set up.
func (c *conn) connect(body []byte) error {
	var r proto.ConnectRequest
	d := jute.NewDecoder(body)
	r.Visit(d)
	if d.Err() != nil {
		return fmt.Errorf("not a connect request: %w", d.Err())
	}
	old := len(body) < connectSize+len(r.Passwd)+1
	if old {
		c.s.log.Warnf("Connection request from old client %s; will be dropped if server is in r-o mode", c.remote)
	}
	ready := make(chan bool, 1)
	c.s.do(func() {
		c.oldest = old
		c.established = func(ok bool) { ready <- ok }
		c.asked, c.resumed = c.s.now, r.SessionID != 0
		c.s.connect(c, &r)
	})
	select {
	case ok := <-ready:
		if !ok {
			return errHangUp
		}
		return nil
	case <-c.s.done:
		return errHangUp
	}
}

// connectSize is the size of a ConnectRequest without its password and last byte.
const connectSize = 4 + 8 + 4 + 8 + 4

// throttled reports whether the connection's requests have to wait (ZooKeeperServer.shouldThrottle):
// a client that reads its replies may always have one in progress.
func (c *conn) throttled() bool {
	n := c.outstanding.Load()
	return n > outstandingByConn || c.stalled.Load() ||
		n > 0 && (c.s.shared.inProcess.Load() > int64(c.s.opt.OutstandingLimit) || c.s.shared.inBytes.Load() > c.s.opt.OutstandingBytes)
}

// throttle blocks the reader while there is too much to do.
func (c *conn) throttle() error {
	if !c.throttled() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.metrics.Add("request_throttle_wait_count", 1)
	for !c.closed && c.throttled() {
		c.paused = true
		c.resume.Wait()
	}
	c.paused = false
	if c.closed {
		return errHangUp
	}
	return nil
}

// answered counts a request as done.
func (c *conn) answered(r *request) {
	c.s.discount(r)
	c.s.dropLarge(&r.large)
	c.outstanding.Add(-1)
	c.readOn()
}

// discount removes a request from the member's count of outstanding ones.
func (s *Replica) discount(r *request) {
	if !r.discounted {
		r.discounted = true
		s.shared.inProcess.Add(-1)
		s.shared.inBytes.Add(-r.size)
	}
}

// readOn wakes the reader if it may continue.
func (c *conn) readOn() {
	c.mu.Lock()
	if c.paused && !c.throttled() {
		c.resume.Signal()
	}
	c.mu.Unlock()
}

// hangUp closes the network connection, which ends the reader.
func (c *conn) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLocked()
}

func (c *conn) closeLocked() {
	if c.closed {
		return
	}
	c.closed = true
	c.resume.Broadcast()
	c.dropOutput()
	if c.secure {
		go c.nc.Close() // TLS sends a close alert, which may block for five seconds
	} else {
		c.nc.Close()
	}
}

// close forgets the connection, its watches and its unanswered requests.
func (c *conn) close() {
	if c.gone {
		return
	}
	c.gone = true
	if c.established != nil {
		c.established(false)
		c.established = nil
	}
	c.s.watches.removeAll(c)
	if c.s.conns[c.session] == c {
		delete(c.s.conns, c.session)
	}
	delete(c.s.all, c)
	delete(c.s.awaiting, c)
	for _, r := range c.queue {
		c.answered(r)
	}
	c.queue, c.weighed, c.dueBytes = nil, 0, 0
	if !c.leaving {
		c.dropFresh()
		c.hangUp()
	}
}

// part closes the connection once its output has been sent.
func (c *conn) part() {
	c.leaving = true
	c.mark()
	c.close()
}

// owner is the origin of this member's own clients, as the leader sees it.
var ownClients zab.Origin
