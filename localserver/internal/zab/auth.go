package zab

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sasl"
)

// Auth is how members authenticate to each other when one connects to another's election or quorum port (SaslQuorumAuthServer,
// SaslQuorumAuthLearner). nil means not at all.
type Auth struct {
	// Accept starts the authentication of a member that has connected. hosts are those of all members, which a Kerberos
	// principal must name. Required refuses who does not authenticate; otherwise such a member is let through, even if it
	// has tried in vain, so that an ensemble can be converted.
	Accept   func(hosts []string) AuthExchange
	Required bool

	// Connect authenticates this member to another, whose host is that of the configuration; nil if it does not.
	Connect func(ctx context.Context, host string) (AuthExchange, error)

	hosts func() []string // set by NewPeer
}

// AuthExchange is one side's part in an authentication.
type AuthExchange interface {
	// Step takes the other side's token, which is nil at the start of the side that connects, and returns the answer. If
	// done is true, the exchange is complete; only the side that accepts sends the last answer.
	Step(token []byte) (answer []byte, done bool, err error)
}

// maxAuthSteps bounds the tokens that a member may send (SaslQuorumAuthServer.MAX_RETRIES).
const maxAuthSteps = 6

var errNoAuth = errors.New("Learner not trying to authenticate and authentication is required")

// accept authenticates the other end of a connection, which is being read through r.
func (a *Auth) accept(conn net.Conn, r *bufio.Reader, log Logger) error {
	if a == nil {
		return nil
	}
	err := a.exchange(conn, r)
	switch {
	case err == nil:
		log.Infof("Successfully completed the authentication using SASL. learner addr: %s", conn.RemoteAddr())
		return nil
	case a.Required:
		return fmt.Errorf("Failed to authenticate using SASL: %w", err)
	case !errors.Is(err, errNoAuth):
		log.Warnf("Failed to authenticate using SASL: %v", err)
		log.Warnf("Maintaining learner connection despite SASL authentication failure. server addr: %s, quorum.auth.serverRequireSasl: false", conn.RemoteAddr())
	}
	return nil
}

func (a *Auth) exchange(conn net.Conn, r *bufio.Reader) error {
	magic, err := r.Peek(8)
	if err != nil || int64(binary.BigEndian.Uint64(magic)) != proto.QuorumAuthMagic {
		return errNoAuth
	}
	x := a.Accept(a.hosts())
	for range maxAuthSteps {
		step, err := readAuth(r)
		if err != nil {
			return err
		}
		token, done, err := x.Step(step.Token)
		if err != nil {
			return errors.Join(err, writeAuth(conn, proto.QuorumAuthError, []byte{}))
		}
		if done {
			return writeAuth(conn, proto.QuorumAuthSuccess, token)
		}
		if err := writeAuth(conn, proto.QuorumAuthInProgress, token); err != nil {
			return err
		}
	}
	return errors.Join(fmt.Errorf("no success after %d tokens", maxAuthSteps), writeAuth(conn, proto.QuorumAuthError, []byte{}))
}

// connect authenticates this member to the other end of a connection, which will be read through r.
func (a *Auth) connect(ctx context.Context, conn net.Conn, r *bufio.Reader, addr string) error {
	if a == nil || a.Connect == nil {
		return nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	x, err := a.Connect(ctx, host)
	if err != nil {
		return fmt.Errorf("authenticate to %s: %w", addr, err)
	}
	if err := a.prove(x, conn, r); err != nil {
		return fmt.Errorf("Authentication failed against server addr: %s: %w", addr, err)
	}
	return nil
}

func (a *Auth) prove(x AuthExchange, conn net.Conn, r *bufio.Reader) error {
	var token []byte
	status := proto.QuorumAuthInProgress
	for range maxAuthSteps {
		answer, done, err := x.Step(token)
		switch {
		case err != nil:
			return err
		case status == proto.QuorumAuthSuccess && done && len(answer) == 0:
			return nil
		case status == proto.QuorumAuthSuccess:
			return errors.New("it ended the authentication too early")
		}
		if answer == nil {
			answer = []byte{} // null is an answer that no member sends
		}
		if err := writeAuth(conn, proto.QuorumAuthInProgress, answer); err != nil {
			return err
		}
		step, err := readAuth(r)
		switch {
		case err != nil:
			return err
		case step.Status == proto.QuorumAuthSuccess && done:
			return nil
		case step.Status != proto.QuorumAuthSuccess && step.Status != proto.QuorumAuthInProgress:
			return refusedBy(x)
		}
		token, status = step.Token, step.Status
	}
	return fmt.Errorf("no success after %d tokens", maxAuthSteps)
}

// refusedBy says why another member may have refused this one.
func refusedBy(x AuthExchange) error {
	if d, ok := x.(interface{ Doubt() string }); ok {
		return fmt.Errorf("it refused the identity of this member: %s", d.Doubt())
	}
	return errors.New("it refused the identity of this member")
}

// readAuth reads a packet of bounded length.
func readAuth(r io.Reader) (p proto.QuorumAuth, err error) {
	head := make([]byte, proto.QuorumAuthHead)
	if _, err := io.ReadFull(r, head); err != nil {
		return p, fmt.Errorf("the connection ended during the authentication: %w", noEOF(err))
	}
	n := int32(binary.BigEndian.Uint32(head[proto.QuorumAuthHead-4:]))
	if n > sasl.MaxToken {
		return p, fmt.Errorf("%w: a token of %d bytes; the limit is %d", errPacket, n, sasl.MaxToken)
	}
	rest, err := io.ReadAll(io.LimitReader(r, int64(n))) // grows with what arrives
	if err != nil {
		return p, err
	}
	if err := jute.Unmarshal(append(head, rest...), &p); err != nil {
		return p, fmt.Errorf("%w: %w", errPacket, err)
	}
	if p.Magic != proto.QuorumAuthMagic {
		return p, fmt.Errorf("%w: expected a token", errPacket)
	}
	return p, nil
}

func writeAuth(w io.Writer, status int32, token []byte) error {
	_, err := w.Write(jute.Marshal(&proto.QuorumAuth{Magic: proto.QuorumAuthMagic, Status: status, Token: token}))
	return err
}

// within runs f with a deadline for all that it reads and writes.
func within(conn net.Conn, limit time.Duration, f func() error) error {
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}
