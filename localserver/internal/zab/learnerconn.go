package zab

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

var (
	errReplaced = errors.New("another connection has taken its place")
	errOver     = errors.New("the leader's term has ended")
	errSilent   = errors.New("Closing connection to peer due to transaction timeout.")
)

// learnerConn is a follower's or an observer's connection to the leader (LearnerHandler). It is the
// Origin of the requests that it carries.
type learnerConn struct {
	l     *leader
	conn  net.Conn
	in    *packetReader
	out   *bufio.Writer // until queue runs
	queue *sendQueue
	since time.Time

	// Commits held until UPTODATE has been sent; guarded by Broadcast.mu.
	holding bool
	held    [][]byte

	mu        sync.Mutex
	id        int64 // this and the next two are written only by its own goroutine
	observer  bool
	mode      string    // how it was synchronised: DIFF, TRUNC or SNAP
	deadline  time.Time // when it no longer counts as following unless it is heard from
	pinging   bool      // it now understands PING
	awaiting  sent      // a proposal that it must acknowledge
	next      sent      // the last proposal sent after that
	watched   bool      // acknowledgements are timed
	acked     int64
	synced    bool // it has been sent UPTODATE
	packetsIn int64
	requests  int64
}

// sent is a proposal and when it was queued.
type sent struct {
	zxid int64
	at   time.Time
}

func newLearnerConn(l *leader, conn net.Conn) *learnerConn {
	opt := l.p.opt
	return &learnerConn{l: l, conn: conn, in: newPacketReader(conn, opt.MaxBuffer), out: bufio.NewWriterSize(conn, 64<<10),
		queue: newSendQueue(conn, opt.LearnerQueue), since: time.Now(),
		deadline: time.Now().Add(opt.initTimeout() + opt.syncTimeout())}
}

// read reads a packet within a time limit.
func (c *learnerConn) read(timeout time.Duration) (*proto.QuorumPacket, error) {
	if !c.in.buffered() {
		if err := c.conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
			return nil, err
		}
	}
	return c.in.read()
}

// run serves the connection until it breaks.
func (c *learnerConn) run() {
	err := c.serve()
	if cause := c.queue.cause(); cause != nil {
		err = cause
	}
	c.l.b.forget(c)
	c.queue.close(errOver)
	if c.l.ctx.Err() == nil {
		c.l.p.opt.Log.Warnf("Unexpected exception in LearnerHandler: sid %d: %v", c.id, err)
	}
	c.l.p.opt.Log.Warnf("******* GOODBYE /%s ********", c.conn.RemoteAddr())
}

func (c *learnerConn) serve() error {
	l, opt := c.l, c.l.p.opt
	err := within(c.conn, opt.initTimeout(), func() error { return opt.Auth.accept(c.conn, c.in.r, opt.Log) })
	if err != nil {
		return err
	}
	peer, err := c.discover()
	if err != nil {
		return err
	}
	if err := c.sync(peer); err != nil {
		return err
	}
	// The learner considers it agreed on as of UPTODATE. That is true of the configuration that the
	// leader started with; its own proposal may never be.
	//
	// Differs(reconfig-when-committed): Apache's leader sends even that, so there can be two leaders.
	l.mu.Lock()
	config := l.quorums[len(l.quorums)-1]
	l.mu.Unlock()
	if isClosed(l.started) {
		config = l.p.views.inForce()
	}
	c.queue.put(frame(proto.PacketNewLeader, Zxid(l.epoch, 0), config.Bytes()))
	if err := c.out.Flush(); err != nil {
		return err
	}
	c.mu.Lock()
	c.pinging = true
	c.mu.Unlock()
	l.wg.Go(c.queue.run)

	early, err := c.awaitNewLeaderAck(opt.initTimeout())
	if err != nil {
		return err
	}
	if err := l.newLeaderAck(c); err != nil {
		return err
	}
	c.mu.Lock()
	c.watched, c.synced = true, true
	c.mu.Unlock()
	if early > 0 {
		c.acknowledged(early)
		l.b.ackFrom(c, early)
	}
	l.b.release(c, frame(proto.PacketUpToDate, -1))
	for {
		qp, err := c.read(opt.syncTimeout())
		if err != nil {
			return err
		}
		if err := c.process(qp); err != nil {
			return err
		}
	}
}

// awaitNewLeaderAck reads until the learner acknowledges NEWLEADER. Apache's learners write their
// log on another thread and may acknowledge proposals earlier. It returns the last of these, which
// must not count until the learner has accepted the epoch.
func (c *learnerConn) awaitNewLeaderAck(limit time.Duration) (early int64, err error) {
	for {
		qp, err := c.read(limit)
		switch {
		case err != nil:
			return 0, err
		case qp.Type != proto.PacketAck:
			return 0, fmt.Errorf("%w: Next packet was supposed to be an ACK, but received packet: %s", errPacket, packetName(qp))
		case qp.Zxid == Zxid(c.l.epoch, 0):
			return early, nil
		case qp.Zxid <= early || qp.Zxid > c.l.b.lastProposed():
			return 0, fmt.Errorf("%w: NEWLEADER ACK from sid: %d is from a different epoch - current 0x%x received 0x%x",
				errPacket, c.id, uint64(Zxid(c.l.epoch, 0)), uint64(qp.Zxid))
		}
		early = qp.Zxid
	}
}

// discover is the first phase: the learner identifies itself, receives the epoch, and reports its
// state. It returns the learner's last zxid.
func (c *learnerConn) discover() (int64, error) {
	l, opt := c.l, c.l.p.opt
	qp, err := c.read(opt.initTimeout())
	if err != nil {
		return 0, err
	}
	if qp.Type != proto.PacketFollowerInfo && qp.Type != proto.PacketObserverInfo {
		return 0, fmt.Errorf("%w: First packet %s is not FOLLOWERINFO or OBSERVERINFO!", errPacket, packetName(qp))
	}
	var info proto.LearnerInfo
	if err := jute.Unmarshal(qp.Data, &info); err != nil {
		return 0, fmt.Errorf("%w: LearnerInfo: %w", errPacket, err)
	}
	if info.ProtocolVersion < protocolVersion {
		return 0, fmt.Errorf("learner %d speaks version %#x of the protocol; %#x is required (ZooKeeper 3.4)", info.ServerID, info.ProtocolVersion, protocolVersion)
	}
	current := l.p.views.inForce()
	if info.ConfigVersion > current.Version() {
		return 0, errors.New("Follower is ahead of the leader (has a later activated configuration)")
	}
	if info.ServerID == opt.ID {
		return 0, fmt.Errorf("learner %s has the leader's own id %d", c.conn.RemoteAddr(), info.ServerID)
	}
	c.mu.Lock()
	c.id, c.observer = info.ServerID, qp.Type == proto.PacketObserverInfo
	c.mu.Unlock()
	if m, ok := current.Member(c.id); ok {
		l.p.opt.Log.Infof("Follower sid: %d : info : %s", c.id, m)
	} else {
		l.p.opt.Log.Infof("Follower sid: %d not in the current config %x", c.id, current.Version())
	}
	epoch, err := l.proposeEpoch(c.id, Epoch(qp.Zxid))
	if err != nil {
		return 0, err
	}
	if _, err := c.out.Write(frame(proto.PacketLeaderInfo, Zxid(epoch, 0), []byte{0, 1, 0, 0})); err != nil {
		return 0, err
	}
	if err := c.out.Flush(); err != nil {
		return 0, err
	}
	if qp, err = c.read(opt.initTimeout()); err != nil {
		return 0, err
	}
	if qp.Type != proto.PacketAckEpoch {
		return 0, fmt.Errorf("%w: %s is not ACKEPOCH", errPacket, packetName(qp))
	}
	var its int32
	d := jute.NewDecoder(qp.Data)
	if d.Int(&its); d.Err() != nil {
		return 0, fmt.Errorf("%w: ACKEPOCH: %w", errPacket, d.Err())
	}
	return qp.Zxid, l.ackEpoch(c.id, int64(its), qp.Zxid)
}

// process handles a packet from a learner that is up to date.
func (c *learnerConn) process(qp *proto.QuorumPacket) error {
	r := LeaderSessions(c.l.p.replica)
	c.mu.Lock()
	c.deadline = time.Now().Add(c.l.p.opt.syncTimeout())
	c.packetsIn++
	c.mu.Unlock()
	d := jute.NewDecoder(qp.Data)
	switch qp.Type {
	case proto.PacketAck:
		if Counter(qp.Zxid) == 0 {
			return nil // of UPTODATE
		}
		c.acknowledged(qp.Zxid)
		if !c.l.b.ackFrom(c, qp.Zxid) {
			return fmt.Errorf("%w: ACK of 0x%x, which was never proposed", errPacket, uint64(qp.Zxid))
		}
	case proto.PacketPing:
		alive := map[int64]int32{}
		for d.Err() == nil && d.Remaining() > 0 {
			var session int64
			var timeout int32
			d.Long(&session)
			if d.Int(&timeout); d.Err() == nil {
				alive[session] = timeout
			}
		}
		r.Touch(alive)
	case proto.PacketRevalidate:
		var session int64
		var timeout int32
		d.Long(&session)
		d.Int(&timeout)
		if d.Err() != nil {
			break
		}
		valid := r.Revalidate(session, timeout, c)
		e := jute.NewEncoder(nil)
		e.Long(&session)
		e.Bool(&valid)
		c.queue.put(frame(proto.PacketRevalidate, qp.Zxid, e.Bytes()))
	case proto.PacketRequest:
		req, err := requestOf(qp, c)
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.requests++
		c.mu.Unlock()
		r.Submit(req)
	default:
		return fmt.Errorf("%w: unexpected quorum packet, type: %s", errPacket, packetName(qp))
	}
	if err := d.Err(); err != nil {
		return fmt.Errorf("%w: %s: %w", errPacket, packetName(qp), err)
	}
	return nil
}

// proposal queues a proposal and times its acknowledgement, which may come as soon as it is queued.
func (c *learnerConn) proposal(zxid int64, f []byte) {
	c.mu.Lock()
	switch now := time.Now(); {
	case !c.watched:
	case c.awaiting.zxid == 0:
		c.awaiting = sent{zxid, now}
	default:
		c.next = sent{zxid, now}
	}
	c.mu.Unlock()
	c.queue.put(f)
}

func (c *learnerConn) acknowledged(zxid int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acked = max(c.acked, zxid)
	if zxid >= c.awaiting.zxid {
		if c.awaiting = c.next; zxid >= c.next.zxid {
			c.awaiting = sent{}
		}
		c.next = sent{}
	}
}

// ping keeps the connection alive, and ends it if a proposal has not been acknowledged in time.
func (c *learnerConn) ping(zxid int64) {
	c.mu.Lock()
	pinging := c.pinging
	late := c.awaiting.zxid != 0 && time.Since(c.awaiting.at) >= c.l.p.opt.syncTimeout()
	c.mu.Unlock()
	switch {
	case late:
		c.queue.close(errSilent)
	case pinging:
		c.queue.put(frame(proto.PacketPing, zxid))
	}
}

func (c *learnerConn) setMode(mode string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mode = mode
}

// follows returns the member at the other end, and whether it has been heard from lately.
func (c *learnerConn) follows() (id int64, alive bool) {
	alive = c.alive()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id, alive
}

// alive reports whether it has been heard from lately.
func (c *learnerConn) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !time.Now().After(c.deadline) && c.queue.cause() == nil
}
