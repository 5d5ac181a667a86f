package logs

import "unicode/utf8"

// mostShape is the length, in bytes, after which messages count as alike.
const mostShape = 160

// appendShape appends what messages that differ only in numbers, ids and addresses have in common: each run of letters
// and digits that has a digit is a #.
func appendShape(dst, text []byte) []byte {
	from := len(dst)
	for i := 0; i < len(text) && len(dst)-from < mostShape; {
		c := text[i]
		if !wordByte[c] {
			if c == '\t' || c == '\r' {
				c = ' '
			}
			dst = append(dst, c)
			i++
			continue
		}
		start, digits := i, false
		for i < len(text) && wordByte[text[i]] {
			digits = digits || text[i]-'0' < 10
			i++
		}
		switch n := len(dst); {
		case !digits:
			dst = append(dst, text[start:min(i, start+mostShape+utf8.UTFMax)]...)
		case n-from >= 2 && dst[n-2] == '#' && (dst[n-1] == '.' || dst[n-1] == ':' || dst[n-1] == '-' || dst[n-1] == ','):
			dst = dst[:n-1] // of 192.0.2.1:2181, one #
		default:
			dst = append(dst, '#')
		}
	}
	if end := from + mostShape; len(dst) > end {
		for end > from && !utf8.RuneStart(dst[end]) {
			end--
		}
		dst = dst[:end]
	}
	return dst
}

// wordByte are letters and digits, and what is part of a character outside ASCII.
var wordByte = func() (is [256]bool) {
	for c := range is {
		is[c] = c >= 0x80 || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
	}
	return is
}()
