package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/fourletter"
)

// DefaultAdminPort is the port of an AdminServer unless admin.serverPort is set.
const DefaultAdminPort = 8080

// maxAdminAnswer limits how many bytes of an AdminServer's answer are read.
const maxAdminAnswer = 64 << 20

// Errors of the AdminServer door.
var (
	ErrNoAdmin   = errors.New("no AdminServer is asked")
	ErrForeign   = errors.New("the port answers, but not as an AdminServer")
	ErrIdentity  = errors.New("the command needs an identity with all permissions on /: --auth digest:USER:PASSWORD")
	ErrForbidden = errors.New("the identity does not have all permissions on /")
	ErrTooSoon   = errors.New("the command cannot run again so soon (admin.rateLimiterIntervalInMS)")
)

// Request is a command of the AdminServer.
type Request struct {
	Command string // "" for the page with their names
	Query   url.Values
	Body    io.Reader // for POST, otherwise nil
	Auth    bool      // send the first identity
}

// AdminReply is what an AdminServer answered.
type AdminReply struct {
	Body   []byte        // complete, unless Stream is set
	Stream io.ReadCloser // of an answer that is neither JSON nor text, for example a snapshot
	Header http.Header
	Clock  answer.Opt[int64] // ms that the server's clock is ahead of this machine's
}

// Admin runs a command of the member's AdminServer and parses its JSON.
func (p *Prober) Admin(ctx context.Context, m *Member, command string) (answer.Object, error) {
	o, _, err := p.AdminAndClock(ctx, m, command)
	return o, err
}

// AdminAndClock is Admin, and how many ms the server's clock is ahead of this machine's: its Date shows that to within a
// second plus the duration of the request.
func (p *Prober) AdminAndClock(ctx context.Context, m *Member, command string) (answer.Object, answer.Opt[int64], error) {
	r, err := p.RawAdmin(ctx, m, Request{Command: command})
	if err != nil {
		return answer.Object{}, answer.Opt[int64]{}, err
	}
	if r.Stream != nil {
		_ = r.Stream.Close()
		return answer.Object{}, answer.Opt[int64]{}, ErrForeign
	}
	o, err := answer.ParseAdmin(r.Body)
	var failed *answer.AdminError
	switch {
	case errors.As(err, &failed) && failed.Text == fourletter.NotServing:
		return o, r.Clock, ErrNotServing
	case errors.Is(err, answer.ErrNotUnderstood):
		return o, answer.Opt[int64]{}, ErrForeign
	}
	return o, r.Clock, err
}

// clockOf compares a Date, in whole seconds, with the middle of the time that the request took.
func clockOf(header http.Header, sent, received time.Time) (ahead answer.Opt[int64]) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return ahead
	}
	return answer.Some(date.Add(time.Second / 2).Sub(sent.Add(received.Sub(sent) / 2)).Milliseconds())
}

// RawAdmin sends a request to the member's AdminServer. If the port does not speak HTTP, it tries
// HTTPS.
func (p *Prober) RawAdmin(ctx context.Context, m *Member, r Request) (*AdminReply, error) {
	switch {
	case m.AdminPort == 0:
		return nil, ErrNoAdmin
	case len(m.Addresses) == 0:
		return nil, errNoAddress
	}
	if c := answer.CommandOf(r.Command); r.Command != "" && (c == nil || c.Changes) || r.Body != nil {
		if err := p.Guard(m).Allow(ctx, "run "+strconv.Quote(r.Command)+" at the AdminServer of "+m.Name(), true); err != nil {
			return nil, err
		}
	}
	var failure error
	for _, a := range m.Addresses {
		host := net.JoinHostPort(a.Host, strconv.Itoa(m.AdminPort))
		reply, err := p.request(ctx, "http", host, r)
		if wantsTLS(err) && r.Body == nil {
			if secure, tlsErr := p.request(ctx, "https", host, r); !notTLS(tlsErr) {
				reply, err = secure, tlsErr
			}
		}
		if err == nil {
			return reply, nil
		}
		failure = errors.Join(failure, spoken(err))
	}
	return nil, failure
}

// spoken rewords net/http's errors about a port that speaks another protocol or hangs up.
func spoken(err error) error {
	switch text := err.Error(); {
	case strings.Contains(text, "malformed HTTP"), strings.Contains(text, "response headers exceeded"):
		return fmt.Errorf("%w: it does not speak HTTP", ErrForeign)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errCut
	case errors.Is(err, io.EOF), strings.Contains(text, "server closed idle connection"):
		return ErrEmpty
	}
	return broken(err)
}

// errCut is the error for an answer that ends too soon.
var errCut = errors.New("the connection was closed in the middle of the answer")

// errPlain is the error for a port that only speaks HTTPS.
var errPlain = errors.New("the port speaks TLS")

func wantsTLS(err error) bool {
	// A TLS server answers plain text with an alert, which is not HTTP, or closes the connection.
	return errors.Is(err, errPlain) || err != nil && (strings.Contains(err.Error(), "malformed HTTP response \"\\x15\\x03") ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF))
}

// notTLS reports whether a port that was tried with TLS does not speak it, so that the error without TLS is the
// reason.
func notTLS(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record) || errors.Is(err, io.EOF) || err != nil && strings.Contains(err.Error(), "HTTP response to HTTPS client")
}

func (p *Prober) request(ctx context.Context, scheme, host string, r Request) (*AdminReply, error) {
	u := url.URL{Scheme: scheme, Host: host, Path: "/commands", RawQuery: r.Query.Encode()}
	if r.Command != "" {
		u.Path += "/" + r.Command
	}
	method := http.MethodGet
	if r.Body != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), r.Body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, */*")
	if r.Auth && len(p.Client.Auth) > 0 {
		id := p.Client.Auth[0]
		req.Header.Set("Authorization", strings.TrimSpace(id.Scheme+" "+string(id.Data)))
	}
	transport := &http.Transport{
		DialContext: p.Client.Dial, DisableKeepAlives: true, DisableCompression: true,
		TLSClientConfig: p.adminTLS(), MaxResponseHeaderBytes: 64 << 10,
	}
	c := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	sent := time.Now()
	res, err := c.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address, which the caller knows
		}
		return nil, err
	}
	clock := clockOf(res.Header, sent, time.Now())
	kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	if res.StatusCode == http.StatusOK && kind == "application/octet-stream" {
		return &AdminReply{Stream: res.Body, Header: res.Header, Clock: clock}, nil
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAdminAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxAdminAnswer:
		return nil, fmt.Errorf("the answer is longer than %d MiB", maxAdminAnswer>>20)
	}
	return &AdminReply{Body: body, Header: res.Header, Clock: clock}, statusFault(res, body)
}

// statusFault returns an error for a status other than 200.
func statusFault(res *http.Response, body []byte) error {
	_, err := answer.ParseAdmin(body)
	ours := err == nil || !errors.Is(err, answer.ErrNotUnderstood)
	switch code := res.StatusCode; {
	case code == http.StatusOK:
		return nil
	case code >= 300 && code < 400:
		return fmt.Errorf("%w: it redirects to %q", ErrForeign, res.Header.Get("Location"))
	case code == http.StatusBadRequest && bytes.Contains(bytes.ToLower(body), []byte("https")):
		return errPlain
	case code == http.StatusUnauthorized && ours:
		return ErrIdentity
	case code == http.StatusForbidden && ours:
		return ErrForbidden
	case code == http.StatusTooManyRequests && ours:
		return ErrTooSoon
	case ours && err != nil:
		return err
	case code == http.StatusNotFound:
		return fmt.Errorf("%w: it has no /commands (404)", ErrForeign)
	}
	return fmt.Errorf("%w: status %s", ErrForeign, res.Status)
}

// adminTLS returns the TLS settings of sessions; without any, the system's authorities are trusted.
func (p *Prober) adminTLS() *tls.Config {
	if p.Client.TLS == nil {
		return nil
	}
	return p.Client.TLS.Clone()
}
