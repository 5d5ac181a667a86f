package client

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sasl"
)

// startSASL prepares to authenticate with the server at peer, before anything is sent to it, so
// that no session is left behind if there is no ticket.
func (d *dialer) startSASL(ctx context.Context, a Address, peer string) (sasl.Exchange, error) {
	var ip netip.Addr
	if ap, err := netip.ParseAddrPort(peer); err == nil {
		ip = ap.Addr()
	}
	return d.sasl.Start(ctx, a.Host, ip)
}

// maxSteps is more than any mechanism needs.
const maxSteps = 10

// authenticate runs the exchange on a connection whose session is established, before anything
// else is sent (ZooKeeperSaslClient). proven is false if the server has no SASL.
func (d *dialer) authenticate(conn net.Conn, r *bufio.Reader, exchange sasl.Exchange) (proven bool, err error) {
	var challenge []byte
	for step := range int32(maxSteps) {
		token, done, err := exchange.Step(challenge)
		switch {
		case err != nil && step > 0 && len(challenge) == 0: // zookeeper.allowSaslFailedClients
			return false, d.refused(exchange, proto.ErrAuthFailed)
		case err != nil || done:
			return done, err
		}
		header := &proto.RequestHeader{Xid: step + 1, Type: proto.OpSASL}
		if err := writeRequest(conn, header, &proto.SASLToken{Token: token}); err != nil {
			return false, err
		}
		code, answer, err := readToken(r, header.Xid)
		switch {
		case err != nil:
			return false, err
		case code != proto.OK:
			return false, d.refused(exchange, code)
		case len(answer) == 0 && step == 0:
			return false, nil // ZooKeeperServer.processSasl without a ZooKeeperSaslServer
		}
		challenge = answer
	}
	return false, &ProtocolError{What: fmt.Sprintf("the SASL exchange has no end; it was given up after %d steps", maxSteps)}
}

// refused is the error for a server that does not accept the identity.
func (d *dialer) refused(exchange sasl.Exchange, code proto.Error) error {
	if code != proto.ErrAuthFailed && code != proto.ErrSessionClosedSASLAuth {
		return &ProtocolError{What: "the server answered a SASL token with an error", Err: code}
	}
	return &sasl.Refusal{
		What: fmt.Sprintf("the server refused the SASL identity %s (%s): %s", d.sasl.Identity(), d.sasl.Name(), exchange.Doubt()),
		Err:  code,
	}
}

// readToken reads the answer to a SASL token.
func readToken(r *bufio.Reader, xid int32) (proto.Error, []byte, error) {
	frame, err := readFrame(r, sasl.MaxToken)
	if err != nil {
		return 0, nil, err
	}
	if len(frame) < replyHeaderSize {
		return 0, nil, &ProtocolError{What: fmt.Sprintf("the server answered a SASL token with a packet of %d bytes, which is too short", len(frame))}
	}
	if got := int32(binary.BigEndian.Uint32(frame)); got != xid {
		return 0, nil, &ProtocolError{What: fmt.Sprintf("the server sent a reply with xid %d instead of %d, to a SASL token", got, xid)}
	}
	code := proto.Error(int32(binary.BigEndian.Uint32(frame[12:])))
	if code != proto.OK {
		return code, nil, nil
	}
	var answer proto.SASLToken
	if err := jute.Unmarshal(frame[replyHeaderSize:], &answer); err != nil {
		return 0, nil, &ProtocolError{What: "the server's answer to a SASL token cannot be read", Err: err}
	}
	return code, answer.Token, nil
}

// writeRequest writes one frame.
func writeRequest(conn net.Conn, records ...jute.Record) error {
	frame := make([]byte, 4)
	for _, r := range records {
		frame = append(frame, jute.Marshal(r)...)
	}
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	_, err := conn.Write(frame)
	return err
}

// saslFault says in a clause why an exchange broke off.
func saslFault(err error, timeout bool) error {
	var foreign *ProtocolError
	switch {
	case sasl.Refused(err) || errors.As(err, &foreign):
		return err
	case timeout:
		return &fault{"timed out: the server did not answer the SASL authentication", errors.Join(errTimeout, err)}
	case IsHangup(err):
		return &fault{"the server closed the connection during the SASL authentication; its log may say why", err}
	}
	return &fault{"SASL authentication: " + err.Error(), err}
}
