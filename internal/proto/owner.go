package proto

// EphemeralType is the kind of znode that an ephemeralOwner encodes (EphemeralType).
type EphemeralType int

// Types of ephemeralOwner.
const (
	EphemeralVoid      EphemeralType = iota // a persistent znode
	EphemeralNormal                         // the owner is a session
	EphemeralContainer                      // the server deletes it after its last child
	EphemeralTTL                            // the server deletes it when its TTL has passed
)

// ContainerOwner is the ephemeralOwner of a container znode (EphemeralType.CONTAINER).
const ContainerOwner = -1 << 63

// MaxTTL is the longest TTL in milliseconds that a znode can have (EphemeralType.TTL).
const MaxTTL = 1<<40 - 1

// An ephemeralOwner with 0xff in its highest byte has an extended type in the next two, which is 0
// for a TTL, and the type's value in the lowest five.
const (
	extendedMask = -1 << 56
	extendedType = 0xffff << 40
)

// EphemeralTypeOf returns the type of an ephemeralOwner as a server with extendedTypesEnabled does.
// Without that, or before 3.5.4, a server's id can be 255: its session ids start with 0xff followed
// by a time, which ZooKeeper with extended types refuses to read. Here they are sessions.
func EphemeralTypeOf(owner int64) EphemeralType {
	switch {
	case owner == 0:
		return EphemeralVoid
	case owner == ContainerOwner:
		return EphemeralContainer
	case owner&(extendedMask|extendedType) == extendedMask:
		return EphemeralTTL
	}
	return EphemeralNormal
}

// TTLOf returns the TTL in milliseconds of an ephemeralOwner of type EphemeralTTL.
func TTLOf(owner int64) int64 { return owner & MaxTTL }

// TTLOwner returns the ephemeralOwner that encodes a TTL of ms milliseconds, 1 to MaxTTL.
func TTLOwner(ms int64) int64 { return extendedMask | ms }
