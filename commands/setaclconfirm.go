package commands

import (
	"context"
	"crypto/sha1" //nolint:gosec // what the scheme digest is
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
)

// confirmACL asks before setting an ACL that would keep this session from setting another one, a
// mistake that only somebody else can undo. If nobody can be asked, it requires -y. below is the
// number of znodes below path that get the ACL too.
//
// Differs(locked-out): zkCli sets the ACL without asking.
func confirmACL(ctx context.Context, env *command.Env, conn *client.Conn, path string, below int, acl []proto.ACL) error {
	if env.Yes {
		return nil
	}
	who := newIdentities(ctx, conn)
	if who.admin(acl) {
		return nil
	}
	if below == 0 {
		// A session without the permission has nothing to lose, and the server's answer is the
		// better one.
		if now, _, err := conn.GetACL(ctx, path); command.Fatal(err) != nil {
			return err
		} else if err != nil || !who.admin(now) {
			return nil
		}
	}
	what := escape.Line(path)
	if below > 0 {
		what += fmt.Sprintf(" and %s below it", command.Counted(below, "znode"))
	}
	return confirmLoss(ctx, env, fmt.Sprintf("%s gives this session no permission a (admin), so it could not set the ACL of %s again",
		escape.Line(command.FormatACL(acl)), what))
}

// confirmLoss asks before what only somebody else can undo.
func confirmLoss(ctx context.Context, env *command.Env, loss string) error {
	if env.Yes {
		return nil
	}
	if !env.Streams.InTTY {
		return fmt.Errorf("%s; nothing was changed (use -y to set it anyway)", loss)
	}
	return env.Confirm(ctx, loss+". Set it?", "nothing was changed")
}

// identities are those of a session, as far as they are known.
type identities struct {
	infos []proto.ClientInfo // as reported by the server, from 3.7 on; for a digest only the user
	auths []client.Auth      // as added by the session
}

func newIdentities(ctx context.Context, conn *client.Conn) *identities {
	who := &identities{auths: conn.Identities()}
	who.infos, _ = conn.WhoAmI(ctx) // an older server does not know; then it recognises nobody
	return who
}

// admin reports whether an ACL allows them to set the ACL.
func (who *identities) admin(acl []proto.ACL) bool {
	for _, info := range who.infos {
		if info.AuthScheme == "super" {
			return true
		}
	}
	for _, a := range acl {
		if a.Perms&proto.PermAdmin != 0 && who.match(a.ID) {
			return true
		}
	}
	return false
}

func (who *identities) match(id proto.ID) bool {
	switch id.Scheme {
	case "world":
		return id.ID == "anyone"
	case "auth":
		return true // all of them; without any the server refuses it
	case "digest":
		for _, a := range who.auths {
			if a.Scheme == "digest" && isDigest(id.ID, a.Data) {
				return true
			}
		}
		return false
	}
	for _, info := range who.infos {
		switch {
		case info.AuthScheme != id.Scheme:
		case info.User == id.ID, id.Scheme == "ip" && inNetwork(info.User, id.ID):
			return true
		}
	}
	return false
}

// same reports whether an ACL is what a server makes of the wanted one in this session: there, auth stands for its identities.
func (who *identities) same(have, wanted []proto.ACL) bool {
	for i, w := range wanted {
		switch {
		case slices.Contains(wanted[:i], w): // the server drops it
		case w.ID.Scheme != "auth":
			if len(have) == 0 || have[0] != w {
				return false
			}
			have = have[1:]
		default:
			for range who.lasting() {
				if len(have) == 0 || have[0].Perms != w.Perms || have[0].ID == proto.WorldAnyone || have[0].ID.Scheme == "ip" || !who.match(have[0].ID) {
					return false
				}
				have = have[1:]
			}
		}
	}
	return len(have) == 0
}

// lasting is how many of them auth stands for: not the address, which may be another's tomorrow, and not the superuser.
func (who *identities) lasting() (n int) {
	if who.infos == nil {
		return max(1, len(who.auths))
	}
	for _, info := range who.infos {
		if info.AuthScheme != "ip" && info.AuthScheme != "super" {
			n++
		}
	}
	return max(1, n)
}

// isDigest reports whether id is user:base64(hash) of the credential user:password. The hash is
// SHA-1 unless the servers' zookeeper.DigestAuthenticationProvider.digestAlg says otherwise.
func isDigest(id string, credential []byte) bool {
	user, _, _ := strings.Cut(string(credential), ":")
	name, text, _ := strings.Cut(id, ":")
	sum, err := base64.StdEncoding.DecodeString(text)
	if err != nil || name != user {
		return false
	}
	switch len(sum) {
	case sha1.Size:
		return sha1.Sum(credential) == [sha1.Size]byte(sum) //nolint:gosec // as above
	case sha256.Size:
		return sha256.Sum256(credential) == [sha256.Size]byte(sum)
	case sha512.Size:
		return sha512.Sum512(credential) == [sha512.Size]byte(sum)
	}
	return true // an unknown algorithm
}

// inNetwork reports whether the address is the ACL's, or in its network
// (IPAuthenticationProvider).
func inNetwork(address, network string) bool {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	if prefix, err := netip.ParsePrefix(network); err == nil {
		return prefix.Contains(ip.Unmap())
	}
	one, err := netip.ParseAddr(network)
	return err == nil && one.Unmap() == ip.Unmap()
}
