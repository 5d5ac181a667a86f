package digestmd5

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/escape"
)

// Client is the client's half of one exchange; see sasl.Exchange.
type Client struct {
	user, password string
	uri            string
	nonce          func() []byte
	step           int
	proof          proof
	anonymous      bool // no authzid, unlike Java's client of ZooKeeper
}

// NewClient returns a client that proves to know the user's password. The protocol and the server
// are constants of this package.
func NewClient(user, password, protocol, server string) *Client {
	return &Client{user: user, password: password, uri: protocol + "/" + server, nonce: nonce}
}

// ErrServer means that the server could not prove that it knows the password.
var ErrServer = errors.New("the server did not prove that it knows the password; it may be another server than it should be")

// Step implements sasl.Exchange. The first token is empty.
func (c *Client) Step(token []byte) (answer []byte, done bool, err error) {
	c.step++
	switch {
	case len(token) > maxChallenge:
		err = malformed("a challenge of %d bytes; the limit is %d", len(token), maxChallenge)
	case c.step == 1 && len(token) == 0:
		return []byte{}, false, nil
	case c.step == 2:
		answer, err = c.respond(token)
	case c.step == 3:
		err = c.check(token)
		done = err == nil
	default:
		err = malformed("a challenge that nothing asked for")
	}
	if err != nil {
		c.step = 3 // nothing can follow
	}
	return answer, done, err
}

// respond answers the server's challenge.
func (c *Client) respond(challenge []byte) ([]byte, error) {
	d, err := parse(challenge, "realm", "qop", "algorithm", "nonce", "charset")
	if err != nil {
		return nil, malformed("%v", err)
	}
	utf8 := d.has("charset")
	switch {
	case utf8 && string(d.get("charset")) != "utf-8":
		return nil, malformed("charset is %s, not utf-8", excerpt(d.get("charset")))
	case string(d.get("algorithm")) != "md5-sess":
		return nil, malformed("algorithm is %s, not md5-sess", excerpt(d.get("algorithm")))
	case !d.has("nonce"):
		return nil, malformed("a challenge without a nonce")
	case d.has("qop") && !offers(d.get("qop"), "auth"):
		return nil, fmt.Errorf("the server demands the protection %s, which ZooKeeper's clients do not have; only auth is", escape.Line(string(d.get("qop"))))
	}
	// Of several realms, Java's client of ZooKeeper takes the first.
	realm := d.get("realm")
	p := proof{
		user: hashed(c.user, utf8), realm: hashed(decode(realm, utf8), utf8), password: hashed(c.password, utf8),
		nonce: d.get("nonce"), cnonce: c.nonce(), uri: encode(c.uri, utf8),
	}
	if !c.anonymous {
		p.authzid = []byte(c.user)
	}
	c.proof = p
	var out []byte
	if utf8 {
		out = append(out, "charset=utf-8,"...)
	}
	out = quote(append(out, "username="...), encode(c.user, utf8))
	if len(realm) > 0 {
		out = quote(append(out, ",realm="...), realm)
	}
	out = quote(append(out, ",nonce="...), p.nonce)
	out = quote(append(out, ",nc=00000001,cnonce="...), p.cnonce)
	out = quote(append(out, ",digest-uri="...), p.uri)
	out = append(append(out, ",maxbuf=65536,response="...), p.value("AUTHENTICATE")...)
	out = append(out, ",qop=auth"...)
	if p.authzid != nil {
		out = quote(append(out, ",authzid="...), p.authzid)
	}
	if len(out) > maxResponse {
		return nil, fmt.Errorf("the user name is too long: a response of %d bytes, the limit is %d", len(out), maxResponse)
	}
	return out, nil
}

// check verifies that the server knows the password too.
func (c *Client) check(token []byte) error {
	d, err := parse(token, "rspauth")
	if err != nil {
		return malformed("%v", err)
	}
	if !d.has("rspauth") {
		return malformed("the server's last token has no rspauth")
	}
	if subtle.ConstantTimeCompare(d.get("rspauth"), c.proof.value("")) != 1 {
		return ErrServer
	}
	return nil
}

// offers reports whether a list, separated by commas, contains the word.
func offers(list []byte, word string) bool {
	for item := range bytes.SplitSeq(list, []byte(",")) {
		if string(bytes.TrimSpace(item)) == word {
			return true
		}
	}
	return false
}
