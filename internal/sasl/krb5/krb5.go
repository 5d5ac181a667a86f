// Package krb5 is the SASL mechanism GSSAPI with Kerberos 5 (RFC 4752, RFC 4121), as ZooKeeper uses
// it: authentication only, without a security layer.
//
// conf.go reads krb5.conf, ccache.go credential caches, keytab.go keytabs. kdc.go talks to a KDC,
// tickets.go gets tickets from it, and faults.go explains what it refuses. gss.go is what both sides
// of an exchange share; initiate.go is the client's, accept.go the server's.
//
// Encryption and ASN.1 are gokrb5's. Its own client is not used: it ends no attempt early, trusts
// lengths that a KDC sends, and reports errors only as text.
package krb5

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/zkctl/zkctl/internal/escape"
)

// Principal is a name in a realm.
type Principal struct {
	Name  types.PrincipalName
	Realm string
}

// ParsePrincipal parses name@REALM or service/host@REALM. The realm may be absent. A backslash
// keeps the character after it from separating.
func ParsePrincipal(text string) (Principal, error) {
	p := Principal{Name: types.PrincipalName{NameType: nametype.KRB_NT_PRINCIPAL}}
	var part strings.Builder
	inRealm := false
	end := func() { p.Name.NameString = append(p.Name.NameString, part.String()); part.Reset() }
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			part.WriteByte(text[i])
		case c == '/' && !inRealm:
			end()
		case c == '@' && !inRealm:
			end()
			inRealm = true
		case c == '@' || c < ' ':
			return p, fmt.Errorf("principal %q is not valid; use name@REALM", text)
		default:
			part.WriteByte(c)
		}
	}
	if inRealm {
		p.Realm = part.String()
	} else {
		end()
	}
	if slices.Contains(p.Name.NameString, "") {
		return p, fmt.Errorf("principal %q is not valid; use name@REALM", text)
	}
	if inRealm && p.Realm == "" {
		return p, fmt.Errorf("principal %q is not valid: the realm after @ is missing", text)
	}
	return p, nil
}

// String returns the principal as a person writes it.
func (p Principal) String() string {
	text := escape.Line(p.Name.PrincipalNameString())
	if p.Realm != "" {
		text += "@" + escape.Line(p.Realm)
	}
	return text
}

// is reports whether both are the same; name types do not count.
func (p Principal) is(other Principal) bool {
	return p.Realm == other.Realm && slices.Equal(p.Name.NameString, other.Name.NameString)
}

// guard runs code of gokrb5 on bytes from outside, on some of which it panics.
func guard(run func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it is damaged (%v)", r)
		}
	}()
	return run()
}
