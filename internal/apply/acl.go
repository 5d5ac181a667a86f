package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
)

// identity returns the entry of an ACL that stands for this session: its identities or, if it has none, its address.
// With that in its ACL, a znode can be finished although the wanted ACL does not let this session do it.
func identity(ctx context.Context, conn *client.Conn) ([]proto.ACL, error) {
	auth := []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "auth"}}}
	if len(conn.Identities()) > 0 {
		return auth, nil
	}
	infos, err := conn.WhoAmI(ctx)
	switch {
	case errors.Is(err, proto.ErrUnimplemented): // before 3.7
		return proto.OpenACL, nil
	case err != nil:
		return nil, err
	}
	var ip []proto.ACL
	for _, who := range infos {
		switch who.AuthScheme {
		case "ip":
			ip = []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "ip", ID: who.User}}}
		case "super":
		default:
			return auth, nil
		}
	}
	if ip == nil {
		return proto.OpenACL, nil
	}
	return ip, nil
}

// open reports whether an ACL lets everyone finish the znode: create and delete children.
func open(acl []proto.ACL) bool {
	const needed = proto.PermCreate | proto.PermDelete
	for _, a := range acl {
		if a.ID.Scheme == "world" && a.ID.ID == "anyone" && a.Perms&needed == needed {
			return true
		}
	}
	return false
}

// meanwhile returns the ACL that a znode has until its children are there: the wanted one, and what lets this session
// finish.
func (r *run) meanwhile(ctx context.Context, acl []proto.ACL) ([]proto.ACL, error) {
	for r.self == nil && !r.opt.DryRun {
		self, err := identity(ctx, r.conn)
		var loss *client.LossError
		switch {
		case errors.As(err, &loss) && loss.Code == proto.ErrConnectionLoss:
			if err := r.w.reconnect(err); err != nil {
				return nil, err
			}
		case err != nil:
			return nil, err
		}
		r.self = self
	}
	return append(slices.Clip(acl), r.self...), nil
}

// unfinished reports whether an ACL is one that meanwhile returned, in this run or an earlier one: the wanted entries,
// and behind them others with all permissions.
func unfinished(acl, wanted []proto.ACL) bool {
	if len(acl) <= len(wanted) || !slices.Equal(acl[:len(wanted)], wanted) {
		return false
	}
	for _, a := range acl[len(wanted):] {
		if a.Perms != proto.PermAll {
			return false
		}
	}
	return true
}

// CheckACL returns an error if an ACL that was read cannot be the whole of it. With such an ACL nobody could use the znode.
func CheckACL(path string, acl []proto.ACL) error {
	switch {
	case acl == nil:
		return fmt.Errorf("the ACL of %s is not known; add an identity that may read it (addauth), or give it another (--acl)", escape.Line(path))
	case len(acl) == 0:
		return fmt.Errorf("the ACL of %s is empty, which no server accepts; give it another (--acl)", escape.Line(path))
	}
	for _, a := range acl {
		if user, hidden := source.HiddenUser(a); hidden {
			return fmt.Errorf("the ACL of %s was read without the hash of user %q, because this session may not set it; add an identity with the permission a", escape.Line(path), user)
		}
	}
	return nil
}
