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

// Schemes of authentication.
const (
	schemeWorld  = "world"
	schemeAuth   = "auth" // in a new ACL: all that the client is
	schemeSuper  = "super"
	schemeDigest = "digest"
	schemeIP     = "ip"
	schemeX509   = "x509"
	schemeSASL   = "sasl"
)

// authSchemes says which schemes of authentication a server knows, and decides by them. By
// default ZooKeeper knows ip and digest (ProviderRegistry); an ACL with another is invalid.
type authSchemes struct {
	skipACL       bool
	noDigest      bool     // DigestAuthenticationProvider.enabled=false
	digestAlg     string   // DigestAuthenticationProvider.digestAlg, as Java names it; SHA1 when ""
	superDigests  []string // DigestAuthenticationProvider.superDigest
	ownDigests    []string // of the passwords of the ensemble's own super, which work whatever is set
	enforced      []string // enforce.auth.schemes, one of which a client must have proved; nil without enforce.auth.enabled
	x509          bool     // clients may connect with TLS, or authProvider.x509 is set
	x509SuperUser string   // X509AuthenticationProvider.superUser, a subject
	sasl          bool     // authProvider.… is SASLAuthenticationProvider
	anySASLUserDo string   // letAnySaslUserDoX, the id in an ACL that stands for every SASL user
	maxACL        int      // bytes that "auth" may come to in one list; no limit when 0

	ipv6 func() bool // whether ids of the scheme ip can be of IPv6; nil for no
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

// names lists the schemes as the log has them.
func (a *authSchemes) names() string {
	list := slices.DeleteFunc([]string{schemeDigest, schemeX509, schemeSASL, schemeIP}, func(s string) bool { return !a.known(s) })
	return strings.Join(list, " ")
}

// creator reports whether an id of the scheme identifies who made a znode
// (AuthenticationProvider.isAuthenticated).
func (a *authSchemes) creator(scheme string) bool { return a.known(scheme) && scheme != schemeIP }

// authenticate adds what an auth request proves to ids. addr is the client's address without
// a port, subject that of its certificate, which was verified, or "". ok is false when the
// client must be told AuthFailed and be cut off.
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
	return ids, false // SASL is negotiated otherwise
}

// ownSuper is who the ensemble itself is when it reconfigures.
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
		return "", fmt.Errorf("DigestAuthenticationProvider.digestAlg=%s is not supported (SHA1, MD5, and those of SHA-2 and SHA-3, such as SHA-256 and SHA3-512, are)", algorithm)
	}
	user, _, _ := strings.Cut(userPassword, ":")
	return user + ":" + base64.StdEncoding.EncodeToString(sum), nil
}

// addID adds an id to those of a connection. ZooKeeper keeps them in a ConcurrentHashMap,
// whose order a client sees in what it makes of an "auth" ACL, and in whoAmI.
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

// validKerberosName matches "service/host@realm", of which no part has a "/" or "@".
func validKerberosName(name string) bool {
	who, realm, ok := strings.Cut(name, "@")
	return ok && !strings.ContainsAny(realm, "/@") && strings.Count(who, "/") <= 1
}

// matches reports whether a client's id is one that the ACL's id stands for, both of the scheme.
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

// checkACL is ErrNoAuth unless the list lets one of the ids do it (ZooKeeperServer.checkACL).
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

// fixupACL is the list that a znode gets where a client asked for one: without duplicates,
// and with the client's ids in place of "auth" (PrepRequestProcessor.fixupACL). It is
// ErrInvalidACL for a list that is empty or has an entry that is not valid.
func (a *authSchemes) fixupACL(list []proto.ACL, ids []proto.ID) ([]proto.ACL, proto.Error) {
	fixed := make([]proto.ACL, 0, len(list))
	again := repeats(list)
	bytes := 0 // of what stands for auth
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

// repeats tells of each entry of a list whether it has been there before.
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

// user is the name behind an id, "" for a scheme without provider, such as super.
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
