package zab

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// observerID is the id of an observer without one (QuorumPeer.OBSERVER_ID).
const observerID = math.MaxInt64

// maxInitialAddresses bounds the addresses in an InitialMessage (QuorumCnxManager.maxBuffer).
const maxInitialAddresses = 2048

// encodeInitialMessage encodes the caller's identity. addresses is one "host:port", or several
// separated by '|', which servers before 3.6 do not understand.
func encodeInitialMessage(self int64, addresses string) []byte {
	m := proto.InitialMessage{Protocol: proto.ElectionProtocolV1, ServerID: self, Addresses: addresses}
	if strings.Contains(addresses, "|") {
		m.Protocol = proto.ElectionProtocolV2
	}
	return jute.Marshal(&m)
}

// readInitialMessage reads the caller's id and the addresses to call it back at, which are nil if
// it listens on all addresses or does not say.
func readInitialMessage(r io.Reader) (sid int64, addrs []string, err error) {
	var head [20]byte
	if _, err := io.ReadFull(r, head[:8]); err != nil {
		return 0, nil, fmt.Errorf("read the protocol version: %w", err)
	}
	version := int64(binary.BigEndian.Uint64(head[:]))
	if version >= 0 {
		return version, nil, nil // before 3.5 a server sent only its id
	}
	if version != proto.ElectionProtocolV1 && version != proto.ElectionProtocolV2 {
		return 0, nil, fmt.Errorf("Got unrecognized protocol version %d", version)
	}
	if _, err := io.ReadFull(r, head[8:]); err != nil {
		return 0, nil, fmt.Errorf("read the server's id: %w", err)
	}
	sid = int64(binary.BigEndian.Uint64(head[8:]))
	n := int32(binary.BigEndian.Uint32(head[16:]))
	if n <= 0 || n > maxInitialAddresses {
		return 0, nil, fmt.Errorf("Unreasonable buffer length: %d (from server %d, expected 1 to %d)", n, sid, maxInitialAddresses)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return 0, nil, fmt.Errorf("read the addresses of server %d: %w", sid, err)
	}
	addrs, err = parseElectionAddresses(string(text))
	if err != nil {
		return 0, nil, fmt.Errorf("read the addresses of server %d: %w", sid, err)
	}
	return sid, addrs, nil
}

func parseElectionAddresses(text string) (addrs []string, err error) {
	for addr := range strings.SplitSeq(text, "|") {
		host, port, err := net.SplitHostPort(addr)
		if err != nil || host == "" {
			return nil, fmt.Errorf("Badly formed address: %q", addr)
		}
		if p, err := strconv.ParseUint(port, 10, 16); err != nil || p == 0 {
			return nil, fmt.Errorf("Bad port number: %q", addr)
		}
		if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
			addrs = append(addrs, net.JoinHostPort(host, port))
		}
	}
	return addrs, nil
}
