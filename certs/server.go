package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/tlsstore"
)

// Whether a server asks for a client's certificate.
const (
	authNone     = "none"
	authAsked    = "asked for"
	authRequired = "required"
)

// refusal is how long a server may take to refuse a client, which with TLS 1.3 comes after the handshake.
const refusal = 500 * time.Millisecond

func (opt *checkOptions) checkServer(ctx context.Context, target string, cfg *client.Config) *finding {
	f := &finding{Target: target, Kind: "server"}
	host, _, _ := net.SplitHostPort(target)
	ctx, cancel := context.WithTimeout(ctx, opt.timeout)
	defer cancel()
	dial := cfg.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, "tcp", target)
	if err != nil {
		f.fault("cannot connect: %s", dialFault(ctx, err, opt.timeout))
		return f
	}
	defer conn.Close()
	c := tlsstore.Lenient(host, cfg.TLS)
	asked, present := false, c.GetClientCertificate
	c.GetClientCertificate = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		asked = true
		if present != nil {
			return present(request)
		}
		return &tls.Certificate{}, nil
	}
	var shown tls.ConnectionState // even if the server refuses the client afterwards
	c.VerifyConnection = func(state tls.ConnectionState) error {
		shown = state
		return nil
	}
	secure := tls.Client(conn, c)
	err = secure.HandshakeContext(ctx)
	if shown.PeerCertificates == nil {
		f.fault("%s", handshakeFault(ctx, err, opt.timeout))
		return f
	}
	f.Protocol, f.Cipher = tls.VersionName(shown.Version), tls.CipherSuiteName(shown.CipherSuite)
	f.ClientAuth = authNone
	if asked {
		f.ClientAuth = authAsked
		if err == nil {
			_ = secure.SetReadDeadline(time.Now().Add(refusal))
			_, err = secure.Read(make([]byte, 1))
		}
		if alert := client.TLSAlert(err); alert != "" {
			f.ClientAuth = authRequired
			if present != nil {
				f.fault("the server refuses the client's certificate: %s", alert)
			}
			err = nil
		}
	}
	if err != nil && f.ClientAuth == authNone {
		f.note("the server ended the handshake: %s", trimTLS(err))
	}
	opt.judge(f, shown.PeerCertificates, true)
	f.trust(shown.PeerCertificates, host, cfg.TLS)
	if shown.Version < tls.VersionTLS12 {
		f.note("%s is out of date; enable TLSv1.2 or TLSv1.3 (ssl.enabledProtocols)", f.Protocol)
	}
	return f
}

// trust judges what a client would.
func (f *finding) trust(certs []*x509.Certificate, host string, own *tls.Config) {
	var roots *x509.CertPool
	if own != nil {
		roots = own.RootCAs
	}
	_, err := tlsstore.VerifyChain(certs, roots, x509.ExtKeyUsageServerAuth)
	var expired x509.CertificateInvalidError
	yes := err == nil
	switch {
	case yes:
		f.Trusted = &yes
	case roots == nil:
		f.note("whether it can be trusted is not known: the system's authorities do not vouch for it; name yours with -tls-truststore")
	case errors.As(err, &expired) && expired.Reason == x509.Expired: // judge has said so
	default:
		f.Trusted = &yes
		f.fault("the authorities in the trust store do not vouch for it: %s", trimTLS(cause(err)))
	}
	err = tlsstore.VerifyHost(certs[0], host)
	matches := err == nil
	f.HostMatches = &matches
	if err != nil && (own == nil || !own.InsecureSkipVerify) {
		f.fault("%s", trimTLS(cause(err)))
	}
}

// cause is the reason why a certificate was rejected.
func cause(err error) error {
	var verify *tls.CertificateVerificationError
	if errors.As(err, &verify) {
		return verify.Err
	}
	return err
}

func timedOut(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

func dialFault(ctx context.Context, err error, timeout time.Duration) string {
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case timedOut(ctx, err):
		return fmt.Sprintf("no answer within %v", timeout)
	case errors.As(err, &dns) && dns.IsNotFound:
		return "unknown host"
	case errors.As(err, &op):
		var call *os.SyscallError
		if errors.As(op.Err, &call) {
			return call.Err.Error()
		}
		return op.Err.Error()
	}
	return err.Error()
}

func handshakeFault(ctx context.Context, err error, timeout time.Duration) string {
	var record tls.RecordHeaderError
	alert := client.TLSAlert(err)
	switch {
	case err == nil:
		return "the server presented no certificate"
	case timedOut(ctx, err):
		return fmt.Sprintf("the port is open, but did not answer the TLS handshake within %v; it may not speak TLS", timeout)
	case errors.As(err, &record):
		return "the port does not speak TLS"
	case alert != "":
		return "the server ended the TLS handshake: " + alert
	case client.IsHangup(err):
		return "the server closed the connection during the TLS handshake; the port may not speak TLS"
	}
	return "TLS handshake: " + trimTLS(err)
}

func describeKey(c *x509.Certificate) string {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return c.PublicKeyAlgorithm.String()
}

// weak reports what browsers and Java's jdk.certpath.disabledAlgorithms refuse.
func weak(c *x509.Certificate) bool {
	if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
		return true
	}
	self := c.CheckSignatureFrom(c) == nil // nobody looks at the signature of an authority's own certificate
	switch c.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return !self
	}
	return false
}
