package zab

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// The protocol version that leader and learners exchange: ZAB 1.0, since ZooKeeper 3.4.
const protocolVersion = 0x10000

const (
	packetHead = 4 + 8 + 4 // type, zxid, length of the data

	// packetSlack is by how much a packet's data may exceed jute.maxbuffer: a transaction is longer
	// than the request it was made from.
	packetSlack = 1 << 20

	maxAuthInfo = 1 << 10 // identities in a packet
)

// errPacket means that a peer sent bytes that no server sends.
var errPacket = errors.New("malformed packet")

// packetReader reads the packets of a quorum connection. It compares each length with the limit
// before it allocates.
type packetReader struct {
	r   *bufio.Reader
	max int // bytes of data, and of an identity
	buf [packetHead]byte
}

func newPacketReader(r io.Reader, maxBuffer int) *packetReader {
	return &packetReader{r: bufio.NewReaderSize(r, 64<<10), max: maxBuffer + packetSlack}
}

// read reads the next packet. The caller owns its data.
func (p *packetReader) read() (*proto.QuorumPacket, error) {
	if _, err := io.ReadFull(p.r, p.buf[:]); err != nil {
		return nil, err
	}
	qp := &proto.QuorumPacket{
		Type: proto.PacketType(binary.BigEndian.Uint32(p.buf[:])),
		Zxid: int64(binary.BigEndian.Uint64(p.buf[4:])),
	}
	if qp.Type < proto.PacketRequest || qp.Type > proto.PacketInformAndActivate {
		return nil, fmt.Errorf("%w: type %d is unknown", errPacket, qp.Type)
	}
	var err error
	if qp.Data, err = p.bytes(int32(binary.BigEndian.Uint32(p.buf[12:]))); err != nil {
		return nil, err
	}
	count, err := p.int()
	if err != nil {
		return nil, err
	}
	if count < -1 || count > maxAuthInfo {
		return nil, fmt.Errorf("%w: it has %d identities, expected at most %d", errPacket, count, maxAuthInfo)
	}
	total := 0
	for range count {
		var id proto.ID
		for _, s := range []*string{&id.Scheme, &id.ID} {
			b, err := p.string()
			if err != nil {
				return nil, err
			}
			*s = string(b)
			if total += len(b); total > p.max {
				return nil, fmt.Errorf("%w: its identities are longer than %d bytes", errPacket, p.max)
			}
		}
		qp.AuthInfo = append(qp.AuthInfo, id)
	}
	return qp, nil
}

// buffered reports whether the next packet has arrived as a whole, so that reading it needs no time limit.
func (p *packetReader) buffered() bool {
	have := p.r.Buffered()
	if have < packetHead+4 {
		return false
	}
	head, _ := p.r.Peek(packetHead)
	n := max(0, int(int32(binary.BigEndian.Uint32(head[12:])))) // of the data
	if have < packetHead+n+4 {
		return false
	}
	all, _ := p.r.Peek(packetHead + n + 4)
	return binary.BigEndian.Uint32(all[packetHead+n:]) == 1<<32-1 // no identities follow
}

func (p *packetReader) int() (int32, error) {
	b := p.buf[:4]
	if _, err := io.ReadFull(p.r, b); err != nil {
		return 0, noEOF(err)
	}
	return int32(binary.BigEndian.Uint32(b)), nil
}

func (p *packetReader) string() ([]byte, error) {
	n, err := p.int()
	if err != nil {
		return nil, err
	}
	return p.bytes(n)
}

// bytes reads n bytes; -1 is null.
func (p *packetReader) bytes(n int32) ([]byte, error) {
	switch {
	case n == -1:
		return nil, nil
	case n < 0 || int(n) > p.max:
		return nil, fmt.Errorf("%w: length %d, expected at most %d (jute.maxbuffer)", errPacket, n, p.max)
	}
	// Grow only with what actually arrives.
	b := make([]byte, 0, min(int(n), 64<<10))
	for len(b) < int(n) {
		piece := min(int(n)-len(b), max(64<<10, len(b)))
		at := len(b)
		b = append(b, make([]byte, piece)...)
		if _, err := io.ReadFull(p.r, b[at:]); err != nil {
			return nil, noEOF(err)
		}
	}
	return b, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// frame encodes a packet. data is copied.
func frame(t proto.PacketType, zxid int64, data ...[]byte) []byte {
	n := -1
	for _, d := range data {
		if d != nil {
			n = max(n, 0) + len(d)
		}
	}
	b := make([]byte, 0, packetHead+max(n, 0)+4)
	b = binary.BigEndian.AppendUint32(b, uint32(t))
	b = binary.BigEndian.AppendUint64(b, uint64(zxid))
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	for _, d := range data {
		b = append(b, d...)
	}
	return binary.BigEndian.AppendUint32(b, ^uint32(0)) // null: no identities
}

// requestFrame encodes a client's request for the leader (Learner.request).
func requestFrame(r *Request) []byte {
	c := jute.NewEncoder(make([]byte, 0, 16+len(r.Body)))
	session, cxid, op := r.Session, r.Cxid, int32(r.Type)
	c.Long(&session)
	c.Int(&cxid)
	c.Int(&op)
	return jute.Marshal(&proto.QuorumPacket{Type: proto.PacketRequest, Zxid: -1, Data: append(c.Bytes(), r.Body...), AuthInfo: r.Auth})
}

// requestOf returns the request in a packet.
func requestOf(qp *proto.QuorumPacket, origin Origin) (*Request, error) {
	c := jute.NewDecoder(qp.Data)
	r := &Request{Auth: qp.AuthInfo, Origin: origin}
	var op int32
	c.Long(&r.Session)
	c.Int(&r.Cxid)
	c.Int(&op)
	if err := c.Err(); err != nil {
		return nil, fmt.Errorf("%w: REQUEST: %w", errPacket, err)
	}
	r.Type = proto.Op(op)
	r.Body = c.Rest()
	return r, nil
}

// proposalOf returns the transaction in a PROPOSAL or an INFORM.
func proposalOf(qp *proto.QuorumPacket, raw []byte) (*Proposal, error) {
	p := &Proposal{Raw: raw}
	if err := jute.Unmarshal(raw, &p.Txn); err != nil {
		return nil, fmt.Errorf("%w: transaction %#x: %w", errPacket, uint64(qp.Zxid), err)
	}
	if p.Zxid() != qp.Zxid {
		return nil, fmt.Errorf("%w: it announces %#x but contains transaction %#x", errPacket, uint64(qp.Zxid), uint64(p.Zxid()))
	}
	p.Config = configOf(&p.Txn)
	return p, nil
}

// configOf returns the configuration in a transaction; nil for most.
func configOf(txn *proto.TxnEntry) []byte {
	if txn.Header.Type != proto.OpReconfig {
		return nil
	}
	if set, ok := txn.Body.(*proto.SetDataTxn); ok {
		return set.Data
	}
	return nil
}

// packetName describes a packet in the log.
func packetName(qp *proto.QuorumPacket) string {
	names := [...]string{1: "REQUEST", "PROPOSAL", "ACK", "COMMIT", "PING", "REVALIDATE", "SYNC", "INFORM", "COMMITANDACTIVATE",
		"NEWLEADER", "FOLLOWERINFO", "UPTODATE", "DIFF", "TRUNC", "SNAP", "OBSERVERINFO", "LEADERINFO", "ACKEPOCH", "INFORMANDACTIVATE"}
	name := fmt.Sprintf("UNKNOWN%d", qp.Type)
	if qp.Type > 0 && int(qp.Type) < len(names) {
		name = names[qp.Type]
	}
	return fmt.Sprintf("%s %x", name, uint64(qp.Zxid))
}
