package command

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// Permission is a letter in an ACL entry.
type Permission struct {
	Letter byte
	Perm   proto.Perms
	Help   string
}

// Permissions are the letters allowed in an ACL entry, in the order that getAcl prints.
var Permissions = []Permission{
	{'c', proto.PermCreate, "create children"},
	{'d', proto.PermDelete, "delete children"},
	{'r', proto.PermRead, "read the data and list the children"},
	{'w', proto.PermWrite, "set the data"},
	{'a', proto.PermAdmin, "set the ACL"},
}

// Scheme is a kind of identity. A server may have more, through authentication plugins.
type Scheme struct {
	Name    string
	Example string // an ACL entry with it
	Help    string
	Auth    bool // addauth accepts it
}

// Schemes are those that come with ZooKeeper.
var Schemes = []Scheme{
	{"world", "world:anyone:cdrwa", "everyone; the only id is anyone", false},
	{"auth", "auth::cdrwa", "the identities of this session", false},
	{"digest", "digest:user:base64(sha1(user:password)):cdrwa", "a user with a password", true},
	{"ip", "ip:10.0.0.0/8:r", "an address or a range of addresses", false},
	{"sasl", "sasl:user:cdrwa", "a user known through SASL", false},
	{"x509", "x509:CN=app\\,O=org:cdrwa", "the subject of a TLS certificate", false},
}

// aclForm ends every error about an ACL.
const aclForm = "write scheme:id:perm, separated by commas, with the permissions c (create), d (delete), r (read), w (write), a (admin), " +
	"such as world:anyone:cdrwa or ip:10.0.0.0/8:r; write a comma in an id as \\,"

// ParseACL parses scheme:id:perm[,…]. The first colon ends the scheme and the last one starts the
// permissions, so an id may contain colons; \, and \\ stand for a comma and a backslash.
//
// Differs(acls-checked): zkCli's AclParser skips entries and letters that it cannot parse, and so
// sets a different ACL than the one given.
func ParseACL(text string) ([]proto.ACL, error) {
	var acls []proto.ACL
	entries := splitACL(text)
	for i, entry := range entries {
		acl, err := parseACLEntry(entry)
		if err != nil {
			where := ""
			if len(entries) > 1 {
				where = fmt.Sprintf(" (entry %d of %d)", i+1, len(entries))
			}
			var digest *digestError
			if errors.As(err, &digest) {
				return nil, fmt.Errorf("%w%s", err, where)
			}
			return nil, fmt.Errorf("%w%s; %s", err, where, aclForm)
		}
		acls = append(acls, acl)
	}
	return acls, nil
}

// splitACL splits at commas not preceded by a backslash.
func splitACL(text string) []string {
	var entries []string
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && (text[i+1] == ',' || text[i+1] == '\\'):
			i++
			b.WriteByte(text[i])
		case text[i] == ',':
			entries = append(entries, b.String())
			b.Reset()
		default:
			b.WriteByte(text[i])
		}
	}
	return append(entries, b.String())
}

func parseACLEntry(entry string) (proto.ACL, error) {
	first, last := strings.IndexByte(entry, ':'), strings.LastIndexByte(entry, ':')
	switch {
	case entry == "":
		return proto.ACL{}, errors.New("empty ACL entry")
	case first == last: // one colon or none
		err := fmt.Errorf("%s does not have the form scheme:id:perm", entry)
		if strings.HasPrefix(entry, "auth:") {
			err = fmt.Errorf("%w (auth takes no id: auth::%s)", err, entry[len("auth:"):])
		}
		return proto.ACL{}, err
	case first == 0:
		return proto.ACL{}, fmt.Errorf("%s names no scheme", entry)
	}
	acl := proto.ACL{ID: proto.ID{Scheme: entry[:first], ID: entry[first+1 : last]}}
	var unknown rune
	if acl.Perms, unknown = ParsePerms(entry[last+1:]); unknown != 0 {
		return proto.ACL{}, fmt.Errorf("Unknown perm type: %c in %s", unknown, entry)
	}
	if acl.Perms == 0 {
		return proto.ACL{}, fmt.Errorf("%s grants no permissions", entry)
	}
	if user, hash, _ := strings.Cut(acl.ID.ID, ":"); acl.ID.Scheme == "digest" && !isHash(hash) {
		return proto.ACL{}, &digestError{user, acl.Perms}
	}
	return acl, nil
}

// ParsePerms reads letters of permissions, and returns the first that stands for none.
func ParsePerms(letters string) (perms proto.Perms, unknown rune) {
	for _, letter := range letters {
		perm := proto.Perms(0)
		for _, p := range Permissions {
			if rune(p.Letter) == letter {
				perm = p.Perm
			}
		}
		if perm == 0 {
			return perms, letter
		}
		perms |= perm
	}
	return perms, 0
}

// digestError means that an entry's digest is not a hash. It does not repeat what may be a
// password.
type digestError struct {
	user  string
	perms proto.Perms
}

func (e *digestError) Error() string {
	return fmt.Sprintf("the digest of user %s is not the base64 of a hash, so no password would match it and nobody could use the "+
		"znode through it; to mean your own identity: addauth digest %s:password, then the ACL auth::%s", e.user, e.user, e.perms)
}

// isHash reports whether text can be the hash in an ACL's digest: base64 of as many bytes as MD5,
// SHA-1, SHA-2 or SHA-3 have. The servers choose one of these
// (zookeeper.DigestAuthenticationProvider.digestAlg, SHA-1 by default).
func isHash(text string) bool {
	sum, err := base64.StdEncoding.DecodeString(text)
	return err == nil && slices.Contains([]int{16, 20, 28, 32, 48, 64}, len(sum))
}

// FormatACL formats an ACL as ParseACL reads it.
func FormatACL(acls []proto.ACL) string {
	escape := strings.NewReplacer(`\`, `\\`, ",", `\,`)
	entries := make([]string, len(acls))
	for i, a := range acls {
		entries[i] = escape.Replace(a.ID.Scheme + ":" + a.ID.ID + ":" + a.Perms.String())
	}
	return strings.Join(entries, ",")
}

// ExplainACL says more about an ACL that the server rejects; it returns other errors unchanged.
func ExplainACL(err error, acls []proto.ACL) error {
	var op *client.OpError
	if !errors.As(err, &op) || op.Code != proto.ErrInvalidACL {
		return err
	}
	why := "the server does not accept a scheme or an id in " + FormatACL(acls)
	for _, a := range acls {
		if a.ID.Scheme == "auth" {
			why = "the scheme auth stands for this session's identities, but it has none yet; add one first: addauth digest user:password"
		}
	}
	return Reword(err, "%s (%s)", Sentence(op), why)
}
