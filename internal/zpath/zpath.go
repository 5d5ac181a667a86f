// Package zpath takes paths of znodes apart. Paths are absolute and clean; the root is "/".
package zpath

import "strings"

// Parent returns the path of the parent. That of the root is the root.
func Parent(path string) string { return path[:max(strings.LastIndexByte(path, '/'), 1)] }

// Name returns the last name of a path. That of the root is "/".
func Name(path string) string {
	if path == "/" {
		return path
	}
	return path[strings.LastIndexByte(path, '/')+1:]
}

// IsBelow reports whether path is below above, and not above itself.
func IsBelow(path, above string) bool {
	if above == "/" {
		return path != "/"
	}
	return len(path) > len(above) && path[len(above)] == '/' && strings.HasPrefix(path, above)
}

// Within reports whether path is root, or below it.
func Within(path, root string) bool { return path == root || IsBelow(path, root) }

// Rebase returns the path that is below to what path is below from. path is within from.
func Rebase(path, from, to string) string {
	if from == "/" {
		from = ""
	}
	rest := path[len(from):]
	switch {
	case rest == "" || rest == "/":
		return to
	case to == "/":
		return rest
	}
	return to + rest
}
