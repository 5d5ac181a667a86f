package proto

import (
	"math"
	"testing"
)

// The owners of Apache's EphemeralTypeTest, and those around them.
func TestEphemeralType(t *testing.T) {
	for _, test := range []struct {
		owner uint64
		want  EphemeralType
		ttl   int64
	}{
		{0, EphemeralVoid, 0},
		{1, EphemeralNormal, 0},
		{math.MaxInt64, EphemeralNormal, 0},
		{0x100000000000001, EphemeralNormal, 0}, // a session of server 1
		{0xfe00000000000001, EphemeralNormal, 0},
		{0x8000000000000000, EphemeralContainer, 0},
		{0x8000000000000001, EphemeralNormal, 0},
		{0xff00000000000000, EphemeralTTL, 0},
		{0xff00000000000001, EphemeralTTL, 1},
		{0xff000000000003e8, EphemeralTTL, 1000},
		{0xff0000ffffffffff, EphemeralTTL, MaxTTL},
		{0xff00010000000000, EphemeralNormal, 0}, // the lowest extended type that does not exist
		{0xff80000000000000, EphemeralNormal, 0},
		{0xffffffffffffffff, EphemeralNormal, 0},
	} {
		got := EphemeralTypeOf(int64(test.owner))
		if got != test.want {
			t.Errorf("0x%x: type %d, want %d", test.owner, got, test.want)
		}
		if got == EphemeralTTL && TTLOf(int64(test.owner)) != test.ttl {
			t.Errorf("0x%x: TTL %d, want %d", test.owner, TTLOf(int64(test.owner)), test.ttl)
		}
	}
	for _, ttl := range []int64{1, 100, MaxTTL} {
		if owner := TTLOwner(ttl); EphemeralTypeOf(owner) != EphemeralTTL || TTLOf(owner) != ttl {
			t.Errorf("a TTL of %d ms became the owner 0x%x", ttl, uint64(owner))
		}
	}
}
