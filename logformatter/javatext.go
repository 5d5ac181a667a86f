package logformatter

import (
	"encoding/binary"
	"strconv"
	"unicode/utf8"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
)

// appendText appends bytes as Java prints a string decoded from them: invalid UTF-8 becomes
// U+FFFD, once per sequence that String.decodeUTF8 of JDK 17 replaces as a unit.
func appendText(dst, b []byte) []byte {
	if isASCII(b) || utf8.Valid(b) {
		return append(dst, b...)
	}
	for len(b) > 0 {
		if b[0] < utf8.RuneSelf {
			dst = append(dst, b[0])
			b = b[1:]
			continue
		}
		n, ok := decodeJava(b)
		if ok {
			dst = append(dst, b[:n]...)
		} else {
			dst = append(dst, "\uFFFD"...)
		}
		b = b[n:]
	}
	return dst
}

// decodeJava returns the length of the character at the start of b, or of the sequence that is
// replaced as a unit. b[0] must be at least 0x80.
func decodeJava(b []byte) (n int, ok bool) {
	b1 := b[0]
	switch {
	case b1>>5 == 6 && b1&0x1e != 0:
		if len(b) > 1 && continues(b[1]) {
			return 2, true
		}
		return 1, false
	case b1>>4 == 14:
		switch {
		case len(b) > 1 && (b1 == 0xe0 && b[1]&0xe0 == 0x80 || !continues(b[1])):
			return 1, false
		case len(b) < 3:
			return len(b), false
		case !continues(b[2]):
			return 2, false
		}
		return 3, b1 != 0xed || b[1] < 0xa0 // a surrogate is replaced as a unit
	case b1>>3 == 30:
		switch {
		case b1 > 0xf4, len(b) > 1 && (b1 == 0xf0 && b[1] < 0x90 || b1 == 0xf4 && b[1]&0xf0 != 0x80 || !continues(b[1])):
			return 1, false
		case len(b) > 2 && !continues(b[2]):
			return 2, false
		case len(b) < 4:
			return len(b), false
		case !continues(b[3]):
			return 3, false
		}
		return 4, true
	}
	return 1, false
}

func continues(b byte) bool { return b&0xc0 == 0x80 }

// text returns the next field, which is text from outside.
func (f *fields) text() []byte {
	b := f.buffer()
	if f.tty && b != nil {
		b = escape.Append([]byte{}, appendText(nil, b), false)
	}
	return b
}

// appendString appends a path as Java's + does: null prints as a word.
func appendString(dst, b []byte) []byte {
	if b == nil {
		return append(dst, "null"...)
	}
	return appendText(dst, b)
}

// appendEscaped appends a string as jute's ToStringOutputArchive (CsvOutputArchive before
// 3.6) writes it.
func appendEscaped(dst, b []byte) []byte {
	if b == nil {
		return dst
	}
	dst = append(dst, '\'')
	from := len(dst)
	dst = appendText(dst, b)
	for i := from; i < len(dst); i++ {
		switch dst[i] {
		case 0, '\n', '\r', ',', '}', '%':
			return escapeFrom(dst, i)
		}
	}
	return dst
}

// escapeFrom escapes, in place, everything from index from on.
func escapeFrom(dst []byte, from int) []byte {
	plain := append([]byte(nil), dst[from:]...)
	dst = dst[:from]
	for _, c := range plain {
		switch c {
		case 0, '\n', '\r', ',', '}', '%':
			dst = append(dst, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// javaHex is Integer.toHexString of each byte, which is signed: ffffff9b.
var javaHex = func() (t [256]string) {
	for i := range t {
		t[i] = strconv.FormatUint(uint64(uint32(int8(i))), 16)
	}
	return t
}()

// appendEscapedBuffer appends a buffer as jute's ToStringOutputArchive writes it.
func appendEscapedBuffer(dst, b []byte) []byte {
	if len(b) == 0 {
		return dst
	}
	dst = append(dst, '#')
	for _, c := range b {
		if c >= 16 && c < 128 {
			dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
		} else {
			dst = append(dst, javaHex[c]...)
		}
	}
	return dst
}

// appendInt is strconv.AppendInt in base 10, but faster for the small numbers that logs are full
// of.
func appendInt(dst []byte, n int64) []byte {
	switch {
	case n >= 0 && n < 10:
		return append(dst, byte('0'+n))
	case n < 0 || n >= 1e8:
		return strconv.AppendInt(dst, n, 10)
	}
	var b [8]byte
	at := len(b)
	for u := uint32(n); u > 0; u /= 10 {
		at--
		b[at] = byte('0' + u%10)
	}
	return append(dst, b[at:]...)
}

const hexDigits = "0123456789abcdef"

// opNames holds the names of types below 32.
var opNames = func() (names [32]string) {
	for op := range names {
		names[op] = slowOpName(proto.Op(op))
	}
	return names
}()

// opName returns the type's name in Apache's tools (Request.op2String of 3.8).
func opName(op proto.Op) string {
	if op >= 0 && int(op) < len(opNames) {
		return opNames[op]
	}
	return slowOpName(op)
}

func slowOpName(op proto.Op) string {
	if op == proto.OpCreateTTL {
		return "createTtl"
	}
	name := op.String()
	if len(name) > 3 && name[:3] == "op " || op == proto.OpAddWatch {
		return "unknown " + strconv.Itoa(int(op))
	}
	return name
}

// isASCII reports whether b is ASCII, as most text in a log is.
func isASCII(b []byte) bool {
	const high = 0x8080808080808080
	for len(b) >= 32 {
		x := binary.NativeEndian.Uint64(b) | binary.NativeEndian.Uint64(b[8:]) |
			binary.NativeEndian.Uint64(b[16:]) | binary.NativeEndian.Uint64(b[24:])
		if x&high != 0 {
			return false
		}
		b = b[32:]
	}
	for len(b) >= 8 {
		if binary.NativeEndian.Uint64(b)&high != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
