package client

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// PathError says why a path is not a valid znode path.
type PathError struct {
	Path   string
	Reason string
}

func (e *PathError) Error() string { return fmt.Sprintf("invalid path %q: %s", e.Path, e.Reason) }

// ValidatePath checks a path as ZooKeeper does (PathUtils.validatePath). Its error is a *PathError.
func ValidatePath(path string) error {
	if reason := pathFault(path); reason != "" {
		return &PathError{path, reason}
	}
	return nil
}

// ValidateCreatePath checks a path for a create; a sequential one may end in '/'.
func ValidateCreatePath(path string, sequential bool) error {
	checked := path
	if sequential {
		checked += "1"
	}
	if reason := pathFault(checked); reason != "" {
		return &PathError{path, reason}
	}
	return nil
}

func pathFault(path string) string {
	switch {
	case path == "":
		return "empty path"
	case path[0] != '/':
		return "it must start with /"
	case path == "/":
		return ""
	case path[len(path)-1] == '/':
		return "it must not end with /"
	}
	name := 1 // where the current name starts
	for i := 1; i <= len(path); {
		if i == len(path) || path[i] == '/' {
			switch path[name:i] {
			case "":
				return fmt.Sprintf("empty name after %q", path[:name-1]+"/")
			case ".", "..":
				return fmt.Sprintf("%q is not a valid znode name (byte %d)", path[name:i], name)
			}
			i++
			name = i
			continue
		}
		if c := path[i]; c >= ' ' && c < 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(path[i:])
		if reason := runeFault(r, size); reason != "" {
			return fmt.Sprintf("%s at byte %d", reason, i)
		}
		i += size
	}
	return ""
}

// runeFault checks for the characters that PathUtils refuses. It looks at UTF-16 units, so that
// everything beyond the basic plane is refused as surrogates.
func runeFault(r rune, size int) string {
	switch {
	case r == utf8.RuneError && size <= 1:
		return "invalid UTF-8"
	case r < ' ' || r >= 0x7f && r <= 0x9f:
		return fmt.Sprintf("control character %U", r)
	case r >= 0xd800 && r <= 0xf8ff || r >= 0xfff0:
		return fmt.Sprintf("character %U, which servers refuse,", r)
	}
	return ""
}

// real returns the server's path for a path below the chroot.
func (c *Conn) real(path string) string {
	if c.chroot == "" {
		return path
	}
	if path == "/" {
		return c.chroot
	}
	return c.chroot + path
}

// shown returns the path below the chroot for a server's path; a path outside the chroot is
// returned unchanged.
func (c *Conn) shown(path string) string {
	if c.chroot == "" || !strings.HasPrefix(path, c.chroot) {
		return path
	}
	rest := path[len(c.chroot):]
	switch {
	case rest == "":
		return "/"
	case rest[0] != '/':
		return path
	}
	return rest
}
