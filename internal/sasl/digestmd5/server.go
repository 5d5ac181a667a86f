package digestmd5

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"strings"
)

// Server is the server's half of one exchange; see sasl.Exchange.
type Server struct {
	realm    string
	uri      string
	password func(user string) (string, bool)
	nonce    []byte
	step     int
	user     string
	authzid  string
}

// NewServer returns a server that accepts the users whose passwords it can find. The protocol and
// the name are constants of this package.
func NewServer(protocol, name string, password func(user string) (string, bool)) *Server {
	return &Server{realm: name, uri: protocol + "/" + name, password: password, nonce: nonce()}
}

// The reasons to refuse a well-formed response.
var (
	ErrUser     = errors.New("the user is unknown")
	ErrPassword = errors.New("the password is wrong")
)

// Step implements sasl.Exchange: it takes a token that does not matter, then the client's response. After an
// error, or after the exchange is complete, each further token is an error.
func (s *Server) Step(token []byte) (answer []byte, done bool, err error) {
	s.step++
	switch {
	case len(token) > maxResponse:
		s.step = 2
		return nil, false, malformed("a response of %d bytes; the limit is %d", len(token), maxResponse)
	case s.step == 1: // whatever the token is, as in Java
		return s.challenge(), false, nil
	case s.step == 2:
		answer, err = s.accept(token)
		return answer, err == nil, err
	}
	s.step = 2
	return nil, false, malformed("a token after the end of the exchange")
}

// User returns who has authenticated, once the exchange is complete.
func (s *Server) User() string { return s.user }

// AuthorizationID returns whom the client wants to act as, once the exchange is complete: its user,
// unless it asked for another.
func (s *Server) AuthorizationID() string { return s.authzid }

func (s *Server) challenge() []byte {
	out := quote([]byte("realm="), []byte(s.realm))
	out = quote(append(out, ",nonce="...), s.nonce)
	return append(out, ",charset=utf-8,algorithm=md5-sess"...)
}

// accept checks the client's response, and returns the proof that the server knows the password
// too. Java's server does not look at nc, nor, but for the digest, at charset.
func (s *Server) accept(response []byte) ([]byte, error) {
	d, err := parse(response, "username", "realm", "nonce", "cnonce", "qop", "digest-uri", "response", "maxbuf", "charset", "cipher", "authzid")
	if err != nil {
		return nil, malformed("%v", err)
	}
	user := string(d.get("username"))
	switch {
	case d.has("charset") && string(d.get("charset")) != "utf-8":
		return nil, malformed("charset is %s, not utf-8", excerpt(d.get("charset")))
	case !d.has("username"):
		return nil, malformed("no username")
	case len(d["realm"]) > 1:
		return nil, malformed("realm is given twice")
	case string(d.get("realm")) != s.realm:
		return nil, malformed("realm is %s, not %q", excerpt(d.get("realm")), s.realm)
	case !bytes.Equal(d.get("nonce"), s.nonce):
		return nil, malformed("the nonce is not that of the challenge")
	case !d.has("cnonce"):
		return nil, malformed("no cnonce")
	case d.has("qop") && string(d.get("qop")) != "auth":
		return nil, malformed("qop is %s, not auth", excerpt(d.get("qop")))
	case !strings.EqualFold(string(d.get("digest-uri")), s.uri):
		return nil, malformed("digest-uri is %s, not %q", excerpt(d.get("digest-uri")), s.uri)
	case !d.has("response"):
		return nil, malformed("no response")
	}
	password, known := s.password(user)
	p := proof{
		user: hashed(user, true), realm: hashed(s.realm, true), password: hashed(password, true),
		nonce: s.nonce, cnonce: d.get("cnonce"), uri: d.get("digest-uri"), authzid: d.get("authzid"),
	}
	right := subtle.ConstantTimeCompare(d.get("response"), p.value("AUTHENTICATE")) == 1
	switch {
	case !known:
		return nil, ErrUser
	case !right:
		return nil, ErrPassword
	}
	s.user, s.authzid = user, user
	if d.has("authzid") {
		s.authzid = string(d.get("authzid"))
	}
	return append([]byte("rspauth="), p.value("")...), nil
}
