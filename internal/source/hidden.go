package source

import (
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/proto"
)

// HiddenUser returns the user whose hash an entry of an ACL lacks: a server shows those of an ACL only to a session that may set it
// (FinalRequestProcessor.handleGetACLRequest).
func HiddenUser(a proto.ACL) (user string, hidden bool) {
	user, hash, _ := strings.Cut(a.ID.ID, ":")
	return user, a.ID.Scheme == "digest" && hash == "x"
}

// HidesHashes reports whether an ACL lacks the hash of a password.
func HidesHashes(acl []proto.ACL) bool {
	return slices.ContainsFunc(acl, func(a proto.ACL) bool {
		_, hidden := HiddenUser(a)
		return hidden
	})
}

// SameShown reports whether two ACLs are the same but for hashes that one of them lacks.
func SameShown(a, b []proto.ACL) bool {
	return slices.EqualFunc(a, b, func(x, y proto.ACL) bool {
		if x == y {
			return true
		}
		userX, hiddenX := HiddenUser(x)
		userY, hiddenY := HiddenUser(y)
		return (hiddenX || hiddenY) && userX == userY && x.ID.Scheme == y.ID.Scheme && x.Perms == y.Perms
	})
}
