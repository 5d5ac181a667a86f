package answer

import (
	"strconv"

	"github.com/zkctl/zkctl/internal/escape"
)

// Opt is a value that may be unknown. The zero Opt is unknown, which is not the same as a known zero.
type Opt[T any] struct {
	value T
	known bool
}

// Some returns a known value.
func Some[T any](v T) Opt[T] { return Opt[T]{v, true} }

// Known reports whether the value is known.
func (o Opt[T]) Known() bool { return o.known }

// Get returns the value and whether it is known.
func (o Opt[T]) Get() (T, bool) { return o.value, o.known }

// Or returns the value, or other if it is unknown.
func (o Opt[T]) Or(other T) T {
	if o.known {
		return o.value
	}
	return other
}

// Fill takes the value of another Opt if this one is unknown.
func (o *Opt[T]) Fill(other Opt[T]) {
	if !o.known {
		*o = other
	}
}

// Unknown is an unknown value as people see it.
const Unknown = "?"

// Text formats the value, or returns Unknown.
func (o Opt[T]) Text(format func(T) string) string {
	if !o.known {
		return Unknown
	}
	return format(o.value)
}

// MarshalJSON writes an unknown value as null.
func (o Opt[T]) MarshalJSON() ([]byte, error) {
	if !o.known {
		return []byte("null"), nil
	}
	return escape.MarshalJSON(o.value)
}

// Hex is a zxid or a session id, "0x…" in JSON.
type Hex int64

// String formats the number as ZooKeeper's tools do.
func (h Hex) String() string { return "0x" + strconv.FormatUint(uint64(h), 16) }

// MarshalText implements encoding.TextMarshaler.
func (h Hex) MarshalText() ([]byte, error) { return []byte(h.String()), nil }
