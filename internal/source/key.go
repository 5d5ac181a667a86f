package source

import "bytes"

// AppendKey appends a path in a form whose order, byte by byte, is that of a walk: a slash becomes
// 0, the lowest byte. The root is empty. Names cannot contain the bytes 0 and 1, except in a damaged
// file; they become 1 1 and 1 2.
func AppendKey(key []byte, path string) []byte {
	if path == "/" {
		return key
	}
	for i := 0; i < len(path); i++ {
		switch c := path[i]; c {
		case '/':
			key = append(key, 0)
		case 0, 1:
			key = append(key, 1, c+1)
		default:
			key = append(key, c)
		}
	}
	return key
}

// Compare compares two paths by the order of a walk: the bytes of the names, and / below every other byte.
func Compare(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	switch {
	case a == b:
		return 0
	case n == len(a):
		return -1
	case n == len(b):
		return 1
	case a[n] == '/' || b[n] != '/' && a[n] < b[n]:
		return -1
	}
	return 1
}

// PathOf returns the path of a key.
func PathOf(key []byte) string {
	if len(key) == 0 {
		return "/"
	}
	path := bytes.ReplaceAll(key, []byte{0}, []byte{'/'})
	if bytes.IndexByte(path, 1) >= 0 {
		path = bytes.ReplaceAll(path, []byte{1, 1}, []byte{0})
		path = bytes.ReplaceAll(path, []byte{1, 2}, []byte{1})
	}
	return string(path)
}

// within reports whether path is root or below it, and how many levels.
func within(root, path string) (level int, ok bool) {
	if root != "/" {
		if len(path) < len(root) || path[:len(root)] != root || len(path) > len(root) && path[len(root)] != '/' {
			return 0, false
		}
		path = path[len(root):]
	}
	if path == "" || path == "/" {
		return 0, true
	}
	for i := 0; i < len(path); i++ {
		if path[i] == '/' {
			level++
		}
	}
	return level, true
}
