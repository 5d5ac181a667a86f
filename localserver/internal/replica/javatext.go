package replica

import (
	"cmp"
	"math/bits"
	"net"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zkctl/zkctl/internal/proto"
)

// javaText returns a string as a Java server sends it back: invalid UTF-8 becomes U+FFFD on
// reading, and a character above U+FFFF is written as two surrogates of three bytes each
// (BinaryInputArchive.readString, BinaryOutputArchive.stringToByteBuffer).
func javaText(s string) string {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] < utf8.RuneSelf
	}
	if plain {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			n = malformed(s)
		}
		s = s[n:]
		if r > 0xffff {
			r -= 0x10000
			surrogate(&b, 0xd800+r>>10)
			surrogate(&b, 0xdc00+r&0x3ff)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func surrogate(b *strings.Builder, unit rune) {
	b.WriteByte(byte(0xe0 | unit>>12))
	b.WriteByte(byte(0x80 | unit>>6&0x3f))
	b.WriteByte(byte(0x80 | unit&0x3f))
}

// malformed returns how many bytes at the start of s become one U+FFFD.
func malformed(s string) int {
	follows := func(i int, low, high byte) bool { return i < len(s) && s[i] >= low && s[i] <= high }
	switch c := s[0]; {
	case c >= 0xe0 && c < 0xf0:
		switch {
		case c == 0xe0 && !follows(1, 0xa0, 0xbf), !follows(1, 0x80, 0xbf):
			return 1
		case c == 0xed && s[1] >= 0xa0 && follows(2, 0x80, 0xbf):
			return 3 // a surrogate
		}
		return 2
	case c >= 0xf0 && c < 0xf5:
		if c == 0xf0 && !follows(1, 0x90, 0xbf) || c == 0xf4 && !follows(1, 0x80, 0x8f) || !follows(1, 0x80, 0xbf) {
			return 1
		}
		if !follows(2, 0x80, 0xbf) {
			return 2
		}
		return 3
	}
	return 1
}

// javaACL is javaText for the ids of an ACL that a client sent.
func javaACL(list []proto.ACL) []proto.ACL {
	for i := range list {
		id := &list[i].ID
		id.Scheme, id.ID = javaText(id.Scheme), javaText(id.ID)
	}
	return list
}

// javaAddress formats an address as InetSocketAddress.toString does.
func javaAddress(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return "/" + a.String()
	}
	return "/" + net.JoinHostPort(plainIP(host), port)
}

// hashOrder sorts the paths of a session's ephemerals, given in the order of creation, into the
// order of a clone of the java.util.HashSet in which ZooKeeper keeps them. Clients see that order
// in the events at the end of the session.
func hashOrder(paths []string) {
	n := len(paths)
	if n < 2 {
		return
	}
	kept := uint32(16) // capacity that the set has grown to
	for n > int(kept-kept>>2) {
		kept *= 2
	}
	cloned := powerOfTwo(uint32(float32(n)/0.75 + 1))
	type entry struct {
		path string
		hash uint32
	}
	list := make([]entry, n)
	for i, path := range paths {
		h := javaHash(path)
		list[i] = entry{path, h ^ h>>16}
	}
	slices.SortStableFunc(list, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.hash&(cloned-1), b.hash&(cloned-1)), cmp.Compare(a.hash&(kept-1), b.hash&(kept-1)))
	})
	for i := range list {
		paths[i] = list[i].path
	}
}

// powerOfTwo returns the least power of two that is at least n (HashMap.tableSizeFor).
func powerOfTwo(n uint32) uint32 { return 1 << bits.Len32(n-1) }
