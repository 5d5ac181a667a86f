package digestmd5

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// directives are the values of a challenge or a response by name, in lower case, with their
// quotes and escapes removed. Only realm may have several.
type directives map[string][][]byte

// parse reads the directives among known; others are skipped, as RFC 2831 demands. It accepts what
// Java's DigestMD5Base.parseDirectives does: linear white space also separates directives.
func parse(text []byte, known ...string) (directives, error) {
	d := directives{}
	for rest := trim(text); len(rest) > 0; rest = trim(rest) {
		if rest[0] == ',' {
			rest = rest[1:]
			continue
		}
		end := bytes.IndexAny(rest, "=, \t\r\n")
		if end < 0 || rest[end] == ',' {
			return nil, fmt.Errorf("a directive without a value: %s", excerpt(rest))
		}
		if end == 0 {
			return nil, errors.New("a value without a directive")
		}
		name := strings.ToLower(string(rest[:end]))
		rest = trim(rest[end:])
		if len(rest) == 0 || rest[0] != '=' {
			return nil, fmt.Errorf("a directive without a value: %s", excerpt([]byte(name)))
		}
		rest = trim(rest[1:])
		if len(rest) == 0 {
			return nil, fmt.Errorf("a directive without a value: %s", excerpt([]byte(name)))
		}
		var value []byte
		if rest[0] == '"' {
			var err error
			if value, rest, err = unquote(rest[1:]); err != nil {
				return nil, fmt.Errorf("the value of %s: %w", excerpt([]byte(name)), err)
			}
		} else {
			end := bytes.IndexAny(rest, ", \t\r\n")
			if end < 0 {
				end = len(rest)
			}
			value, rest = rest[:end], rest[end:]
		}
		for _, k := range known {
			if name != k {
				continue
			}
			if len(d[k]) > 0 && k != "realm" {
				return nil, fmt.Errorf("%s is given twice", k)
			}
			d[k] = append(d[k], value)
		}
	}
	return d, nil
}

// unquote reads a quoted string after its first quote, and returns what follows it.
func unquote(text []byte) (value, rest []byte, err error) {
	value = []byte{}
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if i++; i < len(text) {
				value = append(value, text[i])
			}
		case '"':
			rest = text[i+1:]
			if len(rest) > 0 && rest[0] != ',' && !isSpace(rest[0]) {
				return nil, nil, errors.New("something other than a comma follows the closing quote")
			}
			return value, rest, nil
		default:
			value = append(value, text[i])
		}
	}
	return nil, nil, errors.New("the closing quote is missing")
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

func trim(text []byte) []byte { return bytes.TrimLeft(text, " \t\r\n") }

func excerpt(text []byte) string {
	return strconv.Quote(string(text[:min(len(text), 40)]))
}

// has reports whether the directive is given.
func (d directives) has(name string) bool { return len(d[name]) > 0 }

// get returns the first value of the directive, or nil.
func (d directives) get(name string) []byte {
	if len(d[name]) == 0 {
		return nil
	}
	return d[name][0]
}

// quote appends a quoted string.
func quote(dst, value []byte) []byte {
	dst = append(dst, '"')
	for _, b := range value {
		if b == '"' || b == '\\' || b == 127 || b < ' ' && !isSpace(b) {
			dst = append(dst, '\\')
		}
		dst = append(dst, b)
	}
	return append(dst, '"')
}
