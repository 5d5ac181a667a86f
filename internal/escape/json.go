package escape

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"unicode/utf8"
	"unsafe"
)

// AppendJSON appends text to dst as a JSON string, quotes included. It escapes what Jackson
// escapes, and so what Apache's tools and AdminServer print: quotes, backslashes, and control characters
// as \b, \t, \n, \f, \r or \u00XX in upper case. Invalid UTF-8 becomes U+FFFD.
func AppendJSON(dst, text []byte) []byte {
	const digits = "0123456789ABCDEF"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(text); {
		if i+8 <= len(text) && plainJSON(binary.NativeEndian.Uint64(text[i:])) {
			i += 8
			continue
		}
		for end := min(i+8, len(text)); i < end; {
			c := text[i]
			if c >= utf8.RuneSelf {
				r, size := utf8.DecodeRune(text[i:])
				if r == utf8.RuneError && size == 1 {
					dst = append(append(dst, text[from:i]...), "\uFFFD"...)
					from = i + 1
				}
				i += size
				continue
			}
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, text[from:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\b':
				dst = append(dst, '\\', 'b')
			case '\t':
				dst = append(dst, '\\', 't')
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\f':
				dst = append(dst, '\\', 'f')
			case '\r':
				dst = append(dst, '\\', 'r')
			default:
				dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			}
			i++
			from = i
		}
	}
	return append(append(dst, text[from:]...), '"')
}

// plainJSON reports whether eight bytes are ASCII that JSON does not escape. In each term, the high bit of a byte is set by
// what it looks for; a borrow can set it falsely only above one that is set rightly.
func plainJSON(x uint64) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	quote, backslash := x^(ones*'"'), x^(ones*'\\')
	return (x|(x-ones*' ')&^x|(quote-ones)&^quote|(backslash-ones)&^backslash)&high == 0
}

// AppendJSONString is [AppendJSON] for a string.
func AppendJSONString(dst []byte, text string) []byte {
	return AppendJSON(dst, unsafe.Slice(unsafe.StringData(text), len(text)))
}

// MarshalJSON is json.Marshal, except that <, > and & stay as they are: what we print is not part of an HTML page.
// It is also what a MarshalJSON method calls, whose escapes would stay.
func MarshalJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

// MarshalJSONFile is [MarshalJSON] for a file that a person may open: indented by two spaces, with a line break at the end.
func MarshalJSONFile(v any) ([]byte, error) {
	text, err := MarshalJSON(v)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, append(text, '\n'), "", "  "); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
