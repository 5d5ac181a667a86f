package ztree

import (
	"maps"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// openACL is the key of world:anyone with all permissions, if a server set it without asking for
// a list (ReferenceCountedACLCache.OPEN_UNSAFE_ACL_ID).
const openACL = -1

// aclTable numbers ACLs as ReferenceCountedACLCache does: each distinct ACL has one key, keys
// only grow, and an ACL is removed with its last user. As there, the count may be too high after
// a fuzzy replay.
type aclTable struct {
	lists map[int64]*aclEntry
	keys  map[string]int64 // by the list's encoding
	last  int64
	room  []byte // space for the encoding
}

type aclEntry struct {
	ACL
	users int
}

// ACL is a list that several znodes may share. It must not be changed. Index is whatever a
// checker has derived from it, kept as long as the list is; initially nil.
type ACL struct {
	List  []proto.ACL
	Index any
}

var openList = &ACL{List: proto.OpenACL}

func newACLTable() aclTable {
	return aclTable{lists: map[int64]*aclEntry{}, keys: map[string]int64{}}
}

// encoding is valid until the next call.
func (a *aclTable) encoding(list []proto.ACL) []byte {
	c := jute.NewEncoder(a.room[:0])
	for i := range list {
		list[i].Visit(c)
	}
	a.room = c.Bytes()
	return a.room
}

// use returns the list's key and counts a user.
func (a *aclTable) use(list []proto.ACL) int64 {
	if list == nil {
		return openACL
	}
	code := a.encoding(list)
	key, ok := a.keys[string(code)]
	if !ok {
		a.last++
		key = a.last
		a.keys[string(code)] = key
		a.lists[key] = &aclEntry{ACL: ACL{List: CopyACL(list)}}
	}
	a.lists[key].users++
	return key
}

// CopyACL copies a list including its strings, which may alias a buffer that is reused.
func CopyACL(list []proto.ACL) []proto.ACL {
	list = slices.Clone(list)
	for i := range list {
		list[i].ID = proto.ID{Scheme: strings.Clone(list[i].ID.Scheme), ID: strings.Clone(list[i].ID.ID)}
	}
	return list
}

// claim counts a user of a key from a snapshot.
func (a *aclTable) claim(key int64) {
	if e := a.lists[key]; e != nil {
		e.users++
	}
}

// release counts one user fewer.
func (a *aclTable) release(key int64) {
	if e := a.lists[key]; e != nil {
		if e.users--; e.users <= 0 {
			a.drop(key, e)
		}
	}
}

func (a *aclTable) drop(key int64, e *aclEntry) {
	delete(a.lists, key)
	if code := a.encoding(e.List); a.keys[string(code)] == key {
		delete(a.keys, string(code))
	}
}

// restore adds an entry of a snapshot's table.
func (a *aclTable) restore(key int64, list []proto.ACL) {
	a.last = max(a.last, key)
	a.lists[key] = &aclEntry{ACL: ACL{List: CopyACL(list)}}
	a.keys[string(a.encoding(list))] = key
}

// purge drops lists that nobody uses.
func (a *aclTable) purge() {
	for key, e := range a.lists {
		if e.users <= 0 {
			a.drop(key, e)
		}
	}
}

// ACL returns the list for a key; -1 is world:anyone with all permissions. It returns nil for a
// key that is not in the table.
func (t *Tree) ACL(key int64) []proto.ACL {
	if key == openACL {
		return slices.Clone(proto.OpenACL)
	}
	if e := t.acls.lists[key]; e != nil {
		return slices.Clone(e.List)
	}
	return nil
}

// ACLKeys returns the keys of the ACL table, sorted and without -1, as at the start of a
// snapshot.
func (t *Tree) ACLKeys() []int64 {
	t.settle()
	return slices.Sorted(maps.Keys(t.acls.lists))
}
