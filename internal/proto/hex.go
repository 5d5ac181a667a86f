package proto

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"strings"
)

// Hex formats a zxid, a session id, an owner or a digest as ZooKeeper does: 0x100000041, and a negative one as the
// unsigned number.
func Hex(n int64) string {
	return string(AppendHex(append(make([]byte, 0, 18), "0x"...), n))
}

// ParseHex parses what Hex formats, with or without 0x, in either case.
func ParseHex(text string) (int64, error) {
	if len(text) > 2 && strings.EqualFold(text[:2], "0x") {
		text = text[2:]
	}
	n, err := strconv.ParseUint(text, 16, 64)
	return int64(n), err
}

// AppendHex appends the digits of Hex, without 0x. Log dumps consist of such numbers, so it produces eight digits at
// once, one in each byte of a word, which is many times faster than strconv.AppendUint.
func AppendHex(dst []byte, n int64) []byte {
	u := uint64(n)
	digits := max((bits.Len64(u)+3)/4, 1)
	u <<= 64 - 4*digits
	from := len(dst)
	dst = append(dst, "0123456789abcdef"...) // makes space for all digits
	binary.BigEndian.PutUint64(dst[from:], eightHex(uint32(u>>32)))
	if digits > 8 {
		binary.BigEndian.PutUint64(dst[from+8:], eightHex(uint32(u)))
	}
	return dst[:from+digits]
}

// eightHex spreads the nibbles of n over bytes and turns each into a digit.
func eightHex(n uint32) uint64 {
	const each = 0x0101010101010101
	v := uint64(n)
	v = (v | v<<16) & 0x0000ffff0000ffff
	v = (v | v<<8) & 0x00ff00ff00ff00ff
	v = (v | v<<4) & 0x0f0f0f0f0f0f0f0f
	letters := (v + 6*each) >> 4 & each // 1 in each byte whose nibble is ten or more
	return v + '0'*each + ('a'-'0'-10)*letters
}
