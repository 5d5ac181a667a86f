package client

import (
	"errors"
	"fmt"
	"strings"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
)

// OpError is an error returned by the server. errors.Is finds its code: proto.ErrNoNode and so
// on.
type OpError struct {
	Op   proto.Op
	Path string // as the caller sees it; empty if the operation has none
	Code proto.Error
}

// Error returns KeeperException's text; for an operation unknown to the server it names the
// release that has it.
func (e *OpError) Error() string {
	if e.Code == proto.ErrUnimplemented {
		return fmt.Sprintf("this server does not support the operation %v; it needs ZooKeeper %s or later", e.Op, e.Op.Since())
	}
	text := e.Code.Error()
	if e.Path != "" {
		text += " for " + escape.Line(e.Path)
	}
	if e.Code == proto.ErrSessionClosedSASLAuth {
		text += "; the server demands authentication: name an identity for SASL (-jaas, -sasl-user or -principal) or, " +
			"if enforce.auth.schemes lists another scheme, with -auth or TLS"
	}
	return text
}

// Unwrap returns the code.
func (e *OpError) Unwrap() error { return e.Code }

// Details are fields for programs, in addition to the sentence.
func (e *OpError) Details() map[string]any {
	d := map[string]any{"code": e.Code.Name()}
	if e.Path != "" {
		d["path"] = e.Path
	}
	return d
}

// LossError means that the connection broke before the reply arrived. errors.Is finds
// proto.ErrConnectionLoss, proto.ErrSessionExpired or proto.ErrAuthFailed in it.
type LossError struct {
	Op     proto.Op
	Code   proto.Error
	Sent   bool  // the request had been sent: it may or may not have happened
	InPart bool  // only part of it was sent, so it did not happen
	Cause  error // what ended the connection
}

func (e *LossError) Error() string {
	s := e.Code.Error()
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	switch {
	case !e.Sent || e.Code == proto.ErrAuthFailed || e.Op.Reads():
	case e.InPart:
		s += fmt.Sprintf("; the %v did not happen", e.Op)
	default:
		s += fmt.Sprintf("; the %v may or may not have happened", e.Op)
	}
	return s
}

// Unwrap returns the code and the cause.
func (e *LossError) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Code}
	}
	return []error{e.Code, e.Cause}
}

// IsLoss reports whether err says that the connection broke or that the session has expired, which the session's events
// report, too. A server may answer that a session has expired before the connection breaks: that is no *LossError.
func IsLoss(err error) bool {
	var loss *LossError
	return errors.Is(err, proto.ErrSessionExpired) || errors.As(err, &loss) && loss.Code != proto.ErrAuthFailed
}

// Details are fields for programs, in addition to the sentence.
func (e *LossError) Details() map[string]any { return map[string]any{"code": e.Code.Name()} }

// ErrClosed is the cause of an error for a request on a closed session.
var ErrClosed = errors.New("the session is closed")

// errTimeout means that a server did not answer in time.
var errTimeout = errors.New("timed out")

// ProtocolError means that the other side violates ZooKeeper's protocol or does not speak it.
type ProtocolError struct {
	What string // a clause: what was found
	Err  error  // may be nil

	tooLong bool // a packet is longer than Config.MaxPacket
}

func (e *ProtocolError) Error() string {
	if e.Err == nil {
		return e.What
	}
	return e.What + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *ProtocolError) Unwrap() error { return e.Err }

// AttemptError says why an attempt to connect failed.
type AttemptError struct {
	Address Address
	Err     error
}

func (e *AttemptError) Error() string {
	return "connect " + e.Address.String() + ": " + escape.Line(e.Err.Error())
}

// Unwrap returns the cause.
func (e *AttemptError) Unwrap() error { return e.Err }

// RoundError lists what happened at each address in a round that found no server.
type RoundError struct {
	Attempts []*AttemptError
}

func (e *RoundError) Error() string {
	var causes []string
	addresses := map[string][]string{} // by cause
	for _, a := range e.Attempts {
		cause := escape.Line(a.Err.Error()) // a certificate may be quoted
		if addresses[cause] == nil {
			causes = append(causes, cause)
		}
		addresses[cause] = append(addresses[cause], a.Address.String())
	}
	for i, cause := range causes {
		causes[i] = "connect " + strings.Join(addresses[cause], ", ") + ": " + cause
	}
	return strings.Join(causes, "; ")
}

// Unwrap returns the attempts' errors.
func (e *RoundError) Unwrap() []error {
	errs := make([]error, len(e.Attempts))
	for i, a := range e.Attempts {
		errs[i] = a
	}
	return errs
}

// Refused reports whether err says that nobody listens at the address.
func Refused(err error) bool { return errors.Is(err, errRefused) }
