// Package digestmd5 is both halves of the SASL mechanism DIGEST-MD5 (RFC 2831) as Java's
// com.sun.security.sasl.digest speaks it with ZooKeeper: authentication only, without integrity or
// confidentiality of what follows. directives.go reads challenges and responses, client.go and
// server.go are the halves.
package digestmd5

import (
	"crypto/md5" //nolint:gosec // the mechanism's own digest
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// The services of ZooKeeper and the names that its servers have there, which are also the realm.
const (
	Protocol       = "zookeeper"
	ServerName     = "zk-sasl-md5"
	QuorumProtocol = "zookeeper-quorum"
	QuorumServer   = "zk-quorum-sasl-md5"
)

// The longest tokens of each side in bytes, as in Java.
const (
	maxChallenge = 2048
	maxResponse  = 4096
)

// MalformedError means that the peer's token violates the mechanism's rules.
type MalformedError struct {
	What string // a clause
}

func (e *MalformedError) Error() string { return "the DIGEST-MD5 token is malformed: " + e.What }

func malformed(format string, args ...any) error {
	return &MalformedError{fmt.Sprintf(format, args...)}
}

// nonce returns 30 random bytes in base64.
func nonce() []byte {
	raw := make([]byte, 30)
	_, _ = rand.Read(raw) // never fails
	return []byte(base64.StdEncoding.EncodeToString(raw))
}

// proof is what a response is computed from. All fields are encoded as on the wire.
type proof struct {
	user, realm, password []byte // as hashed; see hashed
	nonce, cnonce         []byte
	uri                   []byte
	authzid               []byte // nil if absent
}

// value returns the response in hexadecimal: the client's for the method AUTHENTICATE, the
// server's for the empty one.
func (p *proof) value(method string) []byte {
	secret := md5.Sum(join(p.user, p.realm, p.password))
	a1 := join(secret[:], p.nonce, p.cnonce)
	if p.authzid != nil {
		a1 = join(a1, p.authzid)
	}
	a2 := join([]byte(method), p.uri)
	return digest(join(digest(a1), p.nonce, []byte("00000001"), p.cnonce, []byte("auth"), digest(a2)))
}

func digest(text []byte) []byte {
	sum := md5.Sum(text)
	return hex.AppendEncode(nil, sum[:])
}

func join(parts ...[]byte) (all []byte) {
	for i, part := range parts {
		if i > 0 {
			all = append(all, ':')
		}
		all = append(all, part...)
	}
	return all
}

// encode returns text in UTF-8 or, if the peer does not know that, in ISO 8859-1 with a question
// mark for each character that is not in it.
func encode(text string, utf8 bool) []byte {
	if utf8 {
		return []byte(text)
	}
	var b []byte
	for _, r := range text {
		if r > 0xff {
			r = '?'
		}
		b = append(b, byte(r))
	}
	return b
}

// decode is the reverse of encode.
func decode(b []byte, utf8 bool) string {
	if utf8 {
		return string(b)
	}
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

// hashed returns user, realm or password as they enter the digest: in ISO 8859-1 if they consist
// of its characters, even if the rest of the exchange is in UTF-8 (RFC 2831, section 2.1.2.1).
func hashed(text string, utf8 bool) []byte {
	for _, r := range text {
		if r > 0xff {
			return encode(text, utf8)
		}
	}
	return encode(text, false)
}
