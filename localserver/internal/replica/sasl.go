package replica

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// SASLOptions say how clients authenticate with SASL.
type SASLOptions struct {
	// Provider enables the scheme sasl in ACLs (authProvider.N).
	Provider bool

	// Exchange starts the authentication of a client; nil if the server has no login. It is called on the connection's
	// own goroutine.
	Exchange func() SASLExchange

	Required    bool     // sessionRequireClientSASLAuth has chosen Options.AuthSchemes
	AllowFailed bool     // allowSaslFailedClients
	SuperUsers  []string // superUser
	AnyUser     string   // letAnySaslUserDoX
}

// SASLExchange is the server's part in the authentication of a client.
type SASLExchange interface {
	// Step takes the client's token and returns the answer. If done is true, the client is authenticated.
	Step(token []byte) (answer []byte, done bool, err error)

	// ID returns as whom the client is authenticated, once Step has said so.
	ID() string
}

// ErrSASLName is wrapped by the error of a Step that authenticates a client whose name nobody can have. Apache
// disconnects it without an answer.
var ErrSASLName = errors.New("not a valid name")

// saslStep is what became of a client's SASL token.
type saslStep struct {
	answer proto.SASLToken
	id     string // as whom the client is authenticated now; "" for nobody
	err    error
	hangUp bool // without an answer
}

// evaluateSASL takes a client's SASL token. It runs on the connection's reader, so that cryptography and files do not
// delay other clients.
func (c *conn) evaluateSASL(body []byte) *saslStep {
	var token proto.SASLToken
	err := jute.Unmarshal(body, &token)
	if err == nil && token.Token == nil {
		err = errors.New("it is null")
	}
	if err != nil {
		return &saslStep{err: fmt.Errorf("a SASL token cannot be read: %w", err), hangUp: true}
	}
	start := c.s.opt.SASL.Exchange
	if start == nil {
		c.s.log.Errorf("cnxn.saslServer is null: cnxn object did not initialize its saslServer properly.")
		return &saslStep{}
	}
	if c.sasl == nil {
		c.sasl = start()
	}
	answer, done, err := c.sasl.Step(token.Token)
	if err != nil {
		return &saslStep{err: err, hangUp: errors.Is(err, ErrSASLName)}
	}
	step := &saslStep{answer: proto.SASLToken{Token: answer}}
	if done {
		step.id = c.sasl.ID()
	}
	return step
}

// stepSASL answers a client's SASL token (ZooKeeperServer.processSasl).
func (s *Replica) stepSASL(c *conn, r *request) {
	step, required := r.sasl, slices.Contains(s.auth.enforced, schemeSASL)
	switch {
	case step.hangUp:
		s.log.Warnf("Closing the connection of %s: %v", c.remote, step.err)
		c.close()
		return
	case step.err == nil:
	case s.opt.SASL.AllowFailed && !required:
		s.log.Warnf("Client %s failed to SASL authenticate: %v", c.remote, step.err)
		s.log.Warnf("Maintaining client connection despite SASL authentication failure.")
	default:
		s.log.Warnf("Client %s failed to SASL authenticate: %v", c.remote, step.err)
		code := proto.ErrAuthFailed
		if required {
			code = proto.ErrSessionClosedSASLAuth
			s.log.Warnf("Closing client connection due to server requires client SASL authentication," +
				"but client SASL authentication has failed, or client is not configured with SASL authentication.")
		} else {
			s.log.Warnf("Closing client connection due to SASL authentication failure.")
		}
		c.send(&proto.ReplyHeader{Xid: r.Cxid, Err: code}, &proto.SASLToken{})
		c.part()
		return
	}
	if step.id != "" {
		s.log.Infof("Session 0x%x: adding SASL authorization for authorizationID: %s", uint64(c.session), step.id)
		c.auth = addID(c.auth, proto.ID{Scheme: schemeSASL, ID: step.id})
		if slices.Contains(s.opt.SASL.SuperUsers, step.id) {
			c.auth = addID(c.auth, proto.ID{Scheme: schemeSuper})
			s.log.Infof("Session 0x%x: Authenticated Id '%s' as super user", uint64(c.session), step.id)
		}
	}
	c.send(&proto.ReplyHeader{Xid: r.Cxid}, &step.answer)
}
