package replica

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// Authentication schemes.
const (
	schemeWorld  = "world"
	schemeAuth   = "auth" // in a new ACL: all that the client is
	schemeSuper  = "super"
	schemeDigest = "digest"
	schemeIP     = "ip"
	schemeX509   = "x509"
	schemeSASL   = "sasl"
)

// authSchemes are the authentication schemes that a server supports, with their settings. By
// default ZooKeeper supports ip and digest (ProviderRegistry); an ACL with any other scheme is
// invalid.
type authSchemes struct {
	skipACL       bool
	noDigest      bool     // DigestAuthenticationProvider.enabled=false
	digestAlg     string   // DigestAuthenticationProvider.digestAlg, as Java names it; SHA1 when ""
	superDigests  []string // DigestAuthenticationProvider.superDigest
	ownDigests    []string // of the passwords of the ensemble's own super user; always accepted
	enforced      []string // enforce.auth.schemes: a client must authenticate with one of them; nil without enforce.auth.enabled
	x509          bool     // clients may connect with TLS, or authProvider.x509 is set
	x509SuperUser string   // X509AuthenticationProvider.superUser, a subject
	sasl          bool     // authProvider.… is SASLAuthenticationProvider
	anySASLUserDo string   // letAnySaslUserDoX, the id in an ACL that stands for every SASL user
	maxACL        int      // most bytes that "auth" may expand to in one list; 0 for no limit

	ipv6 func() bool // whether ids of the scheme ip can be IPv6 addresses; nil means no
}

// known reports whether there is a provider for the scheme.
func (a *authSchemes) known(scheme string) bool {
	switch scheme {
	case schemeIP:
		return true
	case schemeDigest:
		return !a.noDigest
	case schemeX509:
		return a.x509
	case schemeSASL:
		return a.sasl
	}
	return false
}

// names lists the schemes as the log prints them.
func (a *authSchemes) names() string {
	list := slices.DeleteFunc([]string{schemeDigest, schemeX509, schemeSASL, schemeIP}, func(s string) bool { return !a.known(s) })
	return strings.Join(list, " ")
}

// creator reports whether an id of the scheme identifies the creator of a znode
// (AuthenticationProvider.isAuthenticated).
func (a *authSchemes) creator(scheme string) bool { return a.known(scheme) && scheme != schemeIP }

// authenticate adds the identity that an auth request proves to ids. addr is the client's address
// without a port; subject is that of its verified certificate, or "". If ok is false, the client
// must get AuthFailed and be disconnected.
func (a *authSchemes) authenticate(ids []proto.ID, scheme string, data []byte, addr, subject string) (_ []proto.ID, ok bool) {
	if scheme == schemeDigest && a.isOwn(data) {
		return addID(ids, ownSuper), true
	}
	if !a.known(scheme) {
		return ids, false
	}
	switch scheme {
	case schemeIP:
		return addID(ids, proto.ID{Scheme: schemeIP, ID: addr}), true
	case schemeDigest:
		if data == nil {
			return ids, false
		}
		digest, err := a.digest(string([]rune(string(data))))
		if err != nil {
			return ids, false
		}
		if slices.Contains(a.superDigests, digest) {
			ids = addID(ids, proto.ID{Scheme: schemeSuper})
		}
		return addID(ids, proto.ID{Scheme: schemeDigest, ID: digest}), true
	case schemeX509:
		if subject == "" {
			return ids, false
		}
		if subject == a.x509SuperUser {
			ids = addID(ids, proto.ID{Scheme: schemeSuper, ID: subject})
		}
		return addID(ids, proto.ID{Scheme: schemeX509, ID: subject}), true
	}
	return ids, false // SASL has its own requests
}

// ownSuper is the identity that the ensemble itself uses to reconfigure.
var ownSuper = proto.ID{Scheme: schemeSuper, ID: "ensemble"}

func (a *authSchemes) isOwn(data []byte) bool {
	if len(a.ownDigests) == 0 {
		return false
	}
	digest, err := Digest("", string(data))
	return err == nil && slices.Contains(a.ownDigests, digest)
}

// admits reports whether a client with these ids may do more than authenticate
// (AuthenticationHelper).
func (a *authSchemes) admits(ids []proto.ID) bool {
	return a.enforced == nil || slices.ContainsFunc(ids, func(id proto.ID) bool {
		return slices.Contains(a.enforced, id.Scheme) || id == ownSuper
	})
}

func schemesOf(ids []proto.ID) (list []string) {
	for _, id := range ids {
		list = append(list, id.Scheme)
	}
	return list
}

// digest is the id of user:password.
func (a *authSchemes) digest(userPassword string) (string, error) {
	return Digest(a.digestAlg, userPassword)
}

// Digest is the id of user:password in ACLs of the scheme digest
// (DigestAuthenticationProvider.generateDigest). algorithm is digestAlg, as Java names it; SHA1
// when "".
func Digest(algorithm, userPassword string) (string, error) {
	var sum []byte
	in := []byte(userPassword)
	switch strings.ToUpper(algorithm) {
	case "", "SHA1", "SHA-1", "SHA":
		s := sha1.Sum(in)
		sum = s[:]
	case "SHA-224":
		s := sha256.Sum224(in)
		sum = s[:]
	case "SHA-256":
		s := sha256.Sum256(in)
		sum = s[:]
	case "SHA-384":
		s := sha512.Sum384(in)
		sum = s[:]
	case "SHA-512":
		s := sha512.Sum512(in)
		sum = s[:]
	case "SHA-512/224":
		s := sha512.Sum512_224(in)
		sum = s[:]
	case "SHA-512/256":
		s := sha512.Sum512_256(in)
		sum = s[:]
	case "SHA3-224":
		s := sha3.Sum224(in)
		sum = s[:]
	case "SHA3-256":
		s := sha3.Sum256(in)
		sum = s[:]
	case "SHA3-384":
		s := sha3.Sum384(in)
		sum = s[:]
	case "SHA3-512":
		s := sha3.Sum512(in)
		sum = s[:]
	case "MD5":
		s := md5.Sum(in)
		sum = s[:]
	default:
		return "", fmt.Errorf("DigestAuthenticationProvider.digestAlg=%s is not supported; use SHA1, MD5, SHA-2 or SHA-3, such as SHA-256 or SHA3-512", algorithm)
	}
	user, _, _ := strings.Cut(userPassword, ":")
	return user + ":" + base64.StdEncoding.EncodeToString(sum), nil
}

// addID adds an id to those of a connection. ZooKeeper keeps them in a ConcurrentHashMap, whose
// order clients see in expanded "auth" ACLs and in whoAmI.
func addID(ids []proto.ID, id proto.ID) []proto.ID {
	if slices.Contains(ids, id) {
		return ids
	}
	ids = append(slices.Clip(ids), id)
	size := uint32(16)
	for len(ids) >= int(size-size>>2) {
		size *= 2
	}
	bucket := func(id proto.ID) int {
		h := 37*(37*17+javaHash(id.Scheme)) + javaHash(id.ID)
		return int((h ^ h>>16) & (size - 1))
	}
	slices.SortStableFunc(ids, func(a, b proto.ID) int { return bucket(a) - bucket(b) })
	return ids
}

// javaHash is String.hashCode.
func javaHash(s string) uint32 {
	h := uint32(0)
	for _, unit := range utf16.Encode([]rune(s)) {
		h = 31*h + uint32(unit)
	}
	return h
}

// valid reports whether an ACL may name the id.
func (a *authSchemes) valid(id proto.ID) bool {
	if !a.known(id.Scheme) {
		return false
	}
	switch id.Scheme {
	case schemeDigest: // String.split leaves empty parts at the end out
		return strings.Count(strings.TrimRight(id.ID, ":"), ":") == 1
	case schemeIP:
		_, ok := a.ipNet(id.ID)
		return ok
	case schemeX509:
		return validX500Name(id.ID)
	case schemeSASL: // KerberosName
		return !strings.Contains(id.ID, "@") || validKerberosName(id.ID)
	}
	return false
}

// validKerberosName matches "service/host@realm"; no part contains "/" or "@".
func validKerberosName(name string) bool {
	who, realm, ok := strings.Cut(name, "@")
	return ok && !strings.ContainsAny(realm, "/@") && strings.Count(who, "/") <= 1
}

// matches reports whether an ACL's id covers a client's id, both of the scheme.
func (a *authSchemes) matches(scheme, id, expr string) bool {
	if !a.known(scheme) {
		return false
	}
	switch scheme {
	case schemeIP:
		return a.ipMatches(id, expr)
	case schemeX509:
		return id == expr || a.x509SuperUser != "" && id == a.x509SuperUser
	case schemeSASL:
		return id == expr || id == schemeSuper || a.anySASLUserDo != "" && expr == a.anySASLUserDo
	}
	return id == expr
}

// checkACL returns ErrNoAuth unless the list grants perm to one of the ids
// (ZooKeeperServer.checkACL).
func (a *authSchemes) checkACL(list *ztree.ACL, perm proto.Perms, ids []proto.ID) proto.Error {
	if a.skipACL || list == nil || len(list.List) == 0 {
		return proto.OK
	}
	if slices.ContainsFunc(ids, func(id proto.ID) bool { return id.Scheme == schemeSuper }) {
		return proto.OK
	}
	if len(list.List) > shortACL {
		g := a.grantsOf(list)
		if g.ids[proto.WorldAnyone]&perm != 0 || slices.ContainsFunc(ids, func(id proto.ID) bool { return g.to(a, id)&perm != 0 }) {
			return proto.OK
		}
		return proto.ErrNoAuth
	}
	for i := range list.List {
		entry := &list.List[i]
		if entry.Perms&perm == 0 {
			continue
		}
		if entry.ID == proto.WorldAnyone {
			return proto.OK
		}
		for _, id := range ids {
			if id.Scheme == entry.ID.Scheme && a.matches(id.Scheme, id.ID, entry.ID.ID) {
				return proto.OK
			}
		}
	}
	return proto.ErrNoAuth
}

// fixupACL returns the list that a znode gets if a client asks for this one: without duplicates,
// and with the client's ids in place of "auth" (PrepRequestProcessor.fixupACL). It returns
// ErrInvalidACL for an empty list or an invalid entry.
func (a *authSchemes) fixupACL(list []proto.ACL, ids []proto.ID) ([]proto.ACL, proto.Error) {
	fixed := make([]proto.ACL, 0, len(list))
	again := repeats(list)
	bytes := 0 // of the ids that replace auth
	for i, entry := range list {
		if again(i) {
			continue
		}
		switch {
		case entry.ID == proto.WorldAnyone:
			fixed = append(fixed, entry)
		case entry.ID.Scheme == schemeAuth:
			before := len(fixed)
			for _, id := range ids {
				if a.creator(id.Scheme) {
					fixed = append(fixed, proto.ACL{Perms: entry.Perms, ID: id})
					bytes += 4 + 4 + len(id.Scheme) + 4 + len(id.ID)
				}
			}
			if a.maxACL > 0 && bytes > a.maxACL {
				return nil, proto.ErrInvalidACL
			}
			if len(fixed) == before {
				return nil, proto.ErrInvalidACL
			}
		case a.valid(entry.ID):
			fixed = append(fixed, entry)
		default:
			return nil, proto.ErrInvalidACL
		}
	}
	if len(fixed) == 0 {
		return nil, proto.ErrInvalidACL
	}
	return fixed, proto.OK
}

// repeats reports, for each entry of a list, whether it repeats an earlier one.
func repeats(list []proto.ACL) func(i int) bool {
	if len(list) <= shortACL {
		return func(i int) bool { return slices.Contains(list[:i], list[i]) }
	}
	seen := make(map[proto.ACL]struct{}, len(list))
	return func(i int) bool {
		before := len(seen)
		seen[list[i]] = struct{}{}
		return len(seen) == before
	}
}

// clientInfos is the answer to whoAmI (AuthUtil.getClientInfos).
func (a *authSchemes) clientInfos(ids []proto.ID) []proto.ClientInfo {
	infos := make([]proto.ClientInfo, len(ids))
	for i, id := range ids {
		infos[i] = proto.ClientInfo{AuthScheme: id.Scheme, User: a.user(id)}
	}
	return infos
}

// user returns the name in an id, or "" for a scheme without a provider, such as super.
func (a *authSchemes) user(id proto.ID) string {
	switch {
	case !a.known(id.Scheme):
		return ""
	case id.Scheme == schemeDigest:
		user, _, _ := strings.Cut(id.ID, ":")
		return user
	}
	return id.ID
}
