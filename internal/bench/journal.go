package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

// journalFile is a file of zeros that is filled, so that a sync has no metadata to write, as ZooKeeper's logs are.
type journalFile struct {
	f  *os.File
	at int64
}

const journalStep = 64 << 20

func openJournalFile(path string) (*journalFile, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &journalFile{f: f}, f.Truncate(journalStep)
}

// write appends to the file and brings it to disk.
func (j *journalFile) write(b []byte) error {
	end := j.at + int64(len(b))
	if end/journalStep > j.at/journalStep {
		if err := j.f.Truncate((end/journalStep + 1) * journalStep); err != nil {
			return err
		}
	}
	if _, err := j.f.WriteAt(b, j.at); err != nil {
		return err
	}
	j.at = end
	return storage.SyncData(j.f)
}

// journal commits in groups: whatever arrives during one sync of the disk shares the next. It answers what is on the disks
// of a majority.
type journal struct {
	file      *journalFile
	followers []*follower

	mu       sync.Mutex
	queue    []byte  // not written yet
	unacked  []asked // not answered yet
	seq      uint64  // of the last write
	ready    chan struct{}
	answer   chan struct{}
	durable  atomic.Uint64 // the last write that is on the leader's disk
	answered uint64        // the answerer's
}

// asked is a write for which a client waits.
type asked struct {
	c   *floorConn
	xid uint32
	seq uint64
}

// follower is the leader's view of one.
type follower struct {
	nc    net.Conn
	acked atomic.Uint64
	queue outQueue
}

// outQueue is what one goroutine sends while others add to it.
type outQueue struct {
	mu    sync.Mutex
	out   []byte
	ready chan struct{}
}

func (q *outQueue) add(add func([]byte) []byte) {
	q.mu.Lock()
	q.out = add(q.out)
	q.mu.Unlock()
	wake(q.ready)
}

func (q *outQueue) sendTo(w io.Writer) error {
	var spare []byte
	for range q.ready {
		q.mu.Lock()
		out := q.out
		q.out = spare[:0]
		q.mu.Unlock()
		if _, err := w.Write(out); err != nil {
			return err
		}
		spare = out
	}
	return nil
}

func wake(ready chan struct{}) {
	select {
	case ready <- struct{}{}:
	default:
	}
}

func openJournal(path string, followers []string) (*journal, error) {
	file, err := openJournalFile(path)
	if err != nil {
		return nil, err
	}
	j := &journal{file: file, ready: make(chan struct{}, 1), answer: make(chan struct{}, 1)}
	for _, port := range followers {
		nc, err := dialSoon(net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			return nil, err
		}
		f := &follower{nc: nc, queue: outQueue{ready: make(chan struct{}, 1)}}
		j.followers = append(j.followers, f)
		go func() { fatal(f.queue.sendTo(nc)) }()
		go func() { fatal(j.readAcks(f)) }()
	}
	go func() { fatal(j.commit()) }()
	go j.answerAll()
	return j, nil
}

// dialSoon waits until a follower listens.
func dialSoon(addr string) (nc net.Conn, err error) {
	for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(time.Millisecond) {
		if nc, err = net.Dial("tcp", addr); err == nil {
			return nc, nil
		}
	}
	return nil, err
}

// fatal ends the process: what is left of it measures nothing.
func fatal(err error) {
	fmt.Fprintln(os.Stderr, "bench: journal:", err)
	os.Exit(1)
}

// add queues a write.
func (j *journal) add(c *floorConn, xid uint32, record []byte) {
	j.mu.Lock()
	j.seq++
	seq := j.seq
	j.queue = append(j.queue, record...)
	j.unacked = append(j.unacked, asked{c, xid, seq})
	for _, f := range j.followers { // within the lock, for the order
		f.queue.add(func(out []byte) []byte { return appendPacket(out, proto.PacketProposal, seq, record) })
	}
	j.mu.Unlock()
	wake(j.ready)
}

// appendPacket adds a packet as a leader and its followers exchange them.
func appendPacket(b []byte, t proto.PacketType, seq uint64, data []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(t))
	b = binary.BigEndian.AppendUint64(b, seq)
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	b = append(b, data...)
	return binary.BigEndian.AppendUint32(b, ^uint32(0)) // no identities
}

// readPacket reads one; its data is valid until the next call.
func readPacket(r *bufio.Reader, buf []byte) (t proto.PacketType, seq uint64, data []byte, err error) {
	var head [16]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, 0, nil, err
	}
	n := int(binary.BigEndian.Uint32(head[12:]))
	if n+4 > cap(buf) {
		return 0, 0, nil, errors.New("the packet is too long")
	}
	if _, err := io.ReadFull(r, buf[:n+4]); err != nil {
		return 0, 0, nil, err
	}
	return proto.PacketType(binary.BigEndian.Uint32(head[:])), binary.BigEndian.Uint64(head[4:]), buf[:n], nil
}

// commit writes and syncs whatever waits.
func (j *journal) commit() error {
	var batch []byte
	for range j.ready {
		j.mu.Lock()
		batch, j.queue = j.queue, batch[:0]
		last := j.seq
		j.mu.Unlock()
		if len(batch) == 0 {
			continue
		}
		if err := j.file.write(batch); err != nil {
			return err
		}
		j.durable.Store(last)
		wake(j.answer)
	}
	return nil
}

func (j *journal) readAcks(f *follower) error {
	r, buf := bufio.NewReaderSize(f.nc, 64<<10), make([]byte, 64)
	for {
		_, seq, _, err := readPacket(r, buf)
		if err != nil {
			return err
		}
		f.acked.Store(seq)
		if r.Buffered() == 0 {
			wake(j.answer)
		}
	}
}

// majority returns the last write that is on enough disks: one's own, or two of three.
func (j *journal) majority() uint64 {
	own := j.durable.Load()
	if len(j.followers) == 0 {
		return own
	}
	a, b := j.followers[0].acked.Load(), j.followers[1].acked.Load()
	return max(min(a, b), min(a, own), min(b, own))
}

// answerAll answers what has become durable, and tells the followers.
func (j *journal) answerAll() {
	var list []asked
	for range j.answer {
		until := j.majority()
		if until == j.answered {
			continue
		}
		j.mu.Lock()
		n := int(until - j.answered)
		list = append(list[:0], j.unacked[:n]...)
		j.unacked = j.unacked[n:]
		j.mu.Unlock()
		for _, f := range j.followers {
			f.queue.add(func(out []byte) []byte {
				for _, a := range list {
					out = appendPacket(out, proto.PacketCommit, a.seq, nil)
				}
				return out
			})
		}
		j.answered = until
		var dirty []*floorConn
		for _, a := range list {
			if len(a.c.out) == 0 {
				dirty = append(dirty, a.c)
			}
			a.c.out = append(appendReply(a.c.out, a.xid, proto.StatSize), emptyStat...)
		}
		for _, c := range dirty {
			_, _ = c.Write(c.out) // a client that is gone needs no answer
			c.out = c.out[:0]
		}
	}
}

// follow is a follower: it appends what the leader proposes, syncs once for all that waits, and acknowledges each.
func follow(port, path string) error {
	file, err := openJournalFile(path)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	nc, err := l.Accept()
	if err != nil {
		return err
	}
	var (
		mu    sync.Mutex
		queue []byte
		seqs  []uint64
	)
	ready := make(chan struct{}, 1)
	go func() {
		var batch, acks []byte
		var acked []uint64
		for range ready {
			mu.Lock()
			batch, queue = queue, batch[:0]
			acked, seqs = seqs, acked[:0]
			mu.Unlock()
			if len(acked) == 0 {
				continue
			}
			if err := file.write(batch); err != nil {
				fatal(err)
			}
			acks = acks[:0]
			for _, seq := range acked {
				acks = appendPacket(acks, proto.PacketAck, seq, nil)
			}
			if _, err := nc.Write(acks); err != nil {
				fatal(err)
			}
		}
	}()
	r, buf := bufio.NewReaderSize(nc, 64<<10), make([]byte, 64<<10)
	for {
		t, seq, data, err := readPacket(r, buf)
		if err != nil {
			return err
		}
		if t != proto.PacketProposal {
			continue // what is committed is of no further use
		}
		mu.Lock()
		queue, seqs = append(queue, data...), append(seqs, seq)
		mu.Unlock()
		wake(ready)
	}
}
