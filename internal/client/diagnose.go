package client

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// stage is how far an attempt to connect got.
type stage int

const (
	stageDial stage = iota
	stageTLS
	stageSession
	stageSASL
	stageLogin // at a KDC; before stageDial
)

// lookupFault says in a clause why a name could not be resolved.
func lookupFault(err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		switch {
		case dns.IsNotFound:
			return &fault{"unknown host", err}
		case dns.IsTimeout:
			return &fault{"the name server did not answer in time", err}
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &fault{"the name server did not answer in time", err}
	}
	return &fault{"the host name cannot be resolved: " + err.Error(), err}
}

// fault is a cause in our own words; errors.Is still finds the original.
type fault struct {
	text string
	err  error
}

func (e *fault) Error() string { return e.text }
func (e *fault) Unwrap() error { return e.err }

// attemptFault says in a clause why an attempt failed after the given time.
func attemptFault(err error, at stage, secure bool, took time.Duration, ctxErr error) error {
	var foreign *ProtocolError
	if errors.As(err, &foreign) {
		return err
	}
	if took = took.Round(time.Millisecond); took > time.Second {
		took = took.Round(100 * time.Millisecond) // so that servers in the same round report the same reason
	}
	timeout := ctxErr != nil || os.IsTimeout(err) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
	switch at {
	case stageDial:
		switch {
		case errors.Is(err, errRefused):
			return &fault{"connection refused", err}
		case timeout:
			return &fault{fmt.Sprintf("timed out: no answer to the connection request after %v", took), errors.Join(errTimeout, err)}
		}
		var op *net.OpError
		if errors.As(err, &op) && op.Err != nil {
			var call *os.SyscallError
			if errors.As(op.Err, &call) {
				return &fault{call.Err.Error(), err}
			}
			return &fault{op.Err.Error(), err}
		}
		return err
	case stageTLS:
		return tlsFault(err, timeout, took)
	case stageSASL:
		return saslFault(err, timeout)
	case stageLogin:
		return err
	}
	var closed *hangup
	switch {
	case secure && TLSAlert(err) != "": // of TLS 1.3, in which a client's handshake ends before the server judges its certificate
		return tlsFault(err, false, took)
	case timeout:
		return &fault{fmt.Sprintf("timed out: the server accepted the connection but did not answer the session handshake within %v", took), errors.Join(errTimeout, err)}
	case errors.As(err, &closed) && closed.got > 0:
		return &fault{strings.Replace(closed.Error(), "a packet", "the session handshake", 1), err}
	case IsHangup(err) && secure:
		return &fault{"the server closed the connection during the session handshake; it may not be serving (no quorum, or " +
			"too many connections), or require a client certificate", err}
	case IsHangup(err):
		return &fault{"the server closed the connection during the session handshake; it may not be serving (no quorum, or " +
			"too many connections), or require TLS", err}
	}
	return err
}

func tlsFault(err error, timeout bool, took time.Duration) error {
	var record tls.RecordHeaderError
	var verify *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	switch {
	case timeout:
		return &fault{fmt.Sprintf("timed out: the server did not answer the TLS handshake within %v; is this its secure client port?", took), errors.Join(errTimeout, err)}
	case errors.As(err, &record):
		return &fault{"the server does not speak TLS on this port; use its secure client port, or connect without TLS", err}
	case errors.As(err, &verify) && errors.As(verify.Err, &unknown):
		// Without what Go adds about candidates, which says the same again.
		return &fault{"the server's certificate was rejected: an unknown authority signed it; name a trust store with that authority with -tls-truststore", err}
	case errors.As(err, &verify):
		return &fault{"the server's certificate was rejected: " + verify.Err.Error(), err}
	case TLSAlert(err) != "":
		return &fault{alertFault(TLSAlert(err)), err}
	case IsHangup(err):
		return &fault{"the server closed the connection during the TLS handshake; it may not speak TLS on this port", err}
	}
	return &fault{"TLS handshake: " + strings.TrimPrefix(err.Error(), "tls: "), err}
}

// TLSAlert is the alert with which the server ended the TLS connection, in Go's words, or "".
func TLSAlert(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return strings.TrimPrefix(op.Err.Error(), "tls: ")
	}
	return ""
}

func alertFault(alert string) string {
	const another = "; name another with -tls-keystore"
	switch alert {
	case "certificate required":
		return "the server requires a client certificate; name one with -tls-keystore"
	case "unknown certificate authority":
		return "the server does not trust the authority that signed the client certificate" + another
	case "expired certificate":
		return "the server says that the client certificate has expired" + another
	case "revoked certificate":
		return "the server says that the client certificate is revoked" + another
	}
	return "the server ended the TLS handshake: " + alert + "; it may require a client certificate (-tls-keystore), or " +
		"have rejected the one presented, or require another version of TLS"
}

// stranger describes the beginning of an answer that does not look like ZooKeeper's. It waits
// only a moment for the rest of the first line.
func stranger(conn net.Conn, r *bufio.Reader) error {
	head, _ := r.Peek(4)
	length := int32(binary.BigEndian.Uint32(head))
	switch {
	case head[0] == 0x15 && head[1] == 3 || head[0] == 0x16 && head[1] == 3:
		return &ProtocolError{What: "the port speaks TLS; connect with TLS (-tls, or zookeeper.client.secure=true), or use the plain client port"}
	case !printable(head) && length < 0:
		return &ProtocolError{What: fmt.Sprintf("the port does not speak ZooKeeper's protocol: its first packet has an impossible length of %d", length)}
	case !printable(head):
		return &ProtocolError{What: fmt.Sprintf("the port does not speak ZooKeeper's protocol: it announced %d bytes instead of the answer to "+
			"the session handshake, which is about 40 bytes long", length)}
	}
	line := firstLine(conn, r)
	switch {
	case bytes.HasPrefix(head, []byte("HTTP")):
		return httpFault(line)
	case bytes.HasPrefix(head, []byte("SSH-")):
		return &ProtocolError{What: fmt.Sprintf("the port speaks SSH (%q), not ZooKeeper's protocol", line)}
	}
	return &ProtocolError{What: fmt.Sprintf("the port does not speak ZooKeeper's protocol: it answered the session handshake with the text %q", line)}
}

func httpFault(line string) error {
	return &ProtocolError{What: fmt.Sprintf("the port speaks HTTP (%q), not ZooKeeper's protocol; it may be an admin or metrics port", line)}
}

func printable(b []byte) bool {
	for _, c := range b {
		if (c < ' ' || c > '~') && c != '\r' && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

func firstLine(conn net.Conn, r *bufio.Reader) string {
	_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	b, _ := io.ReadAll(io.LimitReader(r, 100))
	if i := bytes.IndexAny(b, "\r\n"); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
