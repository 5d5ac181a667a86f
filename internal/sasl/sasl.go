// Package sasl says what a SASL mechanism is for a session, a server and a member of a quorum.
// Below it, digestmd5 and krb5 are the mechanisms, jaas reads the files in which Java's programs
// keep their identities, and login chooses an identity as ZooKeeper's client does.
package sasl

import (
	"context"
	"errors"
	"net/netip"
)

// The names of the mechanisms that ZooKeeper has.
const (
	DigestMD5 = "DIGEST-MD5"
	GSSAPI    = "GSSAPI"
)

// MaxToken is the longest token to accept, in bytes. Kerberos tickets that list many groups
// reach 64 KiB.
const MaxToken = 128 << 10

// Mechanism is an identity that a client can prove to servers. Its methods are safe for concurrent
// use.
type Mechanism interface {
	// Name is DigestMD5 or GSSAPI.
	Name() string
	// Identity is who the client is, as shown to a person.
	Identity() string
	// Start prepares to authenticate with the server of that name, as the user wrote it, and
	// address. It may ask a KDC. The error is a *Refusal if asking again is of no use.
	Start(ctx context.Context, host string, ip netip.Addr) (Exchange, error)
}

// Exchange is a client's part in an authentication. The mechanisms' packages also have the server's,
// whose Step is alike, but sends its answer even if it is done.
type Exchange interface {
	// Step takes the server's token, which is nil at the start, and returns the token to send. If
	// done is true, the exchange is complete and nothing more is sent.
	Step(token []byte) (answer []byte, done bool, err error)
	// Doubt says in a clause what may be wrong if the server refuses; it gives no reason.
	Doubt() string
}

// Refusal means that an identity is not accepted, and will not be if it is offered again.
type Refusal struct {
	What string // a sentence
	Err  error  // may be nil
}

func (e *Refusal) Error() string { return e.What }

// Unwrap returns the cause.
func (e *Refusal) Unwrap() error { return e.Err }

// Refused reports whether err says that offering the same identity again is of no use.
func Refused(err error) bool {
	var r *Refusal
	return errors.As(err, &r)
}

// Settings say how a client authenticates, as its options and ZooKeeper's system properties name
// it. The zero value is Java's default: with SASL if ~/.java.login.config has a section Client.
type Settings struct {
	Mode string // auto, digest-md5, gssapi or off; "" is auto

	// JAAS is a login configuration; Section is used, by default Client. Asked says that the user
	// named them with an option, so that a missing section is an error.
	JAAS, Section string
	Asked         bool

	// Options, which replace a login configuration. PasswordFile is of either mechanism.
	User, PasswordFile       string
	Principal, Keytab, Cache string

	// What the servers are called, for Kerberos.
	Service          string // "" is zookeeper
	NoCanonical      bool   // zookeeper.sasl.client.canonicalize.hostname=false
	Server, Realm    string // zookeeper.server.principal and .realm
	Krb5Conf         string
	Krb5Realm        string // java.security.krb5.realm and .kdc, which replace the file
	Krb5KDC          string
	SystemProperties map[string]string // for ${name} in a login configuration
}
