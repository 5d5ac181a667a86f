package proto

import "github.com/zkctl/zkctl/internal/jute"

// ID identifies whom an ACL entry applies to, or a client: a scheme and an id within it.
type ID struct {
	Scheme string
	ID     string
}

// Visit walks the fields in wire order.
func (r *ID) Visit(c *jute.Codec) { c.String(&r.Scheme); c.String(&r.ID) }

// ACL is one entry of an access control list.
type ACL struct {
	Perms Perms
	ID    ID
}

// Visit walks the fields in wire order.
func (r *ACL) Visit(c *jute.Codec) { c.Int((*int32)(&r.Perms)); r.ID.Visit(c) }

// aclMin is the smallest size of an ACL entry in bytes.
const aclMin = 12

func visitACLs(c *jute.Codec, v *[]ACL) { jute.Vector(c, v, aclMin) }

// Well-known lists, from ZooDefs.Ids.
var (
	WorldAnyone = ID{"world", "anyone"}
	OpenACL     = []ACL{{PermAll, WorldAnyone}}
	CreatorACL  = []ACL{{PermAll, ID{"auth", ""}}}
	ReadOnlyACL = []ACL{{PermRead, WorldAnyone}}
)

// Stat is a znode's metadata as a client sees it. Times are milliseconds since 1970.
type Stat struct {
	Czxid          int64 // zxid that created the znode
	Mzxid          int64 // zxid that last changed its data
	Ctime          int64
	Mtime          int64
	Version        int32 // changes of the data
	Cversion       int32 // changes of the list of children
	Aversion       int32 // changes of the ACL
	EphemeralOwner int64 // session id, 0 unless ephemeral; also encodes containers and TTLs
	DataLength     int32
	NumChildren    int32
	Pzxid          int64 // zxid that last changed the list of children
}

// StatSize is the number of bytes that a Stat occupies.
const StatSize = 68

// Visit walks the fields in wire order.
func (r *Stat) Visit(c *jute.Codec) {
	c.Long(&r.Czxid)
	c.Long(&r.Mzxid)
	c.Long(&r.Ctime)
	c.Long(&r.Mtime)
	c.Int(&r.Version)
	c.Int(&r.Cversion)
	c.Int(&r.Aversion)
	c.Long(&r.EphemeralOwner)
	c.Int(&r.DataLength)
	c.Int(&r.NumChildren)
	c.Long(&r.Pzxid)
}

// StatPersisted is a znode's metadata as a snapshot stores it.
type StatPersisted struct {
	Czxid          int64
	Mzxid          int64
	Ctime          int64
	Mtime          int64
	Version        int32
	Cversion       int32
	Aversion       int32
	EphemeralOwner int64
	Pzxid          int64
}

// StatPersistedSize is the number of bytes that a StatPersisted occupies.
const StatPersistedSize = 60

// Visit walks the fields in wire order.
func (r *StatPersisted) Visit(c *jute.Codec) {
	c.Long(&r.Czxid)
	c.Long(&r.Mzxid)
	c.Long(&r.Ctime)
	c.Long(&r.Mtime)
	c.Int(&r.Version)
	c.Int(&r.Cversion)
	c.Int(&r.Aversion)
	c.Long(&r.EphemeralOwner)
	c.Long(&r.Pzxid)
}

// Stat returns the metadata as a server reports it of a znode with so many bytes of data and children
// (DataNode.copyStat).
func (r *StatPersisted) Stat(dataLength, children int32) Stat {
	s := Stat{
		Czxid: r.Czxid, Mzxid: r.Mzxid, Ctime: r.Ctime, Mtime: r.Mtime,
		Version: r.Version, Cversion: r.Cversion*2 - children, Aversion: r.Aversion,
		DataLength: dataLength, NumChildren: children, Pzxid: r.Pzxid,
	}
	if EphemeralTypeOf(r.EphemeralOwner) == EphemeralNormal {
		s.EphemeralOwner = r.EphemeralOwner
	}
	return s
}

// ClientInfo is one identity of the asking client, as whoAmI reports it.
type ClientInfo struct {
	AuthScheme string
	User       string
}

// Visit walks the fields in wire order.
func (r *ClientInfo) Visit(c *jute.Codec) { c.String(&r.AuthScheme); c.String(&r.User) }
