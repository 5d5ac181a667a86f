package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
)

// aclEdit makes a znode's new ACL of the one that it has.
type aclEdit struct {
	list    []proto.ACL // the new one, whatever the old one is; nil with changes
	changes []aclChange
}

// aclChange adds entries or permissions to an ACL, or removes them.
type aclChange struct {
	add    []proto.ACL
	remove string       // scheme:id, or scheme:id:perms for some permissions
	found  *atomic.Bool // what to remove was there at least once
}

// changesACL reports whether a word of setAcl adds or removes an entry: +scheme:… or -scheme:….
func changesACL(word string) bool {
	colon := strings.IndexByte(word, ':')
	return colon > 2 && (word[0] == '+' || word[0] == '-') && !strings.ContainsFunc(word[1:colon], func(r rune) bool {
		return (r|0x20 < 'a' || r|0x20 > 'z') && (r < '0' || r > '9')
	})
}

// newACLEdit reads the arguments of setAcl after the path. It returns how many it has read.
func newACLEdit(in *command.Invocation) (edit aclEdit, n int, err error) {
	words := in.Args[1:]
	if !changesACL(words[0]) {
		edit.list, err = command.ParseACL(words[0])
		return edit, 1, err
	}
	for _, word := range words {
		if !changesACL(word) {
			return edit, 0, in.Problem("%q neither adds an entry (+scheme:id:perms) nor removes one (-scheme:id or -scheme:id:perms)", word)
		}
		if rest, removes := strings.CutPrefix(word, "-"); removes {
			edit.changes = append(edit.changes, aclChange{remove: rest, found: &atomic.Bool{}})
			continue
		}
		add, err := command.ParseACL(word[1:])
		if err != nil {
			return edit, 0, err
		}
		edit.changes = append(edit.changes, aclChange{add: add})
	}
	return edit, len(words), nil
}

// removes reports whether the edit can take permissions away in a way that depends on the old ACL.
func (e aclEdit) removes() bool {
	return slices.ContainsFunc(e.changes, func(c aclChange) bool { return c.found != nil })
}

// errNobody is about a change that leaves an ACL without entries.
var errNobody = errors.New("the change would leave an empty ACL, which servers do not accept; add who may use the znode")

// of returns the new ACL of a znode.
func (e aclEdit) of(now []proto.ACL) ([]proto.ACL, error) {
	if e.list != nil {
		return e.list, nil
	}
	acl := slices.Clone(now)
	for _, c := range e.changes {
		for _, add := range c.add {
			if i := slices.IndexFunc(acl, func(a proto.ACL) bool { return a.ID == add.ID }); i >= 0 {
				acl[i].Perms |= add.Perms
			} else {
				acl = append(acl, add)
			}
		}
		if c.found != nil {
			var found bool
			if acl, found = removeEntry(acl, c.remove); found {
				c.found.Store(true)
			}
		}
	}
	if len(acl) == 0 {
		return nil, errNobody
	}
	return acl, nil
}

// added are the entries that the edit can put into an ACL.
func (e aclEdit) added() []proto.ACL {
	all := e.list
	for _, c := range e.changes {
		all = append(all, c.add...)
	}
	return all
}

// missed returns an error about entries that were to be removed, and that no ACL had. whose says which ACLs.
func (e aclEdit) missed(whose string) error {
	var missed []string
	for _, c := range e.changes {
		if c.found != nil && !c.found.Load() {
			missed = append(missed, "-"+c.remove)
		}
	}
	if missed == nil {
		return nil
	}
	return fmt.Errorf("no such entry in the ACL of %s: %s (getAcl shows the entries)", whose, escape.Line(strings.Join(missed, " ")))
}

// removeEntry removes scheme:id, or of scheme:id:perms only the permissions. An id that an entry has is taken as a
// whole, so that the end of an address is not mistaken for permissions. The id of a digest may be the user alone.
func removeEntry(acl []proto.ACL, text string) (rest []proto.ACL, found bool) {
	scheme, id, _ := strings.Cut(text, ":")
	is := func(a proto.ACL) bool {
		user, _, _ := strings.Cut(a.ID.ID, ":")
		return a.ID.Scheme == scheme && (a.ID.ID == id || scheme == "digest" && user == id)
	}
	perms := proto.PermAll
	if !slices.ContainsFunc(acl, is) {
		colon := strings.LastIndexByte(id, ':')
		if colon < 0 {
			return acl, false
		}
		some, unknown := command.ParsePerms(id[colon+1:])
		if unknown != 0 || some == 0 {
			return acl, false
		}
		id, perms = id[:colon], some
	}
	for _, a := range acl {
		if is(a) {
			found = true
			if a.Perms &^= perms; a.Perms == 0 {
				continue
			}
		}
		rest = append(rest, a)
	}
	return rest, found
}

// changeACL changes the ACL of a znode at the version that was read, and starts again if it changed meanwhile.
// ask, unless it is nil, is called before.
func changeACL(ctx context.Context, conn *client.Conn, path string, edit aclEdit, version int32, ask func(acl []proto.ACL) error) (stat proto.Stat, wrote bool, err error) {
	conflict := &client.OpError{Op: proto.OpSetACL, Path: path, Code: proto.ErrBadVersion}
	for range revisionRounds {
		now, read, err := conn.GetACL(ctx, path)
		switch {
		case err != nil:
			return read, false, err
		case version >= 0 && read.Aversion != version:
			return read, false, conflict
		}
		acl, err := edit.of(now)
		if err != nil {
			return read, false, fmt.Errorf("%s: %w", escape.Line(path), err)
		}
		if slices.Equal(acl, now) {
			return read, false, nil
		}
		if ask != nil {
			if err := ask(acl); err != nil {
				return read, false, err
			}
		}
		if stat, err = conn.SetACL(ctx, path, acl, read.Aversion); !errors.Is(err, proto.ErrBadVersion) || version >= 0 {
			return stat, err == nil, err
		}
	}
	return stat, false, conflict
}
